"""What became of an export, and who gets to know it."""

from __future__ import annotations

import logging
import threading

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.receivers import finished_spans
from tracekit._delivery.export_outcome import ReportsOutcome
from tracekit._otlp.exporter import (
    OtlpExporter,
    Outcome,
    TransientFailure,
    current_outcome,
    quiet_loggers,
)

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


class Official(SpanExporter):
    """Stands for an exporter of OpenTelemetry's; each step is a function of the outcome."""

    def __init__(self, *steps):
        self.steps = list(steps)

    def export(self, spans):
        return self.steps.pop(0)(current_outcome())


def take(outcome):
    outcome.accept(ExportTraceServiceResponse())
    return SUCCESS


def fail_for_now(pause):
    def step(outcome):
        outcome.fail("busy")
        raise TransientFailure(pause)

    return step


def watched(*steps, timeout=5.0, sleeps=False):
    return OtlpExporter(Official(*steps), {}, timeout=timeout, sleeps=sleeps)


class TestOutcome:
    @pytest.mark.parametrize(
        ("partial", "expected"),
        [
            ({}, (0, None)),
            ({"rejected_spans": 3, "error_message": "too\n old "}, (3, "too old")),
            ({"rejected_spans": 3}, (3, "the receiver gives no reason")),
            ({"error_message": "soon full"}, (0, "soon full")),
            ({"rejected_spans": -1}, (0, None)),
        ],
    )
    def test_accept(self, partial, expected):
        """The receiver's count and message are kept; nonsense is not."""
        outcome = Outcome()
        outcome.accept(
            ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(**partial))
        )
        assert (True, *expected) == (outcome.delivered, outcome.rejected, outcome.reason)

    def test_a_reason_is_one_short_line(self):
        """Line breaks, control characters and endless text stay out."""
        outcome = Outcome()
        outcome.fail("a\r\n\tb\x1b[0m" + "c" * 10_000)
        assert outcome.reason.startswith("a b\ufffd[0mccc")
        assert 500 == len(outcome.reason)

    def test_a_log_record_is_second_best(self):
        """What an exporter logs counts where nothing better was seen."""
        outcome = Outcome()
        outcome.note("first")
        outcome.note("second")
        assert "first" == outcome.reason


class TestExport:
    def test_the_reporting_protocol(self):
        """The exporter is what a processor may ask for more."""
        exporter: ReportsOutcome = watched()
        assert (0, None) == (exporter.last_rejected, exporter.last_error)

    def test_an_exception_is_a_failure(self):
        """What the official exporter raises ends here."""

        def step(outcome):
            raise RuntimeError("no way")

        exporter = watched(step)
        assert FAILURE == exporter.export(finished_spans())
        assert "RuntimeError: no way" == exporter.last_error

    def test_success_without_an_answer_is_a_failure(self):
        """Only a receiver's word makes a delivery."""
        assert FAILURE == watched(lambda outcome: SUCCESS).export([])

    def test_an_interrupt_goes_through(self):
        """Control-C is the program's, not the exporter's."""

        def step(outcome):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            watched(step).export([])


class TestRepetition:
    """The pauses that the official exporter made with `time.sleep` before version 1.36."""

    def test_until_it_is_taken(self):
        """A transient failure is repeated after the pause asked for, and forgotten."""
        exporter = watched(fail_for_now(0.0), fail_for_now(0.01), take, sleeps=True)
        assert SUCCESS == exporter.export([])
        assert exporter.last_error is None

    def test_not_beyond_the_timeout(self):
        """A pause that would end too late is not begun."""
        exporter = watched(fail_for_now(None), take, timeout=0.1, sleeps=True)
        assert (FAILURE, "busy") == (exporter.export([]), exporter.last_error)

    def test_not_for_ever(self):
        """Six attempts are enough, as in the official exporter."""
        official = Official(*[fail_for_now(0.0)] * 9)
        assert FAILURE == OtlpExporter(official, {}, timeout=5, sleeps=True).export([])
        assert 3 == len(official.steps)

    def test_not_after_shutdown(self):
        """A shutdown ends the pause."""
        waiting = threading.Event()

        def step(outcome):
            waiting.set()
            raise TransientFailure(30)

        exporter = watched(step, take, timeout=60, sleeps=True)
        results = []
        thread = threading.Thread(target=lambda: results.append(exporter.export([])))
        thread.start()
        assert waiting.wait(5)
        exporter.shutdown()
        thread.join(5)
        assert (False, [FAILURE]) == (thread.is_alive(), results)


class TestQuiet:
    def test_a_record_becomes_the_reason(self, caplog):
        """What is logged during an export is reported instead."""
        logger = logging.getLogger("tests.official")
        quiet_loggers(["tests.official"])

        def step(outcome):
            logger.error("cannot %s", "encode")
            return FAILURE

        exporter = watched(step)
        exporter.export([])
        assert ("cannot encode", []) == (exporter.last_error, caplog.records)

    def test_other_threads_are_heard(self, caplog):
        """A record of another thread passes while an export goes on."""
        logger = logging.getLogger("tests.official")
        quiet_loggers(["tests.official"])

        def step(outcome):
            thread = threading.Thread(target=logger.error, args=("theirs",))
            thread.start()
            thread.join()
            return take(outcome)

        watched(step).export([])
        assert ["theirs"] == caplog.messages

    def test_once_is_enough(self):
        """However many exporters are made, a logger gets one filter, before all others."""
        logger = logging.getLogger("tests.once")
        logger.addFilter(logging.Filter())
        quiet_loggers(["tests.once"])
        quiet_loggers(["tests.once"])
        assert 2 == len(logger.filters)
        assert type(logger.filters[0]) is not logging.Filter
