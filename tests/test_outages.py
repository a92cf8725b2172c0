"""While a receiver fails, the program runs, one line is logged, and every span is counted."""

from __future__ import annotations

import grpc
import pytest

import tracekit
from tests.receivers import Accept, GrpcReceiver, Hang, HttpReceiver, Refuse
from tracekit import ExporterStats, exporters, instrument

pytestmark = pytest.mark.usefixtures("global_telemetry")

REFUSALS = {"grpc": grpc.StatusCode.PERMISSION_DENIED, "http": 403}


@instrument("work")
def work(n):
    return n


@pytest.fixture(params=["grpc", "http"])
def protocol(request):
    return request.param


@pytest.fixture
def receiver(protocol):
    with {"grpc": GrpcReceiver, "http": HttpReceiver}[protocol]() as running:
        yield running
        running.release()


@pytest.fixture
def patience():
    """Seconds that one export may take, its retries included."""
    return 1.0


@pytest.fixture
def telemetry(protocol, receiver, patience):
    exporter = exporters.otlp(protocol=protocol, endpoint=receiver.endpoint, timeout=patience)
    made = tracekit.init_telemetry("outage", exporter=exporter)
    yield made
    receiver.release()
    made.shutdown(5.0)


def stats(telemetry):
    (only,) = telemetry.stats.exporters.values()
    return only


def lines(caplog):
    return [record.getMessage() for record in caplog.records if "deliver" in record.getMessage()]


def test_a_collector_that_is_down(telemetry, receiver, caplog):
    """Spans wait, and the reason is logged once; spans that wait at the end are dropped."""
    receiver.kill()
    for _ in range(2):
        assert [0, 1, 2] == [work(n) for n in range(3)]
        assert not telemetry.flush(0.3)
    assert ExporterStats(waiting=6) == stats(telemetry)
    assert 1 == len(lines(caplog))
    assert "cannot deliver for now: " in lines(caplog)[0]
    assert not telemetry.shutdown(0.3)
    assert ExporterStats(dropped=6) == stats(telemetry)


def test_a_collector_that_refuses(telemetry, receiver, protocol, caplog):
    """A permanent failure is not retried."""
    receiver.otherwise = Refuse(REFUSALS[protocol], "no such tenant")
    work(1)
    assert not telemetry.flush(10.0)
    assert ExporterStats(failed=1) == stats(telemetry)
    assert 1 == receiver.attempts
    assert 1 == len(lines(caplog))


def test_a_partial_success(telemetry, receiver, caplog):
    """Rejected spans are counted as failed, and the receiver's message is logged."""
    receiver.script(Accept(rejected=2, message="too old"))
    for n in range(5):
        work(n)
    assert not telemetry.flush(10.0)
    assert ExporterStats(exported=3, failed=2) == stats(telemetry)
    assert 1 == len(lines(caplog))
    assert "did not deliver 2 spans: too old" in lines(caplog)[0]


def test_a_collector_that_hangs(telemetry, receiver):
    """Calls do not wait for the receiver, and the spans arrive when it answers again."""
    receiver.script(Hang())
    work(0)
    waits = telemetry.flush(0.05)
    for n in range(100):
        work(n)
    assert not waits
    assert 101 == stats(telemetry).waiting + stats(telemetry).failed
    receiver.release()
    telemetry.flush(10.0)
    after = stats(telemetry)
    assert 101 == after.exported + after.failed
    assert 0 == after.waiting


@pytest.mark.parametrize("patience", [5.0])
def test_a_collector_that_comes_back(telemetry, receiver, caplog):
    """Spans that ended during the outage are delivered too, and the recovery is logged once."""
    caplog.set_level("INFO")
    receiver.kill()
    work(1)
    assert not telemetry.flush(0.3)
    receiver.start()
    work(2)
    work(3)
    assert telemetry.flush(10.0)
    assert ExporterStats(exported=3) == stats(telemetry)
    assert [1, 2, 3] == [one.attributes["n"] for one in receiver.spans]
    assert 2 == len(lines(caplog))
    assert "delivers again; meanwhile 0 spans failed and 0 were dropped" in lines(caplog)[1]


# What is reached, how it was taken, and what the one line asks.
WRONG_ENDPOINTS = {
    "gRPC without TLS, as one with": ("grpc", "grpc", "{address}", "http://"),
    "gRPC, as HTTP": ("grpc", "http", "http://{address}", "protocol='grpc'"),
    "HTTP, as gRPC": ("http", "grpc", "http://{address}", "protocol='http'"),
    "HTTP without TLS, as one with": ("http", "http", "https://{address}", "http://"),
}


@pytest.mark.parametrize("case", WRONG_ENDPOINTS)
def test_an_endpoint_of_another_kind(request, case, caplog):
    """The warning has the transport's error and a question about the kind of endpoint."""
    kind, protocol, endpoint, asks = WRONG_ENDPOINTS[case]
    _, _, address = request.getfixturevalue(f"{kind}_receiver").endpoint.partition("://")
    exporter = exporters.otlp(protocol=protocol, endpoint=endpoint.format(address=address))
    telemetry = tracekit.init_telemetry("shop", exporter=exporter)
    work(1)
    assert not telemetry.flush(2.0)
    (line,) = lines(caplog)
    assert "cannot deliver for now: " in line
    assert asks in line.partition("(is that ")[2]
    assert not telemetry.shutdown(0.3)
