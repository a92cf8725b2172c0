"""Delivery: what becomes of each span, and deadlines that hold whatever the exporter does."""

from __future__ import annotations

import io
import logging
import os
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
        if isinstance(answer, Exception):
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
        "the exporter Exporter delivers again; 2 spans failed",
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
    from tracekit._code.current import get_current, is_suppressed

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
