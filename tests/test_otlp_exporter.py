"""Batches, attempts and outcomes of the OTLP exporters, whatever the transport."""

from __future__ import annotations

import threading

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.receivers import finished_spans
from tests.span_strategies import a_span
from tracekit._delivery.exporter_calls import (
    ExportBatch,
    ExportOutcome,
    ReportsOutcome,
    is_batch_exporter,
)
from tracekit._otlp import exporter as otlp_exporter
from tracekit._otlp.exporter import OtlpExporter, RequestError

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
ACCEPTED = ExportTraceServiceResponse()


class Exporter(OtlpExporter):
    """An exporter whose transport follows a script of answers and errors."""

    def __init__(self, *script, timeout=5.0):
        super().__init__(timeout=timeout)
        self.script = list(script)
        self.timeouts = []
        self.is_called = threading.Event()

    def _send(self, body, timeout):
        self.timeouts.append(timeout)
        self.is_called.set()
        answer = self.script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _close(self):
        pass


def busy(retry_after=0.0):
    return RequestError("busy", is_retryable=True, retry_after=retry_after)


@pytest.fixture
def encodings(monkeypatch):
    """The batches that are encoded."""
    batches = []
    encode = otlp_exporter.encode_spans

    def encode_and_note(spans, **options):
        batches.append(list(spans))
        return encode(spans, **options)

    monkeypatch.setattr(otlp_exporter, "encode_spans", encode_and_note)
    return batches


class TestExportBatch:
    def test_is_a_batch_exporter(self):
        """A delivery recognises it as an exporter that leaves retries to its caller."""
        assert is_batch_exporter(Exporter())

    def test_success(self):
        """All spans of an accepted batch count as exported."""
        outcome = Exporter(ACCEPTED).export_batch(ExportBatch(finished_spans()), 1.0)
        assert ExportOutcome(2) == outcome

    def test_one_attempt(self):
        """A retryable failure is returned and not retried."""
        exporter = Exporter(busy(7.5), ACCEPTED)
        outcome = exporter.export_batch(ExportBatch(finished_spans()), 1.0)
        assert ExportOutcome(0, "busy", is_retryable=True, retry_after=7.5) == outcome
        assert [ACCEPTED] == exporter.script

    def test_encoded_once(self, encodings):
        """A batch is encoded at the first attempt only."""
        exporter = Exporter(busy(), busy(), ACCEPTED)
        batch = ExportBatch(finished_spans())
        for _ in range(3):
            exporter.export_batch(batch, 1.0)
        assert [list(batch.spans)] == encodings

    @pytest.mark.parametrize(("asked", "expected"), [(1.0, 1.0), (60.0, 5.0), (-1.0, 0.001)])
    def test_timeout(self, asked, expected):
        """The shorter of the caller's and the exporter's timeout counts, and never 0."""
        exporter = Exporter(ACCEPTED, timeout=5.0)
        exporter.export_batch(ExportBatch(finished_spans()), asked)
        assert [expected] == exporter.timeouts

    @pytest.mark.parametrize(
        ("partial", "exported", "error"),
        [
            ({}, 2, None),
            ({"rejected_spans": 1, "error_message": "too\n old "}, 1, "too old"),
            ({"rejected_spans": 2}, 0, "the receiver gives no reason"),
            ({"rejected_spans": 3, "error_message": "?"}, 0, "?"),
            ({"error_message": "soon full"}, 2, "soon full"),
            ({"rejected_spans": -1}, 2, None),
        ],
    )
    def test_partial_success(self, partial, exported, error):
        """The receiver's count and message are kept; impossible counts are not."""
        answer = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(**partial))
        outcome = Exporter(answer).export_batch(ExportBatch(finished_spans()), 1.0)
        assert ExportOutcome(exported, error) == outcome

    def test_spans_without_a_form_in_otlp(self, caplog):
        """They do not count as exported, the other spans do, and one warning is logged."""
        spans = [*finished_spans(), a_span("bad", context=None), a_span("worse", kind=None)]
        outcome = Exporter(ACCEPTED).export_batch(ExportBatch(spans), 1.0)
        assert ExportOutcome(2, "2 spans cannot be put into OTLP") == outcome
        [record] = caplog.records
        assert record.getMessage().startswith("span 'bad' cannot be put into OTLP: ")

    def test_an_exception(self):
        """An unexpected exception of the transport is the error of the outcome."""
        outcome = Exporter(OSError("no way")).export_batch(ExportBatch(finished_spans()), 1.0)
        assert ExportOutcome(0, "OSError: no way") == outcome

    def test_an_interrupt(self):
        """Control-C reaches the caller."""
        with pytest.raises(KeyboardInterrupt):
            Exporter(KeyboardInterrupt()).export_batch(ExportBatch(finished_spans()), 1.0)


class TestExport:
    """The interface of the SDK: retries until the timeout."""

    def test_reports_its_outcome(self):
        """The last export can be asked for more than success or failure."""
        exporter: ReportsOutcome = Exporter()
        assert 0 == exporter.last_rejected
        assert None is exporter.last_error
        assert False is exporter.last_is_passing
        assert None is exporter.last_pause

    def test_retries_until_accepted(self):
        """A retryable failure is retried, and is not reported after a success."""
        exporter = Exporter(busy(), busy(0.01), ACCEPTED)
        assert SUCCESS == exporter.export(finished_spans())
        assert None is exporter.last_error
        assert [] == exporter.script

    def test_encoded_once(self, encodings):
        """However many attempts an export takes, its batch is encoded once."""
        spans = finished_spans()
        Exporter(busy(), busy(), ACCEPTED).export(spans)
        assert [list(spans)] == encodings

    def test_no_retry_of_a_permanent_failure(self):
        """A failure that is not retryable ends the export."""
        exporter = Exporter(RequestError("bad batch"), ACCEPTED)
        assert FAILURE == exporter.export(finished_spans())
        assert "bad batch" == exporter.last_error
        assert [ACCEPTED] == exporter.script

    def test_no_retry_beyond_the_timeout(self):
        """A pause that would end after the timeout is not begun."""
        exporter = Exporter(busy(None), ACCEPTED, timeout=0.1)
        assert FAILURE == exporter.export(finished_spans())
        assert "busy" == exporter.last_error
        assert exporter.last_is_passing

    def test_at_most_six_attempts(self):
        """An export makes at most six attempts, as OpenTelemetry's exporter does."""
        exporter = Exporter(*(busy() for _ in range(9)))
        assert FAILURE == exporter.export(finished_spans())
        assert 3 == len(exporter.script)

    def test_shutdown_ends_a_pause(self):
        """An export that pauses before its next attempt fails when the exporter is shut down."""
        exporter = Exporter(busy(30), ACCEPTED, timeout=60)
        results = []
        thread = threading.Thread(target=lambda: results.append(exporter.export(finished_spans())))
        thread.start()
        assert exporter.is_called.wait(5)
        exporter.shutdown()
        thread.join(5)
        assert [FAILURE] == results

    def test_rejected_spans(self):
        """The number of rejected spans is reported, and forgotten with the next export."""
        partial = ExportTracePartialSuccess(rejected_spans=2)
        exporter = Exporter(ExportTraceServiceResponse(partial_success=partial), ACCEPTED)
        assert SUCCESS == exporter.export(finished_spans())
        assert 2 == exporter.last_rejected
        assert SUCCESS == exporter.export(finished_spans())
        assert 0 == exporter.last_rejected

    def test_after_shutdown(self):
        """An export after the shutdown fails without a request."""
        exporter = Exporter(ACCEPTED)
        exporter.shutdown()
        assert FAILURE == exporter.export(finished_spans())
        assert "the exporter has been shut down" == exporter.last_error
        assert [ACCEPTED] == exporter.script


class TestRequestError:
    def test_one_short_line(self):
        """Line breaks, control characters and endless text stay out of a reason."""
        reason = RequestError("a\r\n\tb\x1b[0m" + "c" * 10_000).outcome.error
        assert reason.startswith("a b\ufffd[0mccc")
        assert 500 == len(reason)

    @pytest.mark.parametrize(
        ("symptom", "hint"),
        [
            (
                "[SSL: WRONG_VERSION_NUMBER] wrong version number",
                "Its endpoint begins with http://",
            ),
            ("Failed parsing HTTP/2", "protocol='http'"),
            (r"BadStatusLine('\x00\x00\x18\x04')", "protocol='grpc'"),
        ],
    )
    def test_hints(self, symptom, hint):
        """A failure that a receiver of another kind causes comes with a question about it."""
        reason = RequestError(symptom).outcome.error
        assert reason.startswith(f"{symptom} (is that ")
        assert reason.endswith(f"{hint})")
