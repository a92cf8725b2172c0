"""What the tests of delivery share: spans, counts, load, and an exporter that follows a script."""

from __future__ import annotations

import threading

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

TIMEOUT = 30.0
# Parts of the messages that are logged.
RETRIES, TIME_RAN_OUT = "cannot deliver for now", "time ran out at shutdown"
RECOVERS, QUEUE_IS_FULL = "delivers again", "queue is full"
MESSAGES = (RETRIES, TIME_RAN_OUT, RECOVERS, QUEUE_IS_FULL)


def end_spans(telemetry, count=1):
    """End some spans, and return their ids as receivers show them."""
    tracer = telemetry.tracer_provider.get_tracer("test")
    ids = []
    for _ in range(count):
        span = tracer.start_span("work")
        ids.append(f"{span.context.span_id:016x}")
        span.end()
    return ids


def stats(telemetry):
    (only,) = telemetry.stats.exporters.values()
    return only


def counted(telemetry):
    """Return the number of all spans that are counted."""
    found = stats(telemetry)
    return found.exported + found.dropped + found.failed + found.waiting


def arrived(receiver):
    return [span.span_id for span in receiver.spans]


def processor_of(telemetry):
    (only,) = telemetry._lifecycle.components.export_processors
    return only


def messages(caplog, known=MESSAGES):
    """Return the known parts of the messages that were logged, in order."""
    return [text for message in caplog.messages for text in known if text in message]


def wait_for_failures(telemetry, count):
    """Wait until so many consecutive attempts have failed."""
    processor = processor_of(telemetry)
    backoff = processor._worker._backoff
    with processor._changed:
        assert processor._changed.wait_for(lambda: backoff._failures >= count, TIMEOUT)


class Load:
    """A thread that ends spans in its block, with short waits in between."""

    def __init__(self, telemetry):
        self.ids = []
        self._telemetry = telemetry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._changed = threading.Condition()

    def _run(self):
        while not self._stop.wait(0.001):
            ids = end_spans(self._telemetry, 10)
            with self._changed:
                self.ids += ids
                self._changed.notify_all()

    def wait_for(self, more):
        """Wait until so many more spans have ended."""
        with self._changed:
            goal = len(self.ids) + more
            assert self._changed.wait_for(lambda: len(self.ids) >= goal, TIMEOUT)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


class ScriptedExporter(SpanExporter):
    """An exporter that follows a script, and accepts every batch after its end.

    Args:
        *script: `"accept"`, `"retry"` (a temporary failure) or `"reject"` for each attempt.
    """

    def __init__(self, *script):
        self.script = list(script)
        self.batches = []
        self.accepted = []
        self.last_is_passing = False
        self.last_pause = None
        self.last_error = "scripted"
        self.may_continue = threading.Event()
        self.may_continue.set()
        self.called = threading.Semaphore(0)

    def export(self, spans):
        self.batches.append(spans)
        self.called.release()
        self.may_continue.wait(TIMEOUT)
        step = self.script.pop(0) if self.script else "accept"
        self.last_is_passing = step == "retry"
        if step != "accept":
            return SpanExportResult.FAILURE
        self.accepted += [format(span.context.span_id, "016x") for span in spans]
        return SpanExportResult.SUCCESS

    def wait_for_call(self):
        assert self.called.acquire(timeout=TIMEOUT)

    def shutdown(self):
        self.may_continue.set()
