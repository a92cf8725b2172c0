"""Delivery: what becomes of each span, and deadlines that hold whatever the exporter does."""

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
    """An exporter that hangs, fails and raises as told."""

    def __init__(self):
        self.batches = []
        self.answers = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_exporting = threading.Event()
        self.is_shut_down = threading.Event()
        self.flushes = 0
        self.thread = None

    def export(self, spans):
        self.thread = threading.current_thread()
        self.is_exporting.set()
        self.may_go_on.wait(30)
        self.batches.append(list(spans))
        answer = self.answers.pop(0) if self.answers else SpanExportResult.SUCCESS
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def force_flush(self, timeout_millis=30_000):
        self.flushes += 1
        return True

    def shutdown(self):
        self.is_shut_down.set()
        self.may_go_on.set()


@pytest.fixture
def exporter():
    made = Exporter()
    yield made
    made.may_go_on.set()


@pytest.fixture
def telemetry(exporter):
    made = TelemetryBuilder("test").with_exporter(exporter).build()
    yield made
    exporter.may_go_on.set()
    made.shutdown(5.0)


def make_spans(telemetry, count=1):
    tracer = telemetry.tracer_provider.get_tracer("test")
    for number in range(count):
        tracer.start_span(f"span {number}").end()


def stats(telemetry):
    return telemetry.stats.exporters["Exporter"]


def names(exporter):
    return [span.name for batch in exporter.batches for span in batch]


def test_flush_delivers_what_has_ended(telemetry, exporter):
    """In order, through a thread of its own, and the exporter is flushed too."""
    make_spans(telemetry, 3)
    assert telemetry.flush(5.0)
    assert ["span 0", "span 1", "span 2"] == names(exporter)
    assert (1, True) == (exporter.flushes, exporter.thread is not threading.current_thread())
    assert ExporterStats(exported=3) == stats(telemetry)


def test_flush_without_spans_is_done_at_once(telemetry):
    """Nothing is started for it."""
    threads = threading.active_count()
    assert telemetry.flush(0)
    assert threads == threading.active_count()


def test_a_full_batch_goes_out_by_itself(monkeypatch, exporter):
    """Without waiting for the delay."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    with TelemetryBuilder("test").with_exporter(exporter).build() as telemetry:
        make_spans(telemetry, 2)
        assert exporter.is_exporting.wait(5)


def test_the_delay_sends_a_batch_that_is_not_full(monkeypatch, exporter):
    """`OTEL_BSP_SCHEDULE_DELAY`, in milliseconds."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    with TelemetryBuilder("test").with_exporter(exporter).build() as telemetry:
        make_spans(telemetry)
        assert exporter.is_exporting.wait(5)


def test_flush_keeps_its_deadline_when_the_exporter_hangs(telemetry, exporter):
    """It answers False in time, and the spans go out later."""
    exporter.may_go_on.clear()
    make_spans(telemetry)
    begun = time.monotonic()
    assert not telemetry.flush(0.05)
    assert time.monotonic() - begun < 5
    assert ExporterStats(waiting=1) == stats(telemetry)
    exporter.may_go_on.set()
    assert telemetry.flush(5.0)
    assert ExporterStats(exported=1) == stats(telemetry)


def test_flush_does_not_wait_for_spans_that_end_after_it_began(exporter):
    """Under a steady load it still comes to an end."""
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


def test_shutdown_keeps_its_deadline_when_the_exporter_hangs(telemetry, exporter):
    """It answers False, counts what was left, and tells the exporter to stop."""
    exporter.may_go_on.clear()
    make_spans(telemetry, 3)
    begun = time.monotonic()
    assert not telemetry.shutdown(0.05)
    assert time.monotonic() - begun < 5
    assert ExporterStats(dropped=3) == stats(telemetry)
    assert exporter.is_shut_down.wait(5)


def test_a_healthy_exporter_is_not_kept_waiting_by_one_that_hangs(exporter):
    """Both share one deadline, and both begin at once."""
    healthy = Exporter()
    exporter.may_go_on.clear()
    telemetry = TelemetryBuilder("test").with_exporter([exporter, healthy]).build()
    make_spans(telemetry)
    assert not telemetry.shutdown(0.5)
    assert ["span 0"] == names(healthy)
    assert healthy.is_shut_down.is_set()


def test_shutdown_shuts_the_exporter_down_once(telemetry, exporter):
    """A second call gives the same answer."""
    make_spans(telemetry)
    assert (True, True) == (telemetry.shutdown(5.0), telemetry.shutdown(5.0))
    assert exporter.is_shut_down.is_set()


def test_what_fails_is_counted_and_said_once(telemetry, exporter, caplog):
    """One line when it begins, one when it is over; flush answers False."""
    exporter.answers = [
        SpanExportResult.FAILURE,
        ValueError("no"),
        SpanExportResult.SUCCESS,
        SpanExportResult.SUCCESS,
    ]
    answers = []
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            make_spans(telemetry)
            answers.append(telemetry.flush(5.0))
    assert [False, False, True, True] == answers
    assert ExporterStats(exported=2, failed=2) == stats(telemetry)
    assert [
        "the exporter Exporter did not deliver 1 spans: it gave no reason; further ones are "
        "counted in silence",
        "the exporter Exporter delivers again; meanwhile 2 spans failed and 0 were dropped",
    ] == caplog.messages


def test_what_an_exporter_rejects_in_part_is_counted(telemetry, exporter):
    """As an OTLP receiver says in its partial success."""
    exporter.last_rejected = 2
    make_spans(telemetry, 5)
    assert not telemetry.flush(5.0)
    assert ExporterStats(exported=3, failed=2) == stats(telemetry)


def test_a_full_queue_drops_the_oldest(monkeypatch, exporter, caplog):
    """They are counted, one line says so, and the calling thread never waits."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2")
    exporter.may_go_on.clear()
    telemetry = TelemetryBuilder("test").with_exporter(exporter).build()
    make_spans(telemetry, 2)
    assert exporter.is_exporting.wait(5)
    make_spans(telemetry, 5)
    exporter.may_go_on.set()
    assert not telemetry.shutdown(5.0)
    assert ["span 0", "span 1", "span 3", "span 4"] == names(exporter)
    assert ExporterStats(exported=4, dropped=3) == stats(telemetry)
    assert 1 == sum("its queue is full" in message for message in caplog.messages)


def test_spans_that_end_after_shutdown_are_counted(telemetry):
    """As dropped."""
    tracer = telemetry.tracer_provider.get_tracer("test")
    late = tracer.start_span("late")
    telemetry.shutdown(5.0)
    late.end()
    assert ExporterStats(dropped=1) == stats(telemetry)


def test_unsampled_spans_are_not_exported(exporter):
    """Nor counted."""
    with TelemetryBuilder("t").with_exporter(exporter).with_sampler(0.0).build() as telemetry:
        make_spans(telemetry)
        assert (0, True) == (telemetry.stats.started, telemetry.flush(5.0))
    assert [] == exporter.batches


def test_an_exporter_that_fails_to_flush_or_shut_down_is_said(exporter, caplog):
    """The program goes on."""

    def fail(*args, **kwargs):
        raise RuntimeError("no")

    exporter.force_flush = exporter.shutdown = fail
    telemetry = TelemetryBuilder("test").with_exporter(exporter).build()
    make_spans(telemetry)
    telemetry.shutdown(5.0)
    assert any("failed to shut down" in message for message in caplog.messages)


def test_the_exporters_own_spans_are_suppressed(telemetry, exporter):
    """While it exports, instrumentation is off in its thread."""
    from tracekit._recording.current_context import get_current, is_suppressed

    seen = []
    exporter.export = lambda spans: (
        seen.append(is_suppressed(get_current())) or SpanExportResult.SUCCESS
    )
    make_spans(telemetry)
    assert telemetry.flush(5.0)
    assert [True] == seen


def test_threads_of_all_kinds_deliver_every_span(exporter):
    """Many threads end spans at once; none is lost and none is doubled."""
    with TelemetryBuilder("test").with_exporter(exporter).build() as telemetry:
        threads = [threading.Thread(target=make_spans, args=(telemetry, 200)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 1600 == len({span.context.span_id for batch in exporter.batches for span in batch})
    assert (1600, ExporterStats(exported=1600)) == (telemetry.stats.started, stats(telemetry))


def test_a_processor_that_hangs_does_not_break_the_deadline(exporter):
    """The user's own processors are waited for no longer than said."""

    class Hangs(SpanProcessor):
        def shutdown(self):
            exporter.may_go_on.wait(30)

        def force_flush(self, timeout_millis=30_000):
            return exporter.may_go_on.wait(30)

    memory = exporters.memory()
    exporter.may_go_on.clear()
    telemetry = TelemetryBuilder("t").with_exporter(memory).with_processor(Hangs()).build()
    begun = time.monotonic()
    assert (False, False) == (telemetry.flush(0.05), telemetry.shutdown(0.05))
    assert time.monotonic() - begun < 5


def test_a_processor_that_raises_is_said(caplog):
    """And counts as not flushed."""

    class Raises(SpanProcessor):
        def force_flush(self, timeout_millis=30_000):
            raise RuntimeError("no")

    telemetry = TelemetryBuilder("t").with_exporter("none").with_processor(Raises()).build()
    assert not telemetry.flush(5.0)
    assert telemetry.shutdown(5.0)
    assert ["a span processor or exporter failed to flush: RuntimeError('no')"] == caplog.messages


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_begins_with_an_empty_queue(tmp_path):
    """What waits is the parent's to deliver; the child delivers its own."""
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


def test_a_tree_stands_before_what_the_program_prints_next(run_python):
    """The console prints in the thread that ends the trace, not some time later."""
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


def test_a_stream_that_hangs_does_not_break_the_deadline():
    """A flush of the console waits no longer than said."""
    may_go_on = threading.Event()

    class Pipe(io.StringIO):
        def write(self, text):
            may_go_on.wait(30)
            return len(text)

    telemetry = TelemetryBuilder("t").with_exporter(exporters.console(stream=Pipe())).build()
    tracer = telemetry.tracer_provider.get_tracer("t")
    root = tracer.start_span("root")
    tracer.start_span("child", trace.set_span_in_context(root)).end()
    begun = time.monotonic()
    assert not telemetry.flush(0.05)
    telemetry.shutdown(0.05)
    assert time.monotonic() - begun < 5
    may_go_on.set()


class EndsSpans(logging.Handler):
    """Ends a span for every record, as a handler that ships log lines does, and then fails."""

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


def test_a_log_handler_may_end_spans_and_fail_where_spans_are_dropped(
    monkeypatch, exporter, request
):
    """What is dropped is said with no lock held, once, and the program sees no error of it."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2")
    exporter.may_go_on.clear()
    telemetry = request.getfixturevalue("telemetry")
    handler = request.getfixturevalue("handler")
    make_spans(telemetry, 2)
    assert exporter.is_exporting.wait(5)
    make_spans(telemetry, 5)
    assert (1, 9) == (handler.records, stats(telemetry).dropped)


def test_a_log_handler_that_fails_does_not_end_the_export(telemetry, exporter, handler):
    """The failure is said to it in the thread that exports, which goes on."""
    exporter.answers = [SpanExportResult.FAILURE]
    make_spans(telemetry)
    assert not telemetry.flush(5.0)
    assert telemetry.flush(5.0)
    assert (1, ExporterStats(exported=6, failed=1)) == (handler.records, stats(telemetry))


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1), KeyboardInterrupt()])
def test_whatever_an_exporter_raises_the_export_goes_on(telemetry, exporter, error, caplog):
    """The batch counts as failed; the next one is exported by the same thread."""
    exporter.answers = [error]
    make_spans(telemetry)
    assert not telemetry.flush(5.0)
    thread = exporter.thread
    assert type(error).__name__ in caplog.text
    make_spans(telemetry)
    assert telemetry.flush(5.0)
    assert thread is exporter.thread
    assert ExporterStats(exported=1, failed=1) == stats(telemetry)


def test_an_exporter_whose_flush_is_interrupted_goes_on(telemetry, exporter):
    """The flush has done what it can, and so has the next one."""

    def interrupt(timeout_millis=0):
        raise SystemExit

    exporter.force_flush = interrupt
    for _ in range(2):
        make_spans(telemetry)
        assert telemetry.flush(5.0)
    assert ExporterStats(exported=2) == stats(telemetry)


def test_a_flush_is_not_held_up_by_those_that_come_after_it(exporter):
    """Each waits for the spans that ended before it, and for no others."""
    with TelemetryBuilder("test").with_exporter(exporter).build() as telemetry:
        exporter.may_go_on.clear()
        make_spans(telemetry)
        (delivery,) = telemetry._lifecycle.export_processors
        first = delivery.begin_flush()
        assert exporter.is_exporting.wait(5)
        inner = exporter.export
        seen = []

        def export(spans):
            # There is always a newer flush, for a newer span, when the exporter comes back.
            if len(seen) < 20:
                make_spans(telemetry)
                delivery_of_others.append(threading.Thread(target=delivery.begin_flush))
                delivery_of_others[-1].start()
                delivery_of_others[-1].join(5)
            seen.append(exporter.flushes)
            return inner(spans)

        delivery_of_others = []
        exporter.export = export
        make_spans(telemetry)
        second = delivery.begin_flush()
        exporter.may_go_on.set()
        assert (True, True) == (first(5.0), second(5.0))
        assert telemetry.flush(5.0)
        assert [1, 2, 3] == seen[:3]


def test_flushes_that_nobody_waits_for_do_not_pile_up(telemetry, exporter):
    """While an exporter hangs, one stands for all of them."""
    exporter.may_go_on.clear()
    make_spans(telemetry)
    (delivery,) = telemetry._lifecycle.export_processors
    for _ in range(50):
        assert not telemetry.flush(0)
    assert 1 == len(delivery._worker._flushes)


def test_an_exporter_that_flushes_is_answered_at_once(telemetry, exporter):
    """It would wait for itself: the answer is False."""
    answers = []

    def export(spans):
        begun = time.monotonic()
        answers.append((telemetry.flush(30.0), time.monotonic() - begun < 5))
        return SpanExportResult.SUCCESS

    exporter.export = export
    make_spans(telemetry)
    assert telemetry.flush(5.0)
    assert [(False, True)] == answers


def test_an_exporter_that_shuts_down_is_answered_at_once(telemetry, exporter):
    """What waits is delivered all the same."""
    answers = []

    def export(spans):
        answers.append(telemetry.shutdown(30.0))
        return SpanExportResult.SUCCESS

    exporter.export = export
    make_spans(telemetry)
    telemetry.flush(5.0)
    telemetry.shutdown(5.0)
    assert exporter.is_shut_down.wait(5)
    assert ([False], 1) == (answers, stats(telemetry).exported)


def test_a_signal_handler_in_the_midst_of_taking_a_span_may_flush(telemetry, exporter):
    """It waits for what is in the queue, not for the span that its own thread is about to put."""
    (delivery,) = telemetry._lifecycle.export_processors
    answers = []

    append = delivery._append

    def flush_and_append(span):
        if not answers:
            answers.append(telemetry.flush(5.0))
        append(span)

    make_spans(telemetry)
    assert telemetry.flush(5.0)
    delivery._append = flush_and_append
    make_spans(telemetry)
    assert (True, [True]) == (telemetry.flush(5.0), answers)
    assert ExporterStats(exported=2) == stats(telemetry)


def test_a_console_whose_reader_is_blocked_is_not_shut_down_in_time():
    """The thread that prints is waited for, though nothing else waits to be printed."""
    may_go_on, is_writing = threading.Event(), threading.Event()

    class Pipe(io.StringIO):
        def write(self, text):
            is_writing.set()
            may_go_on.wait(30)
            return len(text)

    telemetry = TelemetryBuilder("t").with_exporter(exporters.console(stream=Pipe())).build()
    thread = threading.Thread(target=make_spans, args=(telemetry,))
    thread.start()
    assert is_writing.wait(5)
    assert (False, False) == (telemetry.flush(0.05), telemetry.shutdown(0.05))
    may_go_on.set()
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


def test_a_finalizer_may_end_spans_wherever_it_runs(run_python):
    """Also within the locks of the exporter in memory, the counts and the provider."""
    # In a process of its own: among the tests' own objects each collection takes long.
    assert "300 600" == run_python(FINALIZERS).stdout.strip()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_handler_may_end_spans_wherever_it_runs(untraced):
    """Hundreds of signals hit the exporter in memory at work."""
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
    """One that is told to be quick is, and takes nothing from one that has time."""
    exporter.may_go_on.clear()
    make_spans(telemetry)
    patient = []
    thread = threading.Thread(target=lambda: patient.append(telemetry.shutdown(20.0)))
    (delivery,) = telemetry._lifecycle.export_processors
    thread.start()
    with delivery._changed:
        assert delivery._changed.wait_for(lambda: delivery._shutdown_waiters, 5)
    begun = time.monotonic()
    assert not telemetry.shutdown(0.05)
    assert time.monotonic() - begun < 5
    exporter.may_go_on.set()
    thread.join(10)
    assert ([True], ExporterStats(exported=1)) == (patient, stats(telemetry))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_handler_may_shut_down_while_its_thread_does(telemetry, exporter, untraced):
    """As a handler of `SIGTERM` does when the program is ending already."""
    exporter.may_go_on.clear()
    make_spans(telemetry)
    answers = []

    def handle(*_):
        answers.append(telemetry.shutdown(0.05))
        exporter.may_go_on.set()

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        assert telemetry.shutdown(10.0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [False] == answers


def test_a_second_shutdown_gives_the_same_answer(telemetry, exporter):
    """Also where something was lost."""
    exporter.answers = [SpanExportResult.FAILURE]
    make_spans(telemetry)
    assert [False, False] == [telemetry.shutdown(5.0), telemetry.shutdown(5.0)]


def test_a_finalizer_may_end_a_span_in_the_first_steps_of_the_export_thread(monkeypatch, exporter):
    """Who starts the thread waits for these, and holds no lock that a span needs."""
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
