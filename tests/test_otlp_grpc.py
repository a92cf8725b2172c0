"""OTLP over gRPC, with real receivers."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import threading
import time

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.receivers import (
    SENT,
    Accept,
    AgentReceiver,
    GrpcReceiver,
    Hang,
    Refuse,
    TlsMaterial,
    finished_spans,
)
from tracekit._base.errors import ConfigurationError
from tracekit._otlp.grpc import OtlpGrpcExporter

pytestmark = pytest.mark.usefixtures("no_otlp_environment")

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
SOON = Refuse(
    grpc.StatusCode.UNAVAILABLE,
    "busy",
    (
        (
            "google.rpc.retryinfo-bin",
            RetryInfo(retry_delay=Duration(nanos=10_000_000)).SerializeToString(),
        ),
    ),
)


@pytest.fixture
def make(request):
    """Make exporters that are shut down at the end."""

    def make(**arguments):
        exporter = OtlpGrpcExporter(**arguments)
        request.addfinalizer(exporter.shutdown)
        return exporter

    return make


def identity_and_times(span):
    """Return the ids and times of a span before it is sent."""
    parent = span.parent and f"{span.parent.span_id:016x}"
    ids = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent)
    return (*ids, span.start_time, span.end_time)


class TestDelivery:
    def test_a_batch_arrives_whole(self, grpc_receiver, make):
        """The receiver gets every field of the spans."""
        spans = finished_spans()

        assert SUCCESS == make(endpoint=grpc_receiver.endpoint).export(spans)

        arrived = grpc_receiver.wait_for_spans(2)
        assert SENT == {span.name: span.content for span in arrived}
        assert [identity_and_times(span) for span in spans] == [
            (span.trace_id, span.span_id, span.parent_id, span.start, span.end) for span in arrived
        ]

    def test_a_batch_arrives_at_a_receiver_of_another_project(
        self, agent_receiver: AgentReceiver, make
    ):
        """A receiver of another project reads the same spans."""
        exporter = make(endpoint=agent_receiver.grpc_endpoint)

        assert SUCCESS == exporter.export(finished_spans())

        arrived = {span.name: span for span in agent_receiver.spans}
        assert SENT == {name: span.content for name, span in arrived.items()}
        assert arrived["handle"].span_id == arrived["query"].parent_id
        assert arrived["handle"].trace_id == arrived["query"].trace_id

    def test_a_success_leaves_no_error(self, grpc_receiver, make):
        """After a success there is no error and no rejected span."""
        exporter = make(endpoint=grpc_receiver.endpoint)
        exporter.export(finished_spans())
        assert 0 == exporter.last_rejected
        assert exporter.last_error is None

    def test_it_is_an_exporter_of_the_sdk(self, make):
        """It is a `SpanExporter` of the SDK."""
        exporter = make()
        assert isinstance(exporter, SpanExporter)
        assert exporter.force_flush() is True

    def test_a_unix_socket(self, tmp_path, make):
        """`unix:PATH` reaches a receiver at a Unix socket."""
        with GrpcReceiver(socket=tmp_path / "s") as receiver:
            result = make(endpoint=receiver.endpoint, insecure=True).export(finished_spans())
        assert SUCCESS == result

    def test_making_one_connects_nowhere(self):
        """Making an exporter does not wait for an endpoint that does not answer."""
        started = time.monotonic()
        OtlpGrpcExporter(endpoint="http://192.0.2.1:4317").shutdown()
        assert time.monotonic() - started < 5

    def test_the_first_export_opens_the_channel(self, grpc_receiver, make, monkeypatch):
        """An exporter has no channel until its first export, and keeps it after a success."""
        opened = []
        insecure_channel = grpc.insecure_channel

        def open_and_note(*arguments, **options):
            opened.append(insecure_channel(*arguments, **options))
            return opened[-1]

        monkeypatch.setattr(grpc, "insecure_channel", open_and_note)
        exporter = make(endpoint=grpc_receiver.endpoint)
        assert [] == opened
        exporter.export(finished_spans())
        exporter.export(finished_spans())
        assert 1 == len(opened)


class TestEnvironment:
    @pytest.mark.parametrize(
        "variable", ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
    )
    def test_endpoint(self, variable, grpc_receiver, make, monkeypatch):
        """Either variable names the receiver."""
        monkeypatch.setenv(variable, grpc_receiver.endpoint)
        assert SUCCESS == make().export(finished_spans())

    def test_the_argument_counts_first(self, grpc_receiver, make, monkeypatch):
        """An argument counts before the variable, even before a malformed one."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "no such thing")
        assert SUCCESS == make(endpoint=grpc_receiver.endpoint).export(finished_spans())

    def test_an_endpoint_without_a_scheme(self, grpc_receiver, make, monkeypatch):
        """`OTEL_EXPORTER_OTLP_INSECURE` applies to an endpoint without a scheme."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "True")
        address = grpc_receiver.endpoint.removeprefix("http://")
        assert SUCCESS == make(endpoint=address).export(finished_spans())

    def test_headers(self, grpc_receiver, make, monkeypatch):
        """Values are percent-decoded, and names are sent in lower case."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Api-Key=a%20b, x-more=c=d")
        make(endpoint=grpc_receiver.endpoint).export(finished_spans())
        headers = grpc_receiver.received[0].headers
        assert "a b" == headers["x-api-key"]
        assert "c=d" == headers["x-more"]

    def test_headers_of_the_environment_yield(self, grpc_receiver, make, monkeypatch):
        """Headers of the environment are not sent if the argument is given."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=other")
        make(endpoint=grpc_receiver.endpoint, headers={"x-mine": "1"}).export(finished_spans())
        headers = grpc_receiver.received[0].headers
        assert "1" == headers["x-mine"]
        assert headers.get("x-api-key") is None

    def test_certificates(self, tls: TlsMaterial, make, monkeypatch):
        """The variables for mutual TLS work, general ones and those for traces together."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tls.authority))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", str(tls.client_key))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(tls.client_certificate))
        with GrpcReceiver(tls=tls, client_certificate=True) as receiver:
            assert SUCCESS == make(endpoint=receiver.endpoint).export(finished_spans())

    @pytest.mark.parametrize("name", ["gzip", "none"])
    def test_compression(self, name, grpc_receiver, make, monkeypatch):
        """The variable accepts both names of the specification."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", name)
        assert SUCCESS == make(endpoint=grpc_receiver.endpoint).export(finished_spans())

    def test_timeout(self, grpc_receiver, make, monkeypatch):
        """The variable is in seconds and may have a fraction."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
        grpc_receiver.script(Hang())
        started = time.monotonic()
        result = make(endpoint=grpc_receiver.endpoint).export(finished_spans())
        assert FAILURE == result
        assert time.monotonic() - started < 5


class TestArguments:
    def test_headers_as_text(self, grpc_receiver, make):
        """A string has the format of the environment variable."""
        make(endpoint=grpc_receiver.endpoint, headers="a=1,b=%32").export(finished_spans())
        headers = grpc_receiver.received[0].headers
        assert "1" == headers["a"]
        assert "2" == headers["b"]

    def test_header_names_are_lowered(self, grpc_receiver, make):
        """`X-Api-Key` is sent in lower case, as gRPC requires."""
        make(endpoint=grpc_receiver.endpoint, headers={"X-Api-Key": "k"}).export(finished_spans())
        assert "k" == grpc_receiver.received[0].headers["x-api-key"]

    @pytest.mark.parametrize("name", ["gzip", "none"])
    def test_compression(self, name, grpc_receiver, make):
        """A compressed batch arrives."""
        exporter = make(endpoint=grpc_receiver.endpoint, compression=name)
        exporter.export(finished_spans())
        assert 2 == len(grpc_receiver.wait_for_spans(2))

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (
                {"endpoint": "http://host:4317/v1/traces"},
                "endpoint='http://host:4317/v1/traces': gRPC takes a host and a port only; "
                "for a URL with a path use OTLP over HTTP",
            ),
            (
                {"endpoint": "http://me:secret@host:4317"},
                "endpoint='http://me:secret@host:4317': gRPC takes a host and a port only; "
                "for a URL with a path use OTLP over HTTP",
            ),
            (
                {"endpoint": "http://host"},
                "endpoint='http://host': the port is missing, such as :4317",
            ),
            ({"endpoint": "unix:"}, "endpoint='unix:': the path of the socket is missing"),
            (
                {"endpoint": "https://host:4317", "insecure": True},
                "insecure=True: contradicts https:// in endpoint='https://host:4317'",
            ),
            (
                {"endpoint": "http://host:4317", "insecure": False},
                "insecure=False: contradicts http:// in endpoint='http://host:4317'",
            ),
            (
                {"compression": "deflate"},
                "compression='deflate': compression is one of 'none', 'gzip'",
            ),
            (
                {"headers": {"grpc-timeout": "1"}},
                "headers: 'grpc-timeout' is a name that gRPC keeps to itself",
            ),
            (
                {"headers": {"trace-bin": "1"}},
                "headers: 'trace-bin' is a name that gRPC keeps to itself",
            ),
            ({"headers": {"a+b": "1"}}, "headers: 'a+b' cannot be the name of a header"),
        ],
    )
    def test_arguments_that_grpc_cannot_use(self, arguments, text):
        """The error names the argument, its value and a valid value."""
        with pytest.raises(ConfigurationError) as caught:
            OtlpGrpcExporter(**arguments)
        assert text == str(caught.value)

    def test_a_variable_yields_to_the_scheme(self, grpc_receiver, make, monkeypatch):
        """`OTEL_EXPORTER_OTLP_INSECURE` does not contradict the scheme of an endpoint."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "false")
        assert SUCCESS == make(endpoint=grpc_receiver.endpoint).export(finished_spans())


class TestTls:
    def test_an_api_key_through_tls(self, tls, make):
        """A private authority and a key in a header reach the receiver."""
        with GrpcReceiver(tls=tls, api_key="k") as receiver:
            exporter = make(
                endpoint=receiver.endpoint, certificate=tls.authority, headers={"X-Api-Key": "k"}
            )
            assert SUCCESS == exporter.export(finished_spans())

    def test_a_wrong_api_key(self, tls, make):
        """A wrong API key is not retried, and the receiver's message is the error."""
        with GrpcReceiver(tls=tls, api_key="k") as receiver:
            exporter = make(
                endpoint=receiver.endpoint, certificate=tls.authority, headers={"x-api-key": "?"}
            )
            assert FAILURE == exporter.export(finished_spans())
            assert 1 == receiver.attempts
        assert "StatusCode.UNAUTHENTICATED: no valid API key" == exporter.last_error

    def test_another_authority_is_not_trusted(self, tls, make):
        """Nothing is sent to a receiver whose certificate another authority signed."""
        with GrpcReceiver(tls=tls) as receiver:
            exporter = make(endpoint=receiver.endpoint, certificate=tls.stranger, timeout=0.5)
            assert FAILURE == exporter.export(finished_spans())
            assert 0 == receiver.attempts
        assert exporter.last_error.startswith("StatusCode.")

    def test_a_client_certificate(self, tls, make):
        """A receiver that requires a client certificate gets it."""
        with GrpcReceiver(tls=tls, client_certificate=True) as receiver:
            exporter = make(
                endpoint=receiver.endpoint,
                certificate=tls.authority,
                client_certificate=tls.client_certificate,
                client_key=tls.client_key,
            )
            assert SUCCESS == exporter.export(finished_spans())

    def test_certificate_and_key_in_one_file(self, tls, make, tmp_path):
        """Without `client_key`, the key is read from the certificate's file."""
        both = tmp_path / "both.pem"
        both.write_bytes(tls.client_certificate.read_bytes() + tls.client_key.read_bytes())
        with GrpcReceiver(tls=tls, client_certificate=True) as receiver:
            exporter = make(
                endpoint=receiver.endpoint, certificate=tls.authority, client_certificate=both
            )
            assert SUCCESS == exporter.export(finished_spans())


class TestFailures:
    def test_a_receiver_that_is_down(self, make):
        """The error is that of the last attempt."""
        with GrpcReceiver() as receiver:
            endpoint = receiver.endpoint
        exporter = make(endpoint=endpoint, timeout=0.5)
        assert FAILURE == exporter.export(finished_spans())
        assert exporter.last_error.startswith("StatusCode.UNAVAILABLE: ")
        assert "\n" not in exporter.last_error

    def test_a_receiver_that_refuses_permanently(self, grpc_receiver, make):
        """A permanent error is not retried."""
        grpc_receiver.script(Refuse(grpc.StatusCode.INVALID_ARGUMENT, "bad\nbatch"))
        exporter = make(endpoint=grpc_receiver.endpoint)
        assert FAILURE == exporter.export(finished_spans())
        assert 1 == grpc_receiver.attempts
        assert "StatusCode.INVALID_ARGUMENT: bad batch" == exporter.last_error

    def test_a_receiver_that_is_busy(self, grpc_receiver, make):
        """The batch is sent again after the pause that the receiver asks for."""
        grpc_receiver.script(SOON, SOON)
        exporter = make(endpoint=grpc_receiver.endpoint)
        assert SUCCESS == exporter.export(finished_spans())
        assert exporter.last_error is None
        assert 3 == grpc_receiver.attempts
        assert 2 == len(grpc_receiver.spans)

    def test_a_pause_beyond_the_timeout(self, grpc_receiver, make):
        """There is no pause that would end after the timeout."""
        grpc_receiver.otherwise = Refuse(grpc.StatusCode.UNAVAILABLE, "busy")
        exporter = make(endpoint=grpc_receiver.endpoint, timeout=0.4)
        started = time.monotonic()
        assert FAILURE == exporter.export(finished_spans())
        assert time.monotonic() - started < 3
        assert "StatusCode.UNAVAILABLE: busy" == exporter.last_error

    def test_a_receiver_that_hangs(self, grpc_receiver, make):
        """The timeout ends the wait."""
        grpc_receiver.script(Hang())
        exporter = make(endpoint=grpc_receiver.endpoint, timeout=0.3)
        assert FAILURE == exporter.export(finished_spans())
        assert exporter.last_error.startswith("StatusCode.DEADLINE_EXCEEDED: ")

    def test_a_slow_receiver(self, grpc_receiver, make):
        """An answer within the timeout counts."""
        grpc_receiver.script(Accept(after=0.2))
        assert SUCCESS == make(endpoint=grpc_receiver.endpoint).export(finished_spans())

    def test_a_partial_success(self, grpc_receiver, make):
        """The receiver's count and message are reported, and nothing is sent twice."""
        grpc_receiver.script(Accept(rejected=1, message="too old"))
        exporter = make(endpoint=grpc_receiver.endpoint)
        assert SUCCESS == exporter.export(finished_spans())
        assert 1 == exporter.last_rejected
        assert "too old" == exporter.last_error
        assert 1 == grpc_receiver.attempts

    def test_a_rejection_is_forgotten_with_the_next_batch(self, grpc_receiver, make):
        """The report is about the last export only."""
        grpc_receiver.script(Accept(rejected=1))
        exporter = make(endpoint=grpc_receiver.endpoint)
        exporter.export(finished_spans())
        exporter.export(finished_spans())
        assert 0 == exporter.last_rejected
        assert exporter.last_error is None

    def test_a_message_without_rejected_spans(self, grpc_receiver, make):
        """A message without rejected spans is reported too."""
        grpc_receiver.script(Accept(message="quota at 90 %"))
        exporter = make(endpoint=grpc_receiver.endpoint)
        assert SUCCESS == exporter.export(finished_spans())
        assert 0 == exporter.last_rejected
        assert "quota at 90 %" == exporter.last_error

    def test_a_receiver_that_comes_back(self, grpc_receiver, make):
        """After a restart on the same port the same exporter delivers again."""
        exporter = make(endpoint=grpc_receiver.endpoint, timeout=1.5)
        exporter.export(finished_spans())
        grpc_receiver.kill()
        assert FAILURE == exporter.export(finished_spans())
        grpc_receiver.start()
        # A channel of gRPC's tries again in its own time; the first batch may still come too early.
        assert SUCCESS in [exporter.export(finished_spans()) for _ in range(3)]


class TestReport:
    def test_each_thread_has_its_own(self, grpc_receiver, make):
        """Each thread gets the report on its own last export."""
        exporter = make(endpoint=grpc_receiver.endpoint)
        grpc_receiver.script(Accept(rejected=1))
        exporter.export(finished_spans())
        seen = []
        thread = threading.Thread(target=lambda: seen.append(exporter.last_rejected))
        thread.start()
        thread.join()
        assert [0] == seen
        assert 1 == exporter.last_rejected

    def test_nothing_is_logged(self, grpc_receiver, make, caplog):
        """Neither retries nor failures are logged."""
        grpc_receiver.script(SOON, Refuse(grpc.StatusCode.UNKNOWN, "?"))
        make(endpoint=grpc_receiver.endpoint).export(finished_spans())
        assert 2 == grpc_receiver.attempts
        assert [] == caplog.records

    def test_the_log_of_others_is_left_alone(self, grpc_receiver, make, caplog):
        """The loggers of the official exporter still log for others, and as often."""
        grpc_receiver.script(Refuse(grpc.StatusCode.UNKNOWN, "?"))
        make(endpoint=grpc_receiver.endpoint).export(finished_spans())
        logger = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
        logger.error("Failed to export %s", "theirs")
        assert ["Failed to export theirs"] == caplog.messages


class TestShutdown:
    def test_export_after_shutdown(self, grpc_receiver, make, caplog):
        """It fails, sends nothing, and reports the reason."""
        exporter = make(endpoint=grpc_receiver.endpoint)
        exporter.shutdown()
        assert FAILURE == exporter.export(finished_spans())
        assert "the exporter has been shut down" == exporter.last_error
        assert 0 == grpc_receiver.attempts
        assert [] == caplog.records

    def test_shutdown_twice(self, make, caplog):
        """The second call does nothing and logs nothing."""
        exporter = make()
        exporter.shutdown()
        exporter.shutdown(timeout_millis=10)
        assert [] == caplog.records

    @pytest.mark.parametrize(
        "answer", [Refuse(grpc.StatusCode.UNAVAILABLE, "busy"), Hang()], ids=["pause", "call"]
    )
    def test_shutdown_ends_an_export(self, answer, grpc_receiver, make, caplog):
        """A shutdown ends an export in a pause or in a call."""
        grpc_receiver.otherwise = answer
        exporter = make(endpoint=grpc_receiver.endpoint, timeout=60)
        results = []
        thread = threading.Thread(target=lambda: results.append(exporter.export(finished_spans())))
        thread.start()
        grpc_receiver.wait_for_attempts(2 if isinstance(answer, Refuse) else 1)
        exporter.shutdown()
        thread.join(5)
        assert not thread.is_alive()
        assert [FAILURE] == results
        assert [] == caplog.records


class TestAnotherProcess:
    def test_a_pickled_exporter(self, grpc_receiver, make):
        """An unpickled exporter exports over a connection of its own."""
        exporter = make(endpoint=grpc_receiver.endpoint, headers={"a": "1"}, timeout=5)
        copy = pickle.loads(pickle.dumps(exporter))
        assert SUCCESS == copy.export(finished_spans())
        assert "1" == grpc_receiver.received[0].headers["a"]
        copy.shutdown()

    def test_a_recreated_one(self, grpc_receiver, make):
        """It is made from the same options and outlives the first."""
        exporter = make(endpoint=grpc_receiver.endpoint, headers={"a": "1"})
        fresh = exporter.recreate()
        exporter.shutdown()
        assert SUCCESS == fresh.export(finished_spans())
        assert "1" == grpc_receiver.received[0].headers["a"]
        fresh.shutdown()

    @pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
    def test_a_recreated_one_after_a_fork(self, grpc_receiver):
        """A recreated exporter works in a forked child although the parent has a connection."""
        done = subprocess.run(
            [sys.executable, "-c", FORKING_PROGRAM, grpc_receiver.endpoint],
            timeout=60,
            check=False,
            capture_output=True,
            text=True,
        )
        assert 0 == done.returncode, done.stderr
        assert 4 == len(grpc_receiver.spans), done.stderr


FORKING_PROGRAM = """
import os, sys
from opentelemetry.sdk.trace.export import SpanExportResult
from tests.receivers.spans import finished_spans
from tracekit._otlp.grpc import OtlpGrpcExporter

exporter = OtlpGrpcExporter(endpoint=sys.argv[1], timeout=5)
assert exporter.export(finished_spans()) is SpanExportResult.SUCCESS
if (child := os.fork()) == 0:
    fresh = exporter.recreate()
    result = fresh.export(finished_spans())
    print(fresh.last_error, file=sys.stderr)
    os._exit(0 if result is SpanExportResult.SUCCESS else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
