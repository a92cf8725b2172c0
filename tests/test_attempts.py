"""What came of an attempt, as exporters of all kinds tell it."""

from __future__ import annotations

import threading

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.receivers import Accept, GrpcReceiver, Hang, HttpReceiver, Refuse, finished_spans
from tracekit import ConfigurationError
from tracekit._delivery import backoff
from tracekit._delivery.backoff import Backoff, backoff_delay
from tracekit._delivery.batch_settings import BatchSettings
from tracekit._delivery.export_outcome import ExportBatch, ExportOutcome, attempt_export
from tracekit._otlp.grpc import OtlpGrpcExporter
from tracekit._otlp.http import OtlpHttpExporter

pytestmark = pytest.mark.usefixtures("no_otlp_environment")

PATIENT = 10.0
PASSING_CODES = [
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
]
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
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


class TestForeignExporters:
    """Those that say success or failure and no more: they have tried what they could."""

    class Exporter(SpanExporter):
        def __init__(self, answer):
            self.answer = answer

        def export(self, spans):
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer

    def test_success(self):
        """All spans count as delivered."""
        exporter = self.Exporter(SpanExportResult.SUCCESS)
        assert ExportOutcome(2) == attempt_export(exporter, ExportBatch(finished_spans()), PATIENT)

    def test_failure(self):
        """None does, for good."""
        exporter = self.Exporter(SpanExportResult.FAILURE)
        assert ExportOutcome(0) == attempt_export(exporter, ExportBatch(finished_spans()), PATIENT)

    def test_an_exception(self):
        """It is the reason."""
        exporter = self.Exporter(ValueError("no"))
        assert ExportOutcome(0, "ValueError: no") == attempt_export(
            exporter, ExportBatch(finished_spans()), PATIENT
        )

    def test_an_interruption(self):
        """It is handed over: whoever asked knows whose it is."""
        error = KeyboardInterrupt()
        answer = attempt_export(self.Exporter(error), ExportBatch(finished_spans()), PATIENT)
        assert (0, error) == (answer.exported, answer.interruption)

    def test_an_exporter_that_reports(self):
        """Any may say that a failure passes, and when to come again."""
        exporter = self.Exporter(SpanExportResult.FAILURE)
        exporter.last_error, exporter.last_is_passing, exporter.last_pause = "busy", True, 2.0
        expected = ExportOutcome(0, "busy", is_retryable=True, retry_after=2.0)
        assert expected == attempt_export(exporter, ExportBatch(finished_spans()), PATIENT)

    def test_something_that_is_true_is_no_report(self):
        """What is tried again by mistake would hold up all that comes after it."""
        exporter = self.Exporter(SpanExportResult.FAILURE)
        exporter.last_is_passing = object()
        assert not attempt_export(exporter, ExportBatch(finished_spans()), PATIENT).is_retryable


class TestGrpc:
    @pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
    def test_which_failures_pass(self, code, grpc_receiver, grpc_exporter):
        """Those that the specification of OTLP calls retryable; none is repeated here."""
        grpc_receiver.otherwise = Refuse(code, "no")
        answer = attempt_export(grpc_exporter, ExportBatch(finished_spans()), PATIENT)
        assert ExportOutcome(0, f"{code}: no", code in PASSING_CODES) == answer
        assert 1 == grpc_receiver.attempts

    def test_a_batch_that_is_too_large_fails_for_good(self, grpc_receiver, grpc_exporter):
        """It will be as large the next time."""
        text = "grpc: received message larger than max (5000000 vs. 4194304)"
        grpc_receiver.otherwise = Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        assert not attempt_export(
            grpc_exporter, ExportBatch(finished_spans()), PATIENT
        ).is_retryable
        assert 1 == grpc_receiver.attempts

    def test_the_pause_that_the_receiver_asks_for(self, grpc_receiver, grpc_exporter):
        """`RetryInfo`, in the trailing metadata."""
        info = RetryInfo(retry_delay=Duration(seconds=7, nanos=500_000_000))
        headers = (("google.rpc.retryinfo-bin", info.SerializeToString()),)
        grpc_receiver.script(Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", headers))
        assert (
            7.5 == attempt_export(grpc_exporter, ExportBatch(finished_spans()), PATIENT).retry_after
        )
        assert ExportOutcome(2) == attempt_export(
            grpc_exporter, ExportBatch(finished_spans()), PATIENT
        )

    def test_a_receiver_that_comes_back_is_found_at_once(self, grpc_receiver, grpc_exporter):
        """A channel's own pauses, which grow to minutes, are not waited for."""
        grpc_receiver.kill()
        for _ in range(5):
            assert attempt_export(
                grpc_exporter, ExportBatch(finished_spans()), PATIENT
            ).is_retryable
        grpc_receiver.start()
        assert ExportOutcome(2) == attempt_export(
            grpc_exporter, ExportBatch(finished_spans()), PATIENT
        )

    def test_a_receiver_that_hangs(self, grpc_receiver, grpc_exporter):
        """The time of an attempt is bounded by whoever asks for it."""
        grpc_receiver.script(Hang())
        answer = attempt_export(grpc_exporter, ExportBatch(finished_spans()), 1.0)
        assert (True, True) == (answer.is_retryable, "DEADLINE_EXCEEDED" in answer.error)

    def test_a_shutdown_ends_it_for_good(self, grpc_receiver, grpc_exporter):
        """Nothing is tried again with an exporter that is closed."""
        grpc_receiver.otherwise = Hang()
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(
                attempt_export(grpc_exporter, ExportBatch(finished_spans()), 60.0)
            )
        )
        thread.start()
        grpc_receiver.wait_for_attempts(1)
        grpc_exporter.shutdown()
        thread.join(5)
        assert (False, 1) == (thread.is_alive(), len(answers))
        closed = attempt_export(grpc_exporter, ExportBatch(finished_spans()), PATIENT)
        assert ExportOutcome(0, "the exporter has been shut down") == closed


class TestHttp:
    @pytest.mark.parametrize(("status", "is_passing"), STATUSES.items())
    def test_which_failures_pass(self, status, is_passing, http_receiver, http_exporter):
        """Those that the specification of OTLP calls retryable; none is repeated here."""
        http_receiver.otherwise = Refuse(status, "no")
        answer = attempt_export(http_exporter, ExportBatch(finished_spans()), PATIENT)
        assert (0, is_passing, 1) == (answer.exported, answer.is_retryable, http_receiver.attempts)

    def test_the_pause_that_the_receiver_asks_for(self, http_receiver, http_exporter):
        """`Retry-After` in seconds."""
        http_receiver.script(Refuse(429, "busy", (("Retry-After", "7"),)))
        assert (
            7.0 == attempt_export(http_exporter, ExportBatch(finished_spans()), PATIENT).retry_after
        )
        assert ExportOutcome(2) == attempt_export(
            http_exporter, ExportBatch(finished_spans()), PATIENT
        )

    def test_a_receiver_that_is_down(self, http_receiver, http_exporter):
        """Whoever cannot connect may later."""
        http_receiver.kill()
        answer = attempt_export(http_exporter, ExportBatch(finished_spans()), PATIENT)
        assert (True, True) == (answer.is_retryable, answer.error.startswith("ConnectionError: "))

    def test_a_connection_that_went_stale(self, http_receiver, http_exporter):
        """A receiver that restarts between two batches costs no second attempt."""
        assert ExportOutcome(2) == attempt_export(
            http_exporter, ExportBatch(finished_spans()), PATIENT
        )
        http_receiver.kill()
        http_receiver.start()
        assert ExportOutcome(2) == attempt_export(
            http_exporter, ExportBatch(finished_spans()), PATIENT
        )

    def test_a_receiver_that_hangs(self, http_receiver, http_exporter):
        """The time of an attempt is bounded by whoever asks, and the batch is not sent twice."""
        http_receiver.otherwise = Hang()
        answer = attempt_export(http_exporter, ExportBatch(finished_spans()), 1.0)
        assert (True, True) == (answer.is_retryable, "Timeout" in answer.error)
        assert 1 == http_receiver.attempts
        http_receiver.release()


@pytest.mark.parametrize(
    ("receiver", "exporter"), [(GrpcReceiver, OtlpGrpcExporter), (HttpReceiver, OtlpHttpExporter)]
)
def test_a_batch_that_is_taken_in_part(receiver, exporter):
    """What the receiver rejects is not delivered, and nothing of it passes."""
    with receiver() as running:
        running.script(Accept(rejected=1, message="too old"))
        made = exporter(endpoint=running.endpoint)
        assert ExportOutcome(1, "too old") == attempt_export(
            made, ExportBatch(finished_spans()), PATIENT
        )
        made.shutdown()


class TestPauses:
    def test_they_grow_up_to_a_bound(self):
        """Twice as long each time, with a fifth more or less."""
        for failures, middle in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (10, 5.0)]:
            found = [backoff_delay(failures) for _ in range(200)]
            assert 0.8 * middle <= min(found) < middle < max(found) <= 1.2 * middle

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [(7.5, 7.5), (0.0, backoff.MIN_DELAY), (1e9, backoff.MAX_RETRY_AFTER)],
    )
    def test_a_receiver_is_obeyed_within_bounds(self, asked, expected):
        """It may neither be hit without end nor keep spans for ever."""
        assert expected == backoff_delay(3, asked)

    def test_a_pause_can_be_cut_short(self, monkeypatch):
        """To the least there is; the one after it is a short one, too."""
        monkeypatch.setattr(backoff, "MIN_DELAY", 1.5)
        pause = Backoff()
        for _ in range(5):
            pause.add_failure(None)
        assert pause.remaining > 2
        pause.cut_short()
        assert 0 < pause.remaining <= 1.5
        assert pause.is_active
        pause.add_failure(None)
        assert 1 < pause.remaining < 3

    def test_a_success_ends_it(self):
        """As if nothing had been."""
        pause = Backoff()
        pause.add_failure(100.0)
        pause.reset()
        assert (0.0, False) == (pause.remaining, pause.is_active)


class TestSettings:
    def test_the_timeout_of_an_export(self, monkeypatch):
        """`OTEL_BSP_EXPORT_TIMEOUT`, in milliseconds; 30 seconds by default."""
        assert 30.0 == BatchSettings.from_environment().export_timeout
        monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "1500")
        assert 1.5 == BatchSettings.from_environment().export_timeout

    def test_a_timeout_that_is_none(self, monkeypatch):
        """It is pointed out."""
        monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "soon")
        with pytest.raises(ConfigurationError, match="OTEL_BSP_EXPORT_TIMEOUT='soon'"):
            BatchSettings.from_environment()
