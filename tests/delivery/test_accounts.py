"""Exact counts with threads, signal handlers, finalizers, forks, and at interpreter shutdown."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import threading

import pytest

from tests.delivery.pipelines import (
    TIMEOUT,
    ScriptedExporter,
    counted,
    end_spans,
    processor_of,
    stats,
    wait_for_failures,
)
from tracekit import ExporterStats


@pytest.mark.parametrize("queue", [50, 100_000])
def test_a_shutdown_while_many_threads_end_spans(make, sizes, short_backoff, queue):
    """Every span that ended is counted once."""
    sizes(queue=queue, batch=20)
    exporter = ScriptedExporter(*["retry", "accept", "reject"] * 20)
    telemetry = make(exporter)
    tracer = telemetry.tracer_provider.get_tracer("test")
    begin, half = threading.Barrier(17), threading.Semaphore(0)

    def work():
        begin.wait(TIMEOUT)
        for number in range(400):
            tracer.start_span("work").end()
            if number == 200:
                half.release()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    begin.wait(TIMEOUT)
    for _ in range(4):
        assert half.acquire(timeout=TIMEOUT)
    telemetry.shutdown(TIMEOUT)
    for thread in threads:
        thread.join()
    found = stats(telemetry)
    assert 16 * 400 == counted(telemetry)
    assert 0 == found.waiting
    assert len(exporter.accepted) == found.exported
    assert len(set(exporter.accepted)) == found.exported


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
def test_signal_handlers_that_end_spans(make, sizes, short_backoff, untraced):
    """A handler runs at any point of delivery, and sometimes flushes as well."""
    sizes(queue=30, batch=10)
    telemetry = make(ScriptedExporter(*["retry", "accept"] * 50))
    handled = itertools.count(1)
    ended = [0]

    def handle(*_):
        if next(handled) % 20 == 0:
            telemetry.flush(0.0)
        end_spans(telemetry, 3)
        ended[0] += 3

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    by_thread = 0
    try:
        while ended[0] < 900:
            end_spans(telemetry, 5)
            by_thread += 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ended[0] + by_thread == counted(telemetry)
    telemetry.shutdown(TIMEOUT)
    assert ended[0] + by_thread == counted(telemetry)
    assert 0 == stats(telemetry).waiting


def test_finalizers_that_end_spans(make, sizes):
    """A finalizer runs at any point of delivery, because collections run all the time."""
    sizes(queue=20, batch=10)
    telemetry = make(ScriptedExporter())
    tracer = telemetry.tracer_provider.get_tracer("test")
    closed = [0]

    class Resource:
        def __init__(self):
            self.itself = self

        def __del__(self):
            tracer.start_span("closing").end()
            closed[0] += 1

    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(5)
    try:
        for _ in range(500):
            Resource()
            tracer.start_span("work").end()
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
    gc.collect()
    assert 500 == closed[0]
    telemetry.shutdown(TIMEOUT)
    assert 1000 == counted(telemetry)
    assert 0 == stats(telemetry).waiting


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_an_outage(make, sizes):
    """The waiting spans stay the parent's. The child starts without spans and without a backoff."""
    exporter = ScriptedExporter("retry")
    exporter.last_pause = 200.0
    telemetry = make(exporter)
    ids = end_spans(telemetry, 3)
    wait_for_failures(telemetry, 1)
    child = os.fork()
    if child == 0:
        own = end_spans(telemetry, 2)
        ended = telemetry.shutdown(TIMEOUT) and exporter.accepted == own
        os._exit(0 if ended and stats(telemetry) == ExporterStats(exported=2) else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert telemetry.flush(TIMEOUT)
    assert ids == exporter.accepted
    assert ExporterStats(exported=3) == stats(telemetry)


@pytest.fixture
def refuse_threads(monkeypatch):
    """Let no more threads start, as at interpreter shutdown."""

    def refuse(self):
        raise RuntimeError("can't start new thread at interpreter shutdown")

    return lambda: monkeypatch.setattr(threading.Thread, "start", refuse)


def test_a_shutdown_without_a_thread(make, sizes, refuse_threads):
    """Each batch is tried once. After a failure the other spans are dropped and counted."""
    telemetry = make(ScriptedExporter("accept", "retry"))
    refuse_threads()
    end_spans(telemetry, 250)
    assert not processor_of(telemetry).shutdown(1000)
    assert ExporterStats(exported=100, dropped=150) == stats(telemetry)
    end_spans(telemetry, 1)
    assert ExporterStats(exported=100, dropped=151) == stats(telemetry)


def test_a_flush_without_a_thread(make, sizes, refuse_threads):
    """The current thread exports. It does not wait after a failure."""
    telemetry = make(ScriptedExporter("retry"))
    refuse_threads()
    end_spans(telemetry, 5)
    processor = processor_of(telemetry)
    assert not processor.force_flush(1e9)
    assert 5 == stats(telemetry).waiting
    assert processor.force_flush(1e9)
    assert 5 == stats(telemetry).exported


def test_a_flush_inside_a_flush_without_a_thread(make, sizes, refuse_threads):
    """A signal handler can flush while its thread exports: no span is lost from the counts."""
    exporter = ScriptedExporter()
    telemetry = make(exporter)
    export = exporter.export

    def flush_and_export(spans):
        processor_of(telemetry).force_flush(1000)
        return export(spans)

    exporter.export = flush_and_export
    refuse_threads()
    end_spans(telemetry, 250)
    processor_of(telemetry).force_flush(1000)
    assert ExporterStats(exported=250) == stats(telemetry)
