"""The official exporters send what is encoded here, once for a batch, and still work without."""

from __future__ import annotations

import importlib
import logging
from types import SimpleNamespace

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as OfficialGrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as OfficialHttpExporter,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.receivers import SENT, GrpcReceiver, HttpReceiver, Refuse, finished_spans
from tests.span_strategies import a_span
from tracekit._otlp import encoded
from tracekit._otlp import grpc as over_grpc
from tracekit._otlp import http as over_http
from tracekit._otlp.encoded import GRPC_NAMES, HTTP_ENCODER, functions_without_encoder
from tracekit._otlp.grpc import OtlpGrpcExporter
from tracekit._otlp.http import OtlpHttpExporter

pytestmark = pytest.mark.usefixtures("no_otlp_environment")

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
AT_ONCE = RetryInfo(retry_delay=Duration(nanos=1_000_000)).SerializeToString()
OFFICIAL = "opentelemetry.exporter.otlp.proto.{}.trace_exporter"
TRANSPORTS = {
    "grpc": SimpleNamespace(
        receiver=GrpcReceiver,
        exporter=OtlpGrpcExporter,
        busy=Refuse(grpc.StatusCode.UNAVAILABLE, "busy", (("google.rpc.retryinfo-bin", AT_ONCE),)),
        broken=Refuse(grpc.StatusCode.INVALID_ARGUMENT, "broken"),
        module=importlib.import_module(OFFICIAL.format("grpc")),
    ),
    "http": SimpleNamespace(
        receiver=HttpReceiver,
        exporter=OtlpHttpExporter,
        busy=Refuse(503, "busy", (("Retry-After", "0"),)),
        broken=Refuse(400, "broken"),
        module=importlib.import_module(OFFICIAL.format("http")),
    ),
}


@pytest.fixture(params=TRANSPORTS.values(), ids=TRANSPORTS)
def transport(request):
    """Either way, with a receiver and an exporter to it."""
    with request.param.receiver() as receiver:
        made = request.param.exporter(endpoint=receiver.endpoint)
        # The fixture's own: the parameter is shared by all tests.
        yield SimpleNamespace(**{**vars(request.param), "receiver": receiver, "exporter": made})
        made.shutdown()


@pytest.fixture
def encodings(monkeypatch):
    """The batches that are encoded."""
    batches = []

    def note(spans, **options):
        batches.append(list(spans))
        return genuine(spans, **options)

    genuine = encoded.encode_spans
    monkeypatch.setattr(encoded, "encode_spans", note)
    return batches


def sent(receiver) -> dict:
    return {span.name: span.content for span in receiver.spans}


def test_the_official_encoder_is_not_called(transport, monkeypatch):
    """A batch arrives whole although the official encoder would refuse it."""

    def refuse(spans):
        raise AssertionError("the official encoder was called")

    monkeypatch.setattr(transport.module, "encode_spans", refuse)

    assert SUCCESS == transport.exporter.export(finished_spans())
    assert SENT == sent(transport.receiver)


def test_a_batch_is_encoded_once_for_all_attempts(transport, encodings):
    """However often a receiver has to be asked, the batch is encoded once."""
    transport.receiver.script(transport.busy, transport.busy)
    spans = finished_spans()

    assert SUCCESS == transport.exporter.export(spans)

    assert 3 == transport.receiver.attempts
    assert [list(spans)] == encodings


def test_a_batch_is_encoded_once_for_all_exports(transport, encodings):
    """A batch that failed and is given to the exporter again is not encoded again."""
    transport.receiver.script(transport.broken, transport.broken)
    spans = list(finished_spans())

    assert [FAILURE, FAILURE, SUCCESS] == [transport.exporter.export(spans) for _ in range(3)]

    assert [spans] == encodings
    assert SENT == sent(transport.receiver)


def test_a_batch_that_was_changed_is_encoded_anew(transport, encodings):
    """A list that has other spans than at its last export is another batch."""
    transport.receiver.script(transport.broken)
    first, second = finished_spans()
    batch = [first]
    transport.exporter.export(batch)
    batch[0] = second

    assert SUCCESS == transport.exporter.export(batch)

    assert [[first], [second]] == encodings
    assert [second.name] == list(sent(transport.receiver))


def test_a_delivered_batch_is_let_go(transport, encodings):
    """Once it is delivered, a batch is not kept: given again, it is encoded again."""
    spans = finished_spans()

    assert [SUCCESS, SUCCESS] == [transport.exporter.export(spans) for _ in range(2)]

    assert 2 == len(encodings)


def test_spans_that_cannot_be_encoded_count_as_rejected(transport, caplog):
    """A span that OTLP cannot hold is counted and said once; the others arrive."""
    spans = [*finished_spans(), a_span("bad", context=None), a_span("worse", kind=None)]

    assert SUCCESS == transport.exporter.export(spans)

    assert SENT == sent(transport.receiver)
    assert (2, "2 spans cannot be put into OTLP") == (
        transport.exporter.last_rejected,
        transport.exporter.last_error,
    )
    assert ["span 'bad' cannot be put into OTLP"] == said(caplog)


def said(caplog) -> list[str]:
    records = [r for r in caplog.records if r.name == "tracekit" and r.levelno == logging.WARNING]
    return [record.getMessage().split(": ")[0] for record in records]


def test_the_names_of_the_exporter_over_grpc():
    """The names that are relied on are there in the release that is installed."""
    official = OfficialGrpcExporter(endpoint="localhost:1", insecure=True)
    try:
        assert [] == [name for name in GRPC_NAMES if not hasattr(official, name)]
    finally:
        official.shutdown()


def test_the_names_of_the_exporter_over_http():
    """The name that is relied on is there in the release that is installed."""
    assert functions_without_encoder(OfficialHttpExporter)


def test_the_official_exporter_stays_as_it_is():
    """A program's own use of the official exporter is not touched."""
    module = TRANSPORTS["http"].module

    for name in functions_without_encoder(OfficialHttpExporter):
        function = getattr(OfficialHttpExporter, name)
        assert vars(module)[HTTP_ENCODER] is function.__globals__[HTTP_ENCODER]


@pytest.fixture
def another_release(monkeypatch):
    """Releases of the official exporters in which the names are others."""
    monkeypatch.setattr(over_grpc, "GRPC_NAMES", (*GRPC_NAMES, "_another"))
    monkeypatch.setattr(over_http, "_REWRITTEN", {})
    monkeypatch.setattr(over_http, "_OfficialExporter", OfficialHttpExporter)


@pytest.mark.usefixtures("another_release")
@pytest.mark.parametrize("kind", TRANSPORTS.values(), ids=TRANSPORTS)
def test_a_release_with_other_names(kind, caplog):
    """Where a name is missing, that is said once, and spans arrive all the same."""
    with kind.receiver() as receiver:
        for _ in range(2):
            exporter = kind.exporter(endpoint=receiver.endpoint)
            assert SUCCESS == exporter.export(finished_spans())
            exporter.shutdown()

        assert SENT == sent(receiver)
    assert 1 == len(said(caplog))
    assert said(caplog)[0].startswith("this release of OpenTelemetry's OTLP exporter has no ")


def test_an_exporter_without_a_channel(grpc_receiver, encodings):
    """Where the channel is called otherwise, the official stub and encoder do the work."""
    exporter = OtlpGrpcExporter(endpoint=grpc_receiver.endpoint)
    official = exporter._official
    with grpc.insecure_channel(grpc_receiver.endpoint.removeprefix("http://")) as channel:
        official._channel.close()
        del official._channel
        official._client = TraceServiceStub(channel)

        assert SUCCESS == exporter.export(finished_spans())

        official._channel = channel
        exporter.shutdown()
    assert SENT == sent(grpc_receiver)
    assert [] == encodings
