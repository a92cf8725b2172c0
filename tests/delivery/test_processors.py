"""The processors: the count of each span, and deadlines that hold whatever the exporter does."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import threading
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit import ExporterStats, TelemetryBuilder, exporters


class Exporter(SpanExporter):
    """An exporter that hangs, fails and raises as a test wants."""

    def __init__(self):
        self.batches = []
        self.results = []
        self.may_continue = threading.Event()
        self.may_continue.set()
        self.is_exporting = threading.Event()
        self.is_shut_down = threading.Event()
        self.flushes = 0
        self.thread = None

    def export(self, spans):
        self.thread = threading.current_thread()
        self.is_exporting.set()
        self.may_continue.wait(30)
        self.batches.append(list(spans))
        result = self.results.pop(0) if self.results else SpanExportResult.SUCCESS
        if isinstance(result, BaseException):
            raise result
        return result

    def force_flush(self, timeout_millis=30_000):
        self.flushes += 1
        return True

    def shutdown(self):
        self.is_shut_down.set()
        self.may_continue.set()


@pytest.fixture
def exporter():
    made = Exporter()
    yield made
    made.may_continue.set()


@pytest.fixture
def telemetry(exporter):
    made = TelemetryBuilder("test").with_exporter(exporter).build()
    yield made
    exporter.may_continue.set()
    made.shutdown(5.0)


def make_spans(telemetry, count=1):
    tracer = telemetry.tracer_provider.get_tracer("test")
    for number in range(count):
        tracer.start_span(f"span {number}").end()


def stats(telemetry):
    return telemetry.stats.exporters["Exporter"]


def names(exporter):
    return [span.name for batch in exporter.batches for span in batch]


def test_a_flush_delivers_the_ended_spans(telemetry, exporter):
    """In order and in a thread of its own. The exporter is flushed too."""
    make_spans(telemetry, 3)
    assert telemetry.flush(5.0)
    assert ["span 0", "span 1", "span 2"] == names(exporter)
    assert 1 == exporter.flushes
    assert exporter.thread is not threading.current_thread()
    assert ExporterStats(exported=3) == stats(telemetry)


def test_a_flush_without_spans(telemetry):
    """It returns at once and starts no thread."""
    threads = threading.active_count()
    assert telemetry.flush(0)
    assert threads == threading.active_count()


def test_a_full_batch_is_exported(monkeypatch, exporter):
    """It does not wait for the schedule delay."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    with TelemetryBuilder("test").with_exporter(exporter).build() as telemetry:
        make_spans(telemetry, 2)
        assert exporter.is_exporting.wait(5)


def test_a_batch_that_is_not_full_is_exported_after_the_schedule_delay(monkeypatch, exporter):
    """`OTEL_BSP_SCHEDULE_DELAY`, in milliseconds."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    with TelemetryBuilder("test").with_exporter(exporter).build() as telemetry:
        make_spans(telemetry)
        assert exporter.is_exporting.wait(5)


def test_a_flush_keeps_its_deadline_if_the_exporter_hangs(telemetry, exporter):
    """It returns False in time, and the spans are exported later."""
    exporter.may_continue.clear()
    make_spans(telemetry)
    started = time.monotonic()
    assert not telemetry.flush(0.05)
    assert time.monotonic() - started < 5
    assert ExporterStats(waiting=1) == stats(telemetry)
    exporter.may_continue.set()
    assert telemetry.flush(5.0)
    assert ExporterStats(exported=1) == stats(telemetry)


def test_a_flush_does_not_wait_for_later_spans(exporter):
    """It ends under a steady load too."""
    telemetry = TelemetryBuilder("test").with_exporter(exporter).build()
    stop = threading.Event()

    def load():
        while not stop.is_set():
            make_spans(telemetry, 10)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(5):
            telemetry.flush(10.0)
            flushed = exporter.flushes
        assert flushed > 0
    finally:
        stop.set()
        thread.join()
        telemetry.shutdown(10.0)


def test_a_shutdown_keeps_its_deadline_if_the_exporter_hangs(telemetry, exporter):
    """It returns False, counts the waiting spans as dropped, and shuts the exporter down."""
    exporter.may_continue.clear()
    make_spans(telemetry, 3)
    started = time.monotonic()
    assert not telemetry.shutdown(0.05)
    assert time.monotonic() - started < 5
    assert ExporterStats(dropped=3) == stats(telemetry)
    assert exporter.is_shut_down.wait(5)


def test_an_exporter_that_hangs_does_not_delay_another(exporter):
    """Both start to shut down at once, with one deadline."""
    healthy = Exporter()
    exporter.may_continue.clear()
    telemetry = TelemetryBuilder("test").with_exporter([exporter, healthy]).build()
    make_spans(telemetry)
    assert not telemetry.shutdown(0.5)
    assert ["span 0"] == names(healthy)
    assert healthy.is_shut_down.is_set()


def test_a_second_shutdown_returns_the_same(telemetry, exporter):
    """The exporter is shut down once."""
    make_spans(telemetry)
    assert telemetry.shutdown(5.0)
    assert telemetry.shutdown(5.0)
    assert exporter.is_shut_down.is_set()


def test_failures_are_counted_and_logged_once(telemetry, exporter, caplog):
    """One message when they begin and one when they end. A flush returns False meanwhile."""
    exporter.results = [
        SpanExportResult.FAILURE,
        ValueError("no"),
        SpanExportResult.SUCCESS,
        SpanExportResult.SUCCESS,
    ]
    results = []
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            make_spans(telemetry)
            results.append(telemetry.flush(5.0))
    assert [False, False, True, True] == results
    assert ExporterStats(exported=2, failed=2) == stats(telemetry)
    assert [
        "the exporter Exporter did not deliver 1 spans: it gave no reason; further ones are "
        "counted in silence",
        "the exporter Exporter delivers again; meanwhile 2 spans failed and 0 were dropped",
    ] == caplog.messages


def test_rejected_spans_are_counted(telemetry, exporter):
    """An exporter can report them, like the partial success of an OTLP receiver."""
    exporter.last_rejected = 2
    make_spans(telemetry, 5)
    assert not telemetry.flush(5.0)
    assert ExporterStats(exported=3, failed=2) == stats(telemetry)


def test_a_full_queue_drops_the_oldest_spans(monkeypatch, exporter, caplog):
    """They are counted, one message is logged, and the calling thread never waits."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2")
    exporter.may_continue.clear()
    telemetry = TelemetryBuilder("test").with_exporter(exporter).build()
    make_spans(telemetry, 2)
    assert exporter.is_exporting.wait(5)
    make_spans(telemetry, 5)
    exporter.may_continue.set()
    assert not telemetry.shutdown(5.0)
    assert ["span 0", "span 1", "span 3", "span 4"] == names(exporter)
    assert ExporterStats(exported=4, dropped=3) == stats(telemetry)
    assert 1 == sum("its queue is full" in message for message in caplog.messages)


def test_spans_that_end_after_a_shutdown(telemetry):
    """They count as dropped."""
    tracer = telemetry.tracer_provider.get_tracer("test")
    late = tracer.start_span("late")
    telemetry.shutdown(5.0)
    late.end()
    assert ExporterStats(dropped=1) == stats(telemetry)


def test_unsampled_spans_are_not_exported(exporter):
    """They are not counted either."""
    with TelemetryBuilder("t").with_exporter(exporter).with_sampler(0.0).build() as telemetry:
        make_spans(telemetry)
        assert 0 == telemetry.stats.started
        assert telemetry.flush(5.0)
    assert [] == exporter.batches


def test_an_exporter_that_fails_to_flush_or_shut_down(exporter, caplog):
    """The failure is logged, and the program continues."""

    def fail(*args, **kwargs):
        raise RuntimeError("no")

    exporter.force_flush = exporter.shutdown = fail
    telemetry = TelemetryBuilder("test").with_exporter(exporter).build()
    make_spans(telemetry)
    telemetry.shutdown(5.0)
    assert any("failed to shut down" in message for message in caplog.messages)


def test_the_exporters_own_spans_are_suppressed(telemetry, exporter):
    """Instrumentation is suppressed in the thread that exports."""
    from tracekit._recording.current_context import get_current, is_suppressed

    seen = []
    exporter.export = lambda spans: (
        seen.append(is_suppressed(get_current())) or SpanExportResult.SUCCESS
    )
    make_spans(telemetry)
    assert telemetry.flush(5.0)
    assert [True] == seen


def test_many_threads_that_end_spans(exporter):
    """No span is lost and none is exported twice."""
    with TelemetryBuilder("test").with_exporter(exporter).build() as telemetry:
        threads = [threading.Thread(target=make_spans, args=(telemetry, 200)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 1600 == len({span.context.span_id for batch in exporter.batches for span in batch})
    assert 1600 == telemetry.stats.started
    assert ExporterStats(exported=1600) == stats(telemetry)


def test_a_processor_that_hangs_does_not_break_the_deadline(exporter):
    """A flush and a shutdown wait for the user's own processors until their deadline."""

    class Hangs(SpanProcessor):
        def shutdown(self):
            exporter.may_continue.wait(30)

        def force_flush(self, timeout_millis=30_000):
            return exporter.may_continue.wait(30)

    memory = exporters.memory()
    exporter.may_continue.clear()
    telemetry = TelemetryBuilder("t").with_exporter(memory).with_processor(Hangs()).build()
    started = time.monotonic()
    assert not telemetry.flush(0.05)
    assert not telemetry.shutdown(0.05)
    assert time.monotonic() - started < 5


def test_a_processor_that_raises(caplog):
    """The failure is logged, and the flush returns False."""

    class Raises(SpanProcessor):
        def force_flush(self, timeout_millis=30_000):
            raise RuntimeError("no")

    telemetry = TelemetryBuilder("t").with_exporter("none").with_processor(Raises()).build()
    assert not telemetry.flush(5.0)
    assert telemetry.shutdown(5.0)
    assert ["a span processor or exporter failed to flush: RuntimeError('no')"] == caplog.messages


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_with_an_empty_queue(tmp_path):
    """The parent delivers the spans that waited. The child delivers its own."""
    path = tmp_path / "spans.jsonl"
    telemetry = TelemetryBuilder("t").with_exporter(f"file:{path}").build()
    make_spans(telemetry, 3)
    child = os.fork()
    if child == 0:
        make_spans(telemetry, 2)
        os._exit(0 if telemetry.shutdown(5.0) and telemetry.stats.exported == 2 else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert telemetry.shutdown(5.0)
    assert 5 == path.read_text().count('"name":"span')


def test_a_tree_is_printed_before_the_next_output(run_python):
    """The console prints in the thread that ends the trace."""
    done = run_python(
        "import sys, tracekit\n"
        "from tracekit import exporters, span\n"
        "tracekit.init_telemetry('order', exporter=exporters.console(stream=sys.stdout))\n"
        "for n in range(20):\n"
        "    with span('work'): pass\n"
        "    print('after', n)\n"
    )
    lines = [line.split()[-1] for line in done.stdout.splitlines() if line.strip()]
    assert [str(n) for n in range(20)] == lines[2::3]


def test_a_console_whose_stream_hangs():
    """A flush keeps its deadline."""
    may_continue = threading.Event()

    class Pipe(io.StringIO):
        def write(self, text):
            may_continue.wait(30)
            return len(text)

    telemetry = TelemetryBuilder("t").with_exporter(exporters.console(stream=Pipe())).build()
    tracer = telemetry.tracer_provider.get_tracer("t")
    root = tracer.start_span("root")
    tracer.start_span("child", trace.set_span_in_context(root)).end()
    started = time.monotonic()
    assert not telemetry.flush(0.05)
    telemetry.shutdown(0.05)
    assert time.monotonic() - started < 5
    may_continue.set()


class EndsSpans(logging.Handler):
    """Ends spans for every record, as a handler that sends logs can, and then fails."""

    def __init__(self, telemetry):
        super().__init__()
        self.telemetry = telemetry
        self.records = 0

    def emit(self, record):
        self.records += 1
        thread = threading.Thread(target=make_spans, args=(self.telemetry, 3))
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
        make_spans(self.telemetry, 3)
        raise ValueError("this handler fails")


@pytest.fixture
def handler(telemetry):
    made = EndsSpans(telemetry)
    logging.getLogger("tracekit").addHandler(made)
    yield made
    logging.getLogger("tracekit").removeHandler(made)


def test_a_log_handler_that_ends_spans_and_fails_while_spans_are_dropped(
    monkeypatch, exporter, request
):
    """The message is logged once, without a lock, and the program sees no error."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2")
    exporter.may_continue.clear()
    telemetry = request.getfixturevalue("telemetry")
    handler = request.getfixturevalue("handler")
    make_spans(telemetry, 2)
    assert exporter.is_exporting.wait(5)
    make_spans(telemetry, 5)
    assert 1 == handler.records
    assert 9 == stats(telemetry).dropped


def test_a_log_handler_that_fails_does_not_end_the_export(telemetry, exporter, handler):
    """It fails in the thread that exports, which continues."""
    exporter.results = [SpanExportResult.FAILURE]
    make_spans(telemetry)
    assert not telemetry.flush(5.0)
    assert telemetry.flush(5.0)
    assert 1 == handler.records
    assert ExporterStats(exported=6, failed=1) == stats(telemetry)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt()])
def test_an_exporter_that_raises_an_interruption(telemetry, exporter, error, caplog):
    """The batch counts as failed, and the same thread exports the next one."""
    exporter.results = [error]
    make_spans(telemetry)
    assert not telemetry.flush(5.0)
    thread = exporter.thread
    assert type(error).__name__ in caplog.text
    make_spans(telemetry)
    assert telemetry.flush(5.0)
    assert thread is exporter.thread
    assert ExporterStats(exported=1, failed=1) == stats(telemetry)


def test_an_exporter_whose_flush_is_interrupted(telemetry, exporter):
    """The flush has delivered the spans, and so does the next one."""

    def interrupt(timeout_millis=0):
        raise SystemExit

    exporter.force_flush = interrupt
    for _ in range(2):
        make_spans(telemetry)
        assert telemetry.flush(5.0)
    assert ExporterStats(exported=2) == stats(telemetry)


def test_a_flush_does_not_wait_for_later_flushes(exporter):
    """Each waits only for the spans that ended before it."""
    with TelemetryBuilder("test").with_exporter(exporter).build() as telemetry:
        exporter.may_continue.clear()
        make_spans(telemetry)
        (processor,) = telemetry._lifecycle.components.export_processors
        first = processor.begin_flush()
        assert exporter.is_exporting.wait(5)
        inner = exporter.export
        seen = []

        def export(spans):
            # There is always a newer flush, for a newer span, when the exporter comes back.
            if len(seen) < 20:
                make_spans(telemetry)
                later_flushes.append(threading.Thread(target=processor.begin_flush))
                later_flushes[-1].start()
                later_flushes[-1].join(5)
            seen.append(exporter.flushes)
            return inner(spans)

        later_flushes = []
        exporter.export = export
        make_spans(telemetry)
        second = processor.begin_flush()
        exporter.may_continue.set()
        assert first(5.0)
        assert second(5.0)
        assert telemetry.flush(5.0)
        assert [1, 2, 3] == seen[:3]


def test_flushes_that_no_thread_waits_for_do_not_accumulate(telemetry, exporter):
    """While an exporter hangs, one request replaces all of them."""
    exporter.may_continue.clear()
    make_spans(telemetry)
    (processor,) = telemetry._lifecycle.components.export_processors
    for _ in range(50):
        assert not telemetry.flush(0)
    assert 1 == len(processor._worker._flushes)


def test_an_exporter_that_flushes(telemetry, exporter):
    """It would wait for itself, so the flush returns False at once."""
    results, durations = [], []

    def export(spans):
        started = time.monotonic()
        results.append(telemetry.flush(30.0))
        durations.append(time.monotonic() - started)
        return SpanExportResult.SUCCESS

    exporter.export = export
    make_spans(telemetry)
    assert telemetry.flush(5.0)
    assert [False] == results
    assert durations[0] < 5


def test_an_exporter_that_shuts_down(telemetry, exporter):
    """It would wait for itself. The waiting spans are delivered nevertheless."""
    results = []

    def export(spans):
        results.append(telemetry.shutdown(30.0))
        return SpanExportResult.SUCCESS

    exporter.export = export
    make_spans(telemetry)
    telemetry.flush(5.0)
    telemetry.shutdown(5.0)
    assert exporter.is_shut_down.wait(5)
    assert [False] == results
    assert 1 == stats(telemetry).exported


def test_a_signal_handler_that_flushes_while_a_span_is_taken(telemetry, exporter):
    """It waits for the spans in the queue, and not for the one that its thread appends next."""
    (processor,) = telemetry._lifecycle.components.export_processors
    results = []

    append = processor._append

    def flush_and_append(span):
        if not results:
            results.append(telemetry.flush(5.0))
        append(span)

    make_spans(telemetry)
    assert telemetry.flush(5.0)
    processor._append = flush_and_append
    make_spans(telemetry)
    assert telemetry.flush(5.0)
    assert [True] == results
    assert ExporterStats(exported=2) == stats(telemetry)


def test_a_console_whose_reader_is_blocked():
    """A flush waits for the thread that prints, though no other span waits."""
    may_continue, is_writing = threading.Event(), threading.Event()

    class Pipe(io.StringIO):
        def write(self, text):
            is_writing.set()
            may_continue.wait(30)
            return len(text)

    telemetry = TelemetryBuilder("t").with_exporter(exporters.console(stream=Pipe())).build()
    thread = threading.Thread(target=make_spans, args=(telemetry,))
    thread.start()
    assert is_writing.wait(5)
    assert not telemetry.flush(0.05)
    assert not telemetry.shutdown(0.05)
    may_continue.set()
    thread.join(5)


FINALIZERS = """
import gc
from tracekit import TelemetryBuilder, exporters

memory = exporters.memory()
telemetry = TelemetryBuilder("t").with_exporter(memory).build()
tracers = telemetry.tracer_provider
ended = 0

class Resource:
    def __init__(self):
        self.itself = self

    def __del__(self):
        global ended
        tracers.get_tracer(f"t{id(self)}").start_span("closing").end()
        ended += bool(telemetry.stats.started)

for number in range(300):
    gc.collect(0)
    gc.disable()
    Resource()
    gc.set_threshold(1 + number % 30)
    gc.enable()
    tracers.get_tracer(f"new{number}").start_span("work").end()
    assert memory.spans
gc.collect()
print(ended, len(memory.spans))
"""


def test_a_finalizer_that_ends_spans(run_python):
    """It can run while its thread holds a lock of the exporter, the counts or the provider."""
    # In a process of its own: among the tests' own objects each collection takes long.
    assert "300 600" == run_python(FINALIZERS).stdout.strip()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_handler_that_ends_spans(untraced):
    """It can run while its thread holds a lock of the memory exporter."""
    memory = exporters.memory()
    telemetry = TelemetryBuilder("t").with_exporter(memory).build()
    handled = []

    def handle(*_):
        handled.append(1)
        make_spans(telemetry)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        while len(handled) < 200:
            make_spans(telemetry)
            assert memory.spans
            if len(memory.spans) > 200:
                memory.clear()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert telemetry.shutdown(5.0)


def test_each_shutdown_keeps_its_own_deadline(telemetry, exporter):
    """One with an early deadline drops no span that another one still waits for."""
    exporter.may_continue.clear()
    make_spans(telemetry)
    later = []
    thread = threading.Thread(target=lambda: later.append(telemetry.shutdown(20.0)))
    (processor,) = telemetry._lifecycle.components.export_processors
    thread.start()
    with processor._changed:
        assert processor._changed.wait_for(lambda: processor._shutdown_waiters, 5)
    started = time.monotonic()
    assert not telemetry.shutdown(0.05)
    assert time.monotonic() - started < 5
    exporter.may_continue.set()
    thread.join(10)
    assert [True] == later
    assert ExporterStats(exported=1) == stats(telemetry)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_handler_that_shuts_down_during_a_shutdown(telemetry, exporter, untraced):
    """A handler of `SIGTERM` can run when the program is ending already."""
    exporter.may_continue.clear()
    make_spans(telemetry)
    results = []

    def handle(*_):
        results.append(telemetry.shutdown(0.05))
        exporter.may_continue.set()

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        assert telemetry.shutdown(10.0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [False] == results


def test_a_second_shutdown_after_a_loss(telemetry, exporter):
    """It returns False like the first."""
    exporter.results = [SpanExportResult.FAILURE]
    make_spans(telemetry)
    assert not telemetry.shutdown(5.0)
    assert not telemetry.shutdown(5.0)


def test_a_finalizer_that_ends_a_span_while_the_export_thread_starts(monkeypatch, exporter):
    """The thread that starts it waits for its first steps, and holds no lock meanwhile."""
    telemetry = TelemetryBuilder("test").with_exporter(exporter).build()
    bootstrap = threading.Thread._bootstrap

    def end_span_and_bootstrap(self):
        if self.name.startswith("tracekit-export"):
            make_spans(telemetry)
        bootstrap(self)

    monkeypatch.setattr(threading.Thread, "_bootstrap", end_span_and_bootstrap)
    thread = threading.Thread(target=make_spans, args=(telemetry,), daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert telemetry.shutdown(5.0)
    assert ExporterStats(exported=2) == stats(telemetry)
