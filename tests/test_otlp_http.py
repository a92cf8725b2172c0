"""OTLP over HTTP, with real receivers."""

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
from tracekit._otlp import http as otlp_http
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


def identity_and_times(span):
    """Return the ids and times of a span before it is sent."""
    parent = span.parent and f"{span.parent.span_id:016x}"
    ids = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent)
    return (*ids, span.start_time, span.end_time)


class TestDelivery:
    def test_a_batch_arrives_whole(self, http_receiver, make):
        """The receiver gets every field of the spans."""
        spans = finished_spans()

        assert SUCCESS == make(endpoint=http_receiver.endpoint).export(spans)

        arrived = http_receiver.wait_for_spans(2)
        assert SENT == {span.name: span.content for span in arrived}
        assert [identity_and_times(span) for span in spans] == [
            (span.trace_id, span.span_id, span.parent_id, span.start, span.end) for span in arrived
        ]

    @pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
    def test_a_batch_arrives_at_a_receiver_of_another_project(
        self, compression, agent_receiver: AgentReceiver, make
    ):
        """A receiver of another project reads the same spans, compressed or not."""
        exporter = make(endpoint=agent_receiver.http_endpoint, compression=compression)

        assert SUCCESS == exporter.export(finished_spans())

        arrived = {span.name: span for span in agent_receiver.spans}
        assert SENT == {name: span.content for name, span in arrived.items()}
        assert arrived["handle"].span_id == arrived["query"].parent_id
        assert arrived["handle"].trace_id == arrived["query"].trace_id

    def test_a_success_leaves_no_error(self, http_receiver, make):
        """After a success there is no error and no rejected span."""
        exporter = make(endpoint=http_receiver.endpoint)
        exporter.export(finished_spans())
        assert 0 == exporter.last_rejected
        assert exporter.last_error is None

    def test_it_is_an_exporter_of_the_sdk(self, make):
        """It is a `SpanExporter` of the SDK."""
        exporter = make()
        assert isinstance(exporter, SpanExporter)
        assert exporter.force_flush() is True

    def test_without_the_extra(self):
        """Without the package, the error names the extra to install."""
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
        """A base URL gets the path of the signal; a URL with a path is unchanged."""
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
        """The receiver's message is the error."""
        exporter = make(endpoint=f"{http_receiver.endpoint}/traces")
        assert FAILURE == exporter.export(finished_spans())
        assert "HTTP 404 Not Found: no such path" == exporter.last_error

    def test_a_redirect_delivers_nothing(self, http_receiver, make):
        """A redirect is a failure, and the error names the other URL."""
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
        """The body is compressed as configured and has the matching header."""
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
        """Headers of the environment are not sent if the argument is given."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=other")
        make(endpoint=http_receiver.endpoint, headers={"x-mine": "1"}).export(finished_spans())
        headers = http_receiver.received[0].headers
        assert "1" == headers["x-mine"]
        assert headers.get("x-api-key") is None

    @pytest.mark.parametrize("by_environment", [False, True])
    def test_timeout(self, by_environment, http_receiver, make, monkeypatch):
        """The timeout, in seconds, ends the wait for a receiver that hangs."""
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
        """Without a certificate the exporter trusts the authorities of `requests`."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.authority))
        with HttpReceiver(tls=tls) as receiver:
            assert SUCCESS == make(endpoint=receiver.endpoint).export(finished_spans())

    def test_a_wrong_api_key(self, tls, make):
        """A wrong API key is not retried, and the receiver's message is the error."""
        with HttpReceiver(tls=tls, api_key="k") as receiver:
            exporter = make(endpoint=receiver.endpoint, certificate=tls.authority)
            assert FAILURE == exporter.export(finished_spans())
            assert 1 == receiver.attempts
        assert "HTTP 401 Unauthorized: no valid API key" == exporter.last_error

    def test_another_authority_is_not_trusted(self, tls, make):
        """Nothing is sent to a receiver whose certificate another authority signed."""
        with HttpReceiver(tls=tls) as receiver:
            exporter = make(endpoint=receiver.endpoint, certificate=tls.stranger, timeout=0.5)
            assert FAILURE == exporter.export(finished_spans())
            assert 0 == receiver.attempts
        assert exporter.last_error.startswith("SSLError: ")

    @pytest.mark.parametrize("in_one_file", [False, True])
    def test_a_client_certificate(self, in_one_file, tls, make, tmp_path):
        """A receiver that requires a client certificate gets it, with the key in either file."""
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


class TestFailures:
    def test_a_receiver_that_is_down(self, make):
        """The error is that of the last attempt, in one line."""
        with HttpReceiver() as receiver:
            endpoint = receiver.endpoint
        exporter = make(endpoint=endpoint, timeout=0.5)
        assert FAILURE == exporter.export(finished_spans())
        assert exporter.last_error.startswith("ConnectionError: ")
        assert "\n" not in exporter.last_error

    def test_a_receiver_that_refuses_permanently(self, http_receiver, make):
        """A permanent error is not retried."""
        http_receiver.script(Refuse(400, "bad\nbatch"))
        exporter = make(endpoint=http_receiver.endpoint)
        assert FAILURE == exporter.export(finished_spans())
        assert 1 == http_receiver.attempts
        assert "HTTP 400 Bad Request: bad batch" == exporter.last_error

    def test_a_receiver_that_is_busy(self, http_receiver, make):
        """The batch is sent again until it is accepted, and the failures are not reported."""
        http_receiver.script(Refuse(503, "busy", RETRY_AT_ONCE))
        exporter = make(endpoint=http_receiver.endpoint)
        assert SUCCESS == exporter.export(finished_spans())
        assert 0 == exporter.last_rejected
        assert exporter.last_error is None
        assert 2 == http_receiver.attempts
        assert 2 == len(http_receiver.spans)

    def test_a_pause_beyond_the_timeout(self, http_receiver, make):
        """There is no pause that would end after the timeout."""
        http_receiver.otherwise = Refuse(503, "busy")
        exporter = make(endpoint=http_receiver.endpoint, timeout=0.4)
        started = time.monotonic()
        assert FAILURE == exporter.export(finished_spans())
        assert time.monotonic() - started < 3
        assert "HTTP 503 Service Unavailable: busy" == exporter.last_error

    def test_a_batch_that_is_too_large(self, http_receiver, make, monkeypatch):
        """A request above the limit is not sent, and the failure is permanent."""
        monkeypatch.setattr(otlp_http, "_LARGEST_REQUEST", 100)
        exporter = make(endpoint=http_receiver.endpoint)
        assert FAILURE == exporter.export(finished_spans())
        assert 0 == http_receiver.attempts
        assert exporter.last_error.endswith(" bytes; 64 MiB is the most")
        assert not exporter.last_is_passing

    def test_a_slow_receiver(self, http_receiver, make):
        """An answer within the timeout counts."""
        http_receiver.script(Accept(after=0.2))
        assert SUCCESS == make(endpoint=http_receiver.endpoint).export(finished_spans())

    def test_a_partial_success(self, http_receiver, make):
        """The receiver's count and message are reported, and nothing is sent twice."""
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
        """Both batches arrive although the receiver restarts between them."""
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
    """A successful status counts with any body, and a body in JSON is read too."""
    with HttpReceiver() as receiver:
        receiver.answer_always(200, kind, body)
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
    """The error quotes a readable body, without control characters."""
    with HttpReceiver() as receiver:
        receiver.answer_always(400, kind, body)
        exporter = make(endpoint=receiver.endpoint)
        exporter.export(finished_spans())
    assert reason == exporter.last_error


class TestReport:
    def test_nothing_is_logged(self, http_receiver, make, caplog):
        """Neither retries nor failures are logged."""
        http_receiver.script(Refuse(503, "busy", RETRY_AT_ONCE))
        http_receiver.otherwise = Refuse(400)
        exporter = make(endpoint=http_receiver.endpoint, timeout=5)
        assert FAILURE == exporter.export(finished_spans())
        assert 2 == http_receiver.attempts
        assert [] == caplog.records

    def test_the_log_of_others_is_left_alone(self, http_receiver, make, caplog):
        """The loggers of the official exporter still log for others."""
        http_receiver.script(Refuse(400))
        make(endpoint=http_receiver.endpoint).export(finished_spans())
        logger = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        logger.error("Failed to export %s", "theirs")
        assert ["Failed to export theirs"] == caplog.messages


class TestShutdown:
    def test_export_after_shutdown(self, http_receiver, make, caplog):
        """It fails, sends nothing, and reports the reason."""
        exporter = make(endpoint=http_receiver.endpoint)
        exporter.shutdown()
        exporter.shutdown(timeout_millis=10)
        assert FAILURE == exporter.export(finished_spans())
        assert "the exporter has been shut down" == exporter.last_error
        assert 0 == http_receiver.attempts
        assert [] == caplog.records

    def test_shutdown_ends_a_pause(self, http_receiver, make, caplog):
        """A shutdown ends an export that waits for its next attempt."""
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
        """An unpickled exporter exports over a connection of its own."""
        exporter = make(endpoint=http_receiver.endpoint, headers={"a": "1"}, timeout=5)
        copy = pickle.loads(pickle.dumps(exporter))
        assert SUCCESS == copy.export(finished_spans())
        assert "1" == http_receiver.received[0].headers["a"]
        copy.shutdown()

    def test_a_recreated_one(self, http_receiver, make):
        """It is made from the same options and outlives the first."""
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
def test_arguments_that_http_cannot_use(arguments, text):
    """The error names the argument, its value and a valid value."""
    with pytest.raises(ConfigurationError) as caught:
        OtlpHttpExporter(**arguments)
    assert text == str(caught.value)
