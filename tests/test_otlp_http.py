"""Spans over HTTP, to real receivers."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import threading
import time

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.receivers import (
    SENT,
    Accept,
    AgentReceiver,
    Hang,
    HttpReceiver,
    Refuse,
    TlsMaterial,
    finished_spans,
)
from tracekit._base.errors import ConfigurationError
from tracekit._otlp.http import OtlpHttpExporter

pytestmark = pytest.mark.usefixtures("no_otlp_environment")

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
RETRY_AT_ONCE = (("Retry-After", "0"),)


@pytest.fixture
def make(request):
    """Make exporters that are shut down at the end."""

    def make(**arguments):
        exporter = OtlpHttpExporter(**arguments)
        request.addfinalizer(exporter.shutdown)
        return exporter

    return make


def told(span):
    """Return ids and times of a span that is to be sent."""
    parent = span.parent and f"{span.parent.span_id:016x}"
    ids = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent)
    return (*ids, span.start_time, span.end_time)


class TestDelivery:
    def test_a_batch_arrives_whole(self, http_receiver, make):
        """Everything on the spans is there at the other end."""
        spans = finished_spans()

        assert SUCCESS == make(endpoint=http_receiver.endpoint).export(spans)

        arrived = http_receiver.wait_for_spans(2)
        assert SENT == {span.name: span.content for span in arrived}
        assert [told(span) for span in spans] == [
            (span.trace_id, span.span_id, span.parent_id, span.start, span.end) for span in arrived
        ]

    @pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
    def test_a_batch_arrives_at_a_receiver_of_others(
        self, compression, agent_receiver: AgentReceiver, make
    ):
        """A receiver that is not this project's reads the same, packed or not."""
        exporter = make(endpoint=agent_receiver.http_endpoint, compression=compression)

        assert SUCCESS == exporter.export(finished_spans())

        arrived = {span.name: span for span in agent_receiver.spans}
        assert SENT == {name: span.content for name, span in arrived.items()}
        assert arrived["handle"].span_id == arrived["query"].parent_id
        assert arrived["handle"].trace_id == arrived["query"].trace_id

    def test_a_success_leaves_no_error(self, http_receiver, make):
        """After a batch that was taken there is nothing to report."""
        exporter = make(endpoint=http_receiver.endpoint)
        exporter.export(finished_spans())
        assert 0 == exporter.last_rejected
        assert exporter.last_error is None

    def test_it_is_an_exporter_of_the_sdk(self, make):
        """It goes where any exporter of OpenTelemetry's goes."""
        exporter = make()
        assert isinstance(exporter, SpanExporter)
        assert exporter.force_flush() is True

    def test_without_the_extra(self):
        """Where the package is missing, the error says how to get it."""
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM_WITHOUT_THE_EXTRA],
            check=True,
            capture_output=True,
            text=True,
        )
        assert (
            done.stdout.strip()
            == "OTLP over HTTP needs an extra: pip install otel-tracekit[otlp-http]"
        )


PROGRAM_WITHOUT_THE_EXTRA = """
import sys
sys.modules["requests"] = None
try:
    import tracekit._otlp.http
except ValueError as error:
    print(error)
"""


class TestEndpoint:
    @pytest.mark.parametrize(
        ("given", "path"),
        [
            ("", "/v1/traces"),
            ("/", "/v1/traces"),
            ("?tenant=a", "/v1/traces?tenant=a"),
            ("/v1/traces", "/v1/traces"),
            ("/otlp", "/otlp"),
            ("/otlp/", "/otlp/"),
        ],
    )
    def test_an_argument(self, given, path, http_receiver, make):
        """A base URL gets the path of the signal; a URL with a path is left alone."""
        http_receiver.paths = (path,)
        make(endpoint=http_receiver.endpoint + given).export(finished_spans())
        assert [path] == [one.path for one in http_receiver.received]

    @pytest.mark.parametrize(
        ("variable", "given", "path"),
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "", "/v1/traces"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "/", "/v1/traces"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "/otlp", "/otlp/v1/traces"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/otlp", "/otlp"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/v1/traces", "/v1/traces"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/", "/"),
        ],
    )
    def test_a_variable(self, variable, given, path, http_receiver, make, monkeypatch):
        """The general variable is a base, the one of traces is the URL itself."""
        http_receiver.paths = (path,)
        monkeypatch.setenv(variable, http_receiver.endpoint + given)
        make().export(finished_spans())
        assert [path] == [one.path for one in http_receiver.received]

    def test_a_wrong_path(self, http_receiver, make):
        """What the receiver says about it is passed on."""
        exporter = make(endpoint=f"{http_receiver.endpoint}/traces")
        assert FAILURE == exporter.export(finished_spans())
        assert "HTTP 404 Not Found: no such path" == exporter.last_error

    def test_a_redirect_delivers_nothing(self, http_receiver, make):
        """A receiver that points elsewhere has not taken the spans, whatever its code."""
        elsewhere = "https://collector.example/v1/traces"
        http_receiver.script(Refuse(301, headers=(("Location", elsewhere),)))
        exporter = make(endpoint=http_receiver.endpoint)
        assert FAILURE == exporter.export(finished_spans())
        expected = (
            f"HTTP 301 Moved Permanently: redirects to {elsewhere}, "
            "which must be given as the endpoint itself"
        )
        assert expected == exporter.last_error


class TestHeadersAndBody:
    @pytest.mark.parametrize("name", ["gzip", "deflate", "none"])
    @pytest.mark.parametrize("by_environment", [False, True])
    def test_compression(self, name, by_environment, http_receiver, make, monkeypatch):
        """The body is packed as told and says so."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", name if by_environment else "gzip")
        exporter = make(
            endpoint=http_receiver.endpoint, compression=None if by_environment else name
        )
        exporter.export(finished_spans())
        encoding = http_receiver.received[0].headers.get("content-encoding", "none")
        assert name == encoding
        assert 2 == len(http_receiver.spans)

    def test_headers(self, http_receiver, make):
        """Headers of an argument are sent."""
        make(endpoint=http_receiver.endpoint, headers={"X-Api-Key": "k"}).export(finished_spans())
        assert "k" == http_receiver.received[0].headers["x-api-key"]

    def test_headers_of_the_environment(self, http_receiver, make, monkeypatch):
        """Values are percent-decoded; the variable of traces counts before the general one."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=general")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "X-Api-Key=a%20b")
        make(endpoint=http_receiver.endpoint).export(finished_spans())
        assert "a b" == http_receiver.received[0].headers["x-api-key"]

    def test_headers_of_the_environment_yield(self, http_receiver, make, monkeypatch):
        """A key in the environment is not sent along with headers of an argument."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=other")
        make(endpoint=http_receiver.endpoint, headers={"x-mine": "1"}).export(finished_spans())
        headers = http_receiver.received[0].headers
        assert "1" == headers["x-mine"]
        assert headers.get("x-api-key") is None

    @pytest.mark.parametrize("by_environment", [False, True])
    def test_timeout(self, by_environment, http_receiver, make, monkeypatch):
        """A receiver that hangs is left after the timeout, which is in seconds."""
        if by_environment:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
        http_receiver.otherwise = Hang()
        exporter = make(endpoint=http_receiver.endpoint, timeout=None if by_environment else 0.3)
        started = time.monotonic()
        assert FAILURE == exporter.export(finished_spans())
        assert time.monotonic() - started < 5
        assert exporter.last_error.startswith("ReadTimeout: ")


class TestTls:
    @pytest.mark.parametrize("by_environment", [False, True])
    def test_an_api_key_through_tls(self, by_environment, tls: TlsMaterial, make, monkeypatch):
        """A private authority counts before that of `requests`, and the key arrives."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.stranger))
        arguments = {"certificate": tls.authority, "headers": {"X-Api-Key": "k"}}
        if by_environment:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tls.authority))
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Api-Key=k")
            arguments = {}
        with HttpReceiver(tls=tls, api_key="k") as receiver:
            exporter = make(endpoint=receiver.endpoint, **arguments)
            assert SUCCESS == exporter.export(finished_spans())
            assert exporter.last_error is None

    def test_the_authority_of_requests(self, tls, make, monkeypatch):
        """Without a certificate of its own the exporter trusts what `requests` does."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.authority))
        with HttpReceiver(tls=tls) as receiver:
            assert SUCCESS == make(endpoint=receiver.endpoint).export(finished_spans())

    def test_a_wrong_api_key(self, tls, make):
        """A receiver that does not know the caller gets one request, and its word is passed on."""
        with HttpReceiver(tls=tls, api_key="k") as receiver:
            exporter = make(endpoint=receiver.endpoint, certificate=tls.authority)
            assert FAILURE == exporter.export(finished_spans())
            assert 1 == receiver.attempts
        assert "HTTP 401 Unauthorized: no valid API key" == exporter.last_error

    def test_a_stranger_is_not_trusted(self, tls, make):
        """An authority that did not sign the receiver's certificate keeps the spans at home."""
        with HttpReceiver(tls=tls) as receiver:
            exporter = make(endpoint=receiver.endpoint, certificate=tls.stranger, timeout=0.5)
            assert FAILURE == exporter.export(finished_spans())
            assert 0 == receiver.attempts
        assert exporter.last_error.startswith("SSLError: ")

    @pytest.mark.parametrize("in_one_file", [False, True])
    def test_a_client_certificate(self, in_one_file, tls, make, tmp_path):
        """A receiver that asks who calls is told, with the key in a file of its own or not."""
        both = tmp_path / "both.pem"
        both.write_bytes(tls.client_certificate.read_bytes() + tls.client_key.read_bytes())
        with HttpReceiver(tls=tls, client_certificate=True) as receiver:
            exporter = make(
                endpoint=receiver.endpoint,
                certificate=tls.authority,
                client_certificate=both if in_one_file else tls.client_certificate,
                client_key=None if in_one_file else tls.client_key,
            )
            assert SUCCESS == exporter.export(finished_spans())
            assert exporter.last_error is None


class TestTrouble:
    def test_a_receiver_that_is_down(self, make):
        """The reason of the last attempt is kept in one line."""
        with HttpReceiver() as receiver:
            endpoint = receiver.endpoint
        exporter = make(endpoint=endpoint, timeout=0.5)
        assert FAILURE == exporter.export(finished_spans())
        assert exporter.last_error.startswith("ConnectionError: ")
        assert "\n" not in exporter.last_error

    def test_a_receiver_that_refuses_for_good(self, http_receiver, make):
        """An error that repeating does not mend is not repeated."""
        http_receiver.script(Refuse(400, "bad\nbatch"))
        exporter = make(endpoint=http_receiver.endpoint)
        assert FAILURE == exporter.export(finished_spans())
        assert 1 == http_receiver.attempts
        assert "HTTP 400 Bad Request: bad batch" == exporter.last_error

    def test_a_receiver_that_is_busy_for_a_while(self, http_receiver, make):
        """The batch is repeated until it is taken, and the failures are forgotten."""
        http_receiver.script(Refuse(503, "busy", RETRY_AT_ONCE))
        exporter = make(endpoint=http_receiver.endpoint)
        assert SUCCESS == exporter.export(finished_spans())
        assert 0 == exporter.last_rejected
        assert exporter.last_error is None
        assert 2 == http_receiver.attempts
        assert 2 == len(http_receiver.spans)

    def test_a_pause_beyond_the_timeout(self, http_receiver, make):
        """No attempt is awaited that would come too late."""
        http_receiver.otherwise = Refuse(503, "busy")
        exporter = make(endpoint=http_receiver.endpoint, timeout=0.4)
        started = time.monotonic()
        assert FAILURE == exporter.export(finished_spans())
        assert time.monotonic() - started < 3
        assert "HTTP 503 Service Unavailable: busy" == exporter.last_error

    def test_a_slow_receiver(self, http_receiver, make):
        """An answer within the timeout is waited for."""
        http_receiver.script(Accept(after=0.2))
        assert SUCCESS == make(endpoint=http_receiver.endpoint).export(finished_spans())

    def test_a_batch_taken_in_part(self, http_receiver, make):
        """The receiver's count and reason are passed on, and nothing is sent twice."""
        http_receiver.script(Accept(rejected=1, message="too old"))
        exporter = make(endpoint=http_receiver.endpoint)
        assert SUCCESS == exporter.export(finished_spans())
        assert 1 == exporter.last_rejected
        assert "too old" == exporter.last_error
        assert 1 == http_receiver.attempts

    def test_a_receiver_that_comes_back(self, http_receiver, make):
        """After a restart on the same port the same exporter delivers again."""
        exporter = make(endpoint=http_receiver.endpoint, timeout=0.5)
        assert SUCCESS == exporter.export(finished_spans())
        http_receiver.kill()
        assert FAILURE == exporter.export(finished_spans())
        http_receiver.start()
        assert SUCCESS == exporter.export(finished_spans())

    def test_a_connection_that_went_stale(self, http_receiver, make):
        """A receiver that restarts between two batches costs neither of them."""
        exporter = make(endpoint=http_receiver.endpoint, timeout=5)
        exporter.export(finished_spans())
        http_receiver.kill()
        http_receiver.start()
        assert SUCCESS == exporter.export(finished_spans())
        assert 4 == len(http_receiver.spans)


@pytest.mark.parametrize(
    ("kind", "body", "report"),
    [
        ("application/x-protobuf", b"", (SUCCESS, 0, None)),
        ("application/json", b"{}", (SUCCESS, 0, None)),
        (
            "application/json",
            b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "old"}}',
            (SUCCESS, 2, "old"),
        ),
        ("application/json", b"no json", (SUCCESS, 0, None)),
        ("text/html", b"<p>Welcome!</p>", (SUCCESS, 0, None)),
    ],
)
def test_answers_of_lax_receivers(kind, body, report, make):
    """A successful code counts, and a body in JSON is understood too."""
    with HttpReceiver() as receiver:
        receiver.say(200, kind, body)
        exporter = make(endpoint=receiver.endpoint)
        result = exporter.export(finished_spans())
    assert report == (result, exporter.last_rejected, exporter.last_error)


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("application/json", b'{"code": 3, "message": "bad"}', "HTTP 400 Bad Request: bad"),
        ("application/json", b"no json", "HTTP 400 Bad Request"),
        ("text/plain; charset=utf-8", b"bad\x1b[31m\n", "HTTP 400 Bad Request: bad\ufffd[31m"),
        ("text/plain", b"\xff", "HTTP 400 Bad Request"),
        ("text/html", b"<p>bad</p>", "HTTP 400 Bad Request"),
        ("application/x-protobuf", b"\xff", "HTTP 400 Bad Request"),
    ],
)
def test_reasons_of_lax_receivers(kind, body, reason, make):
    """What a body says is quoted if it can be read, without control characters."""
    with HttpReceiver() as receiver:
        receiver.say(400, kind, body)
        exporter = make(endpoint=receiver.endpoint)
        exporter.export(finished_spans())
    assert reason == exporter.last_error


class TestReport:
    def test_nothing_is_logged(self, http_receiver, make, caplog):
        """Neither retries nor the failure reach a handler."""
        http_receiver.script(Refuse(503, "busy", RETRY_AT_ONCE))
        http_receiver.otherwise = Refuse(400)
        exporter = make(endpoint=http_receiver.endpoint, timeout=5)
        assert FAILURE == exporter.export(finished_spans())
        assert 2 == http_receiver.attempts
        assert [] == caplog.records

    def test_the_log_of_others_is_left_alone(self, http_receiver, make, caplog):
        """The same logger still speaks for an exporter that is not ours."""
        http_receiver.script(Refuse(400))
        make(endpoint=http_receiver.endpoint).export(finished_spans())
        logger = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        logger.error("Failed to export %s", "theirs")
        assert ["Failed to export theirs"] == caplog.messages


class TestShutdown:
    def test_export_after_shutdown(self, http_receiver, make, caplog):
        """It fails, sends nothing and says why to who asks."""
        exporter = make(endpoint=http_receiver.endpoint)
        exporter.shutdown()
        exporter.shutdown(timeout_millis=10)
        assert FAILURE == exporter.export(finished_spans())
        assert "the exporter has been shut down" == exporter.last_error
        assert 0 == http_receiver.attempts
        assert [] == caplog.records

    def test_shutdown_ends_a_pause(self, http_receiver, make, caplog):
        """An export that waits for its next attempt gives up as soon as it is told."""
        http_receiver.otherwise = Refuse(503, "busy", (("Retry-After", "50"),))
        exporter = make(endpoint=http_receiver.endpoint, timeout=60)
        results = []
        thread = threading.Thread(target=lambda: results.append(exporter.export(finished_spans())))
        thread.start()
        http_receiver.wait_for_attempts(1)
        exporter.shutdown()
        thread.join(5)
        assert not thread.is_alive()
        assert [FAILURE] == results
        assert [] == caplog.records


class TestAnotherProcess:
    def test_a_pickled_exporter(self, http_receiver, make):
        """What comes out of a pickle delivers, over a connection of its own."""
        exporter = make(endpoint=http_receiver.endpoint, headers={"a": "1"}, timeout=5)
        copy = pickle.loads(pickle.dumps(exporter))
        assert SUCCESS == copy.export(finished_spans())
        assert "1" == http_receiver.received[0].headers["a"]
        copy.shutdown()

    def test_a_fresh_one(self, http_receiver, make):
        """It is made from the same arguments and outlives the first."""
        exporter = make(endpoint=http_receiver.endpoint, headers={"a": "1"})
        fresh = exporter.recreate()
        exporter.shutdown()
        assert SUCCESS == fresh.export(finished_spans())
        assert "1" == http_receiver.received[0].headers["a"]
        fresh.shutdown()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"endpoint": "localhost:4318"},
            "endpoint='localhost:4318': the scheme must be http:// or https://",
        ),
        (
            {"compression": "zstd"},
            "compression='zstd': compression is one of 'none', 'gzip', 'deflate'",
        ),
        ({"headers": {"a b": "1"}}, "headers: 'a b' cannot be the name of a header"),
    ],
)
def test_what_http_cannot_do(arguments, text):
    """A mistake is named with its argument, its value and what would be right."""
    with pytest.raises(ConfigurationError) as caught:
        OtlpHttpExporter(**arguments)
    assert text == str(caught.value)
