"""Batches: when they are due, how they are retried, and what is logged."""

from __future__ import annotations

import threading

from opentelemetry import trace

from tests.delivery.pipelines import (
    RECOVERS,
    RETRIES,
    TIMEOUT,
    ScriptedExporter,
    end_spans,
    messages,
    processor_of,
    stats,
    wait_for_failures,
)
from tracekit import ExporterStats
from tracekit._delivery import span_queue


def test_a_batch_is_retried_as_the_same_list(make, sizes, short_backoff):
    """An exporter can keep its encoded form. Newer spans are in the next batch."""
    sizes(batch=3, delay=3_600_000)
    exporter = ScriptedExporter("retry", "retry")
    telemetry = make(exporter)
    exporter.may_continue.clear()
    ids = end_spans(telemetry, 3)
    exporter.wait_for_call()
    ids += end_spans(telemetry, 3)
    exporter.may_continue.set()
    assert telemetry.flush(TIMEOUT)
    first, second, third, others = exporter.batches
    assert first is second
    assert first is third
    assert 3 == len(others)
    assert ids == exporter.accepted


def test_a_backoff_lasts(make, sizes):
    """Neither the schedule delay nor a full batch ends it. A flush does, and loses no span."""
    exporter = ScriptedExporter("retry")
    exporter.last_pause = 200.0
    telemetry = make(exporter)
    end_spans(telemetry)
    wait_for_failures(telemetry, 1)
    end_spans(telemetry, 500)
    assert 1 == len(exporter.batches)
    assert processor_of(telemetry)._worker._backoff.remaining > 100
    assert telemetry.flush(TIMEOUT)
    assert ExporterStats(exported=501) == stats(telemetry)


def test_each_flush_makes_one_attempt_at_once(make, sizes):
    """After a failure it waits for the end of the backoff like any other attempt."""
    exporter = ScriptedExporter(*["retry"] * 3)
    exporter.last_pause = 200.0
    telemetry = make(exporter)
    end_spans(telemetry)
    wait_for_failures(telemetry, 1)
    for attempts in (2, 3):
        assert not telemetry.flush(0.5)
        assert attempts == len(exporter.batches)
    assert telemetry.flush(TIMEOUT)


def test_the_end_of_an_outage(make, sizes, short_backoff):
    """The spans that ended during the outage are sent at once, and so is the next full batch."""
    sizes(batch=2, delay=3_600_000)
    exporter = ScriptedExporter("retry")
    telemetry = make(exporter)
    exporter.may_continue.clear()
    ids = end_spans(telemetry, 2)
    exporter.wait_for_call()
    ids += end_spans(telemetry, 1)
    exporter.may_continue.set()
    for more in (0, 0, 2):
        ids += end_spans(telemetry, more)
        exporter.wait_for_call()
    assert not processor_of(telemetry)._worker._backoff.is_active
    assert telemetry.flush(TIMEOUT)
    assert [2, 2, 1, 2] == [len(batch) for batch in exporter.batches]
    assert ids == exporter.accepted


def test_a_flush_that_begins_during_the_flush_of_the_exporter(make, sizes):
    """It is done before a shutdown that begins after it."""
    exporter = ScriptedExporter()
    telemetry = make(exporter)
    processor = processor_of(telemetry)
    waits = []

    def flush_and_shut_down(timeout_millis=0):
        if not waits:
            waits.extend([processor.begin_flush(), processor.begin_shutdown()])
        return True

    exporter.force_flush = flush_and_shut_down
    end_spans(telemetry)
    assert telemetry.flush(TIMEOUT)
    assert [True, True] == [wait(TIMEOUT) for wait in waits]


def test_a_shutdown_during_a_backoff(make, sizes):
    """After the deadline the export thread shuts the exporter down once."""
    exporter, threads = ScriptedExporter(*["retry"] * 99), []
    is_shut_down = threading.Event()

    def shutdown():
        threads.append(threading.current_thread().name)
        is_shut_down.set()

    exporter.shutdown = shutdown
    exporter.last_pause = 200.0
    telemetry = make(exporter)
    end_spans(telemetry, 3)
    wait_for_failures(telemetry, 1)
    assert not telemetry.shutdown(0.1)
    assert is_shut_down.wait(TIMEOUT)
    assert ["tracekit-export-ScriptedExporter"] == threads
    assert 3 == stats(telemetry).dropped


def test_an_exporter_that_does_not_report_a_temporary_failure(make, sizes):
    """Its batches are not retried."""
    sizes(delay=3_600_000)
    exporter = ScriptedExporter("reject")
    telemetry = make(exporter)
    end_spans(telemetry, 4)
    assert not telemetry.flush(TIMEOUT)
    assert 1 == len(exporter.batches)
    assert ExporterStats(failed=4) == stats(telemetry)


def test_a_receiver_that_fails_now_and_then_is_logged_once(make, sizes, caplog):
    """Shortly after a message, the next one needs several consecutive failures."""
    caplog.set_level("INFO")
    exporter = ScriptedExporter(*["retry", "accept"] * 5, *["retry"] * 3)
    exporter.last_pause = 0.0
    telemetry = make(exporter)
    for _ in range(6):
        end_spans(telemetry)
        assert telemetry.flush(TIMEOUT)
    assert [RETRIES, RECOVERS] * 2 == messages(caplog)


def test_a_receiver_that_rejects_and_then_is_away(make, sizes, caplog):
    """Each of the two failures is logged."""
    exporter = ScriptedExporter("reject", "retry", "retry")
    exporter.last_pause = 0.0
    telemetry = make(exporter)
    for _ in range(2):
        end_spans(telemetry)
        telemetry.flush(TIMEOUT)
    assert ["did not deliver", RETRIES] == messages(caplog, ("did not deliver", RETRIES))


def test_views_are_made_in_the_export_thread(make, sizes, monkeypatch):
    """The thread that ends a span does not pay for them."""
    threads = []

    def view_of(span, bit):
        threads.append(threading.current_thread().name)
        return span

    monkeypatch.setattr(span_queue, "view_of", view_of)
    telemetry = make(ScriptedExporter())
    end_spans(telemetry)
    assert telemetry.flush(TIMEOUT)
    assert ["tracekit-export-ScriptedExporter"] == threads


def test_a_view_that_cannot_be_made_fails_the_batch(make, sizes, monkeypatch):
    """The next batch is exported."""
    telemetry = make(ScriptedExporter())
    monkeypatch.setattr(span_queue, "view_of", lambda span, bit: 1 / 0)
    end_spans(telemetry, 2)
    assert not telemetry.flush(TIMEOUT)
    monkeypatch.undo()
    end_spans(telemetry, 3)
    assert telemetry.flush(TIMEOUT)
    assert ExporterStats(exported=3, failed=2) == stats(telemetry)


def test_a_queue_that_fills_up_while_a_batch_is_in_flight(make, sizes):
    """The oldest waiting spans are dropped, and the batch itself if it is requeued."""
    sizes(queue=4, batch=2)
    exporter = ScriptedExporter("retry")
    telemetry = make(exporter)
    exporter.may_continue.clear()
    end_spans(telemetry, 2)
    exporter.wait_for_call()
    newest = end_spans(telemetry, 7)[-4:]
    assert ExporterStats(dropped=3, waiting=6) == stats(telemetry)
    exporter.may_continue.set()
    assert not telemetry.flush(TIMEOUT)
    assert ExporterStats(exported=4, dropped=5) == stats(telemetry)
    assert newest == exporter.accepted


def test_the_context_of_the_export_thread(make, sizes):
    """The span that is current in the program is not current there."""
    exporter = ScriptedExporter()
    telemetry = make(exporter)
    seen = []
    export = exporter.export

    def record_and_export(spans):
        seen.append(trace.get_current_span())
        return export(spans)

    exporter.export = record_and_export
    with telemetry.tracer_provider.get_tracer("test").start_as_current_span("current"):
        end_spans(telemetry)
        assert telemetry.flush(TIMEOUT)
    assert [trace.INVALID_SPAN] == seen
