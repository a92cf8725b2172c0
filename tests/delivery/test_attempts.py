"""One attempt to export a batch, its outcome, and the delay before the next one."""

from __future__ import annotations

import threading

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.receivers import Accept, GrpcReceiver, Hang, HttpReceiver, Refuse, finished_spans
from tracekit import ConfigurationError
from tracekit._delivery import batch_schedule
from tracekit._delivery.batch_schedule import Backoff, BatchSettings, backoff_delay
from tracekit._delivery.exporter_calls import ExportBatch, ExportOutcome, attempt_export
from tracekit._otlp.grpc import OtlpGrpcExporter
from tracekit._otlp.http import OtlpHttpExporter

TIMEOUT = 10.0
RETRYABLE_CODES = [
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
]
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
# Whether a failure of this HTTP status is retryable.
STATUSES = {429: True, 502: True, 503: True, 504: True, 400: False, 401: False, 403: False}
STATUSES |= {404: False, 408: False, 413: False, 500: False, 501: False}


@pytest.fixture
def grpc_exporter(grpc_receiver):
    made = OtlpGrpcExporter(endpoint=grpc_receiver.endpoint, timeout=600.0)
    yield made
    made.shutdown()


@pytest.fixture
def http_exporter(http_receiver):
    made = OtlpHttpExporter(endpoint=http_receiver.endpoint, timeout=600.0)
    yield made
    made.shutdown()


def attempt(exporter, timeout=TIMEOUT):
    """Make an attempt with a batch of two spans."""
    return attempt_export(exporter, ExportBatch(finished_spans()), timeout)


class TestExportersOfOthers:
    class Exporter(SpanExporter):
        """Returns a result, or raises an exception."""

        def __init__(self, result):
            self.result = result

        def export(self, spans):
            if isinstance(self.result, BaseException):
                raise self.result
            return self.result

    def test_success(self):
        """All spans count as exported."""
        exporter = self.Exporter(SpanExportResult.SUCCESS)
        assert ExportOutcome(2) == attempt(exporter)

    def test_failure(self):
        """No span counts as exported, and the failure is not retryable."""
        exporter = self.Exporter(SpanExportResult.FAILURE)
        assert ExportOutcome(0) == attempt(exporter)

    def test_an_exception(self):
        """Its type and text are the error."""
        exporter = self.Exporter(ValueError("no"))
        assert ExportOutcome(0, "ValueError: no") == attempt(exporter)

    def test_an_interruption(self):
        """An exception that is not an `Exception` is returned, and the caller decides."""
        error = KeyboardInterrupt()
        outcome = attempt(self.Exporter(error))
        assert 0 == outcome.exported
        assert error is outcome.interruption

    def test_an_exporter_that_reports(self):
        """Its attributes say that a failure is retryable, and when."""
        exporter = self.Exporter(SpanExportResult.FAILURE)
        exporter.last_error, exporter.last_is_passing, exporter.last_pause = "busy", True, 2.0
        expected = ExportOutcome(0, "busy", is_retryable=True, retry_after=2.0)
        assert expected == attempt(exporter)

    def test_only_true_makes_a_failure_retryable(self):
        """A batch that is retried by mistake would hold up all later ones."""
        exporter = self.Exporter(SpanExportResult.FAILURE)
        exporter.last_is_passing = object()
        assert not attempt(exporter).is_retryable


class TestGrpc:
    @pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
    def test_which_failures_are_retryable(self, code, grpc_receiver, grpc_exporter):
        """Those that the specification of OTLP names. The exporter itself makes one attempt."""
        grpc_receiver.otherwise = Refuse(code, "no")
        outcome = attempt(grpc_exporter)
        assert ExportOutcome(0, f"{code}: no", code in RETRYABLE_CODES) == outcome
        assert 1 == grpc_receiver.attempts

    def test_a_batch_that_is_too_large_is_not_retryable(self, grpc_receiver, grpc_exporter):
        """It would be as large at the next attempt."""
        text = "grpc: received message larger than max (5000000 vs. 4194304)"
        grpc_receiver.otherwise = Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        assert not attempt(grpc_exporter).is_retryable
        assert 1 == grpc_receiver.attempts

    def test_the_delay_that_the_receiver_asks_for(self, grpc_receiver, grpc_exporter):
        """`RetryInfo`, in the trailing metadata."""
        info = RetryInfo(retry_delay=Duration(seconds=7, nanos=500_000_000))
        headers = (("google.rpc.retryinfo-bin", info.SerializeToString()),)
        grpc_receiver.script(Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", headers))
        assert 7.5 == attempt(grpc_exporter).retry_after
        assert ExportOutcome(2) == attempt(grpc_exporter)

    def test_a_receiver_that_restarts_is_reached_at_once(self, grpc_receiver, grpc_exporter):
        """The delays of a gRPC channel, which grow to minutes, do not apply."""
        grpc_receiver.kill()
        for _ in range(5):
            assert attempt(grpc_exporter).is_retryable
        grpc_receiver.start()
        assert ExportOutcome(2) == attempt(grpc_exporter)

    def test_a_receiver_that_hangs(self, grpc_receiver, grpc_exporter):
        """The timeout of the attempt applies, if the exporter's own is longer."""
        grpc_receiver.script(Hang())
        outcome = attempt(grpc_exporter, 1.0)
        assert outcome.is_retryable
        assert "DEADLINE_EXCEEDED" in outcome.error

    def test_a_shutdown_ends_an_attempt(self, grpc_receiver, grpc_exporter):
        """An exporter that is shut down makes no more attempts."""
        grpc_receiver.otherwise = Hang()
        outcomes = []
        thread = threading.Thread(target=lambda: outcomes.append(attempt(grpc_exporter, 60.0)))
        thread.start()
        grpc_receiver.wait_for_attempts(1)
        grpc_exporter.shutdown()
        thread.join(5)
        assert not thread.is_alive()
        assert 1 == len(outcomes)
        closed = attempt(grpc_exporter)
        assert ExportOutcome(0, "the exporter has been shut down") == closed


class TestHttp:
    @pytest.mark.parametrize(("status", "is_retryable"), STATUSES.items())
    def test_which_failures_are_retryable(self, status, is_retryable, http_receiver, http_exporter):
        """Those that the specification of OTLP names. The exporter itself makes one attempt."""
        http_receiver.otherwise = Refuse(status, "no")
        outcome = attempt(http_exporter)
        assert 0 == outcome.exported
        assert is_retryable == outcome.is_retryable
        assert 1 == http_receiver.attempts

    def test_the_delay_that_the_receiver_asks_for(self, http_receiver, http_exporter):
        """`Retry-After` in seconds."""
        http_receiver.script(Refuse(429, "busy", (("Retry-After", "7"),)))
        assert 7.0 == attempt(http_exporter).retry_after
        assert ExportOutcome(2) == attempt(http_exporter)

    def test_a_receiver_that_is_down(self, http_receiver, http_exporter):
        """The failure is retryable."""
        http_receiver.kill()
        outcome = attempt(http_exporter)
        assert outcome.is_retryable
        assert outcome.error.startswith("ConnectionError: ")

    def test_a_connection_that_went_stale(self, http_receiver, http_exporter):
        """A restart of the receiver between two batches needs no second attempt."""
        assert ExportOutcome(2) == attempt(http_exporter)
        http_receiver.kill()
        http_receiver.start()
        assert ExportOutcome(2) == attempt(http_exporter)

    def test_a_receiver_that_hangs(self, http_receiver, http_exporter):
        """The timeout of the attempt applies, and the batch is sent once."""
        http_receiver.otherwise = Hang()
        outcome = attempt(http_exporter, 1.0)
        assert outcome.is_retryable
        assert "Timeout" in outcome.error
        assert 1 == http_receiver.attempts
        http_receiver.release()


@pytest.mark.parametrize(
    ("receiver", "exporter"), [(GrpcReceiver, OtlpGrpcExporter), (HttpReceiver, OtlpHttpExporter)]
)
def test_a_batch_that_is_accepted_in_part(receiver, exporter):
    """The spans that the receiver rejects are not exported, and not retried."""
    with receiver() as running:
        running.script(Accept(rejected=1, message="too old"))
        made = exporter(endpoint=running.endpoint)
        assert ExportOutcome(1, "too old") == attempt(made)
        made.shutdown()


class TestBackoff:
    def test_delays_grow_up_to_a_maximum(self):
        """Each is twice as long as the one before, with a jitter of 20 %."""
        for failures, middle in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (10, 5.0)]:
            found = [backoff_delay(failures) for _ in range(200)]
            assert 0.8 * middle <= min(found) < middle < max(found) <= 1.2 * middle

    @pytest.mark.parametrize(
        ("retry_after", "expected"),
        [(7.5, 7.5), (0.0, batch_schedule.MIN_DELAY), (1e9, batch_schedule.MAX_RETRY_AFTER)],
    )
    def test_the_delay_of_the_receiver_has_bounds(self, retry_after, expected):
        """It is neither so short that requests never stop, nor endless."""
        assert expected == backoff_delay(3, retry_after)

    def test_a_delay_can_be_cut_short(self, monkeypatch):
        """To the minimum. The delay after it is short as well."""
        monkeypatch.setattr(batch_schedule, "MIN_DELAY", 1.5)
        delays = Backoff()
        for _ in range(5):
            delays.add_failure(None)
        assert delays.remaining > 2
        delays.cut_short()
        assert 0 < delays.remaining <= 1.5
        assert delays.is_active
        delays.add_failure(None)
        assert 1 < delays.remaining < 3

    def test_a_success_resets_it(self):
        """There is no delay, and the next attempt is not a retry."""
        delays = Backoff()
        delays.add_failure(100.0)
        delays.reset()
        assert 0.0 == delays.remaining
        assert not delays.is_active


class TestSettings:
    def test_the_timeout_of_an_export(self, monkeypatch):
        """`OTEL_BSP_EXPORT_TIMEOUT`, in milliseconds; 30 seconds by default."""
        assert 30.0 == BatchSettings.from_environment().export_timeout
        monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "1500")
        assert 1.5 == BatchSettings.from_environment().export_timeout

    def test_an_invalid_timeout(self, monkeypatch):
        """The error names the variable and its value."""
        monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "soon")
        with pytest.raises(ConfigurationError, match="OTEL_BSP_EXPORT_TIMEOUT='soon'"):
            BatchSettings.from_environment()
