"""Export in batches: the side of the threads that end spans, flush and shut down.

The end of a span appends it to a queue, and does nothing else most of the time. The batches are
exported in another thread, `tracekit._delivery.export_worker`.
"""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._delivery.batch_schedule import BatchSettings
from tracekit._delivery.deadlines import Wait
from tracekit._delivery.export_processor import ExportProcessor
from tracekit._delivery.export_worker import ExportWorker
from tracekit._delivery.exporter_calls import ExclusiveExporter
from tracekit._delivery.span_queue import SpanQueue
from tracekit._delivery.stats import IS_SHUT_DOWN, NO_TIME_LEFT, QUEUE_IS_FULL


class BatchProcessor(ExportProcessor):
    """Collects ended spans in a queue and exports them in batches, in a thread of its own.

    A batch that fails for a temporary reason (`ExportOutcome.is_retryable`) goes back to the head
    of the queue and is retried until it is delivered, is dropped because the queue is full, or a
    shutdown runs out of time.

    With `export_local_roots_at_once` the end of a local root is exported at once. This is for
    processes that can end at any time without running any code.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        name: str,
        settings: BatchSettings,
        *,
        bit: int = 0,
        export_local_roots_at_once: bool = False,
    ) -> None:
        self._exclusive_exporter = ExclusiveExporter(exporter, name)
        self._settings = settings
        self._exports_local_roots = self._exports_at_once = export_local_roots_at_once
        self._expects_normal_exit = not export_local_roots_at_once
        super().__init__(exporter, name, bit)

    def _reset(self) -> None:
        super()._reset()
        self._queue = SpanQueue(self._settings.max_queue_size, self._counts, self.bit)
        self._spans = self._queue.waiting
        self._append = self._spans.append
        self._worker = ExportWorker(
            self._exclusive_exporter, self._queue, self._settings, self._health, self._lock
        )
        self._changed = self._worker.changed
        self._shutdown_waiters = 0
        self._shutdown_result: bool | None = None

    def after_fork_in_child(self) -> None:
        """Start with an empty queue in a forked child: the waiting spans are the parent's."""
        was_closed = self._queue.closed_at is not None
        # The child may leave by os._exit, which runs no code.
        self._exports_local_roots = True
        super().after_fork_in_child()
        if was_closed:
            self._queue.closed_at, self._worker.is_finished = 0, True

    @property
    def exporter(self) -> SpanExporter:
        """The exporter, which is another one in a forked child that has recreated it."""
        return self._exclusive_exporter.exporter

    def _count_waiting(self) -> int:
        return len(self._queue)

    def take(self, span: ReadableSpan) -> None:
        """Put an ended span that is sampled, and that the exporter wants, into the queue."""
        self._append(span)
        if len(self._spans) >= self._worker.check_length or (
            self._exports_local_roots and is_local_root(span)
        ):
            self._check_queue(span)

    def export_local_roots_at_once(self) -> None:
        """Export each local root when it ends: the process may end at any time from now on."""
        self._exports_local_roots = self._exports_at_once = True

    def expect_normal_exit(self) -> None:
        """Wait for batches, in a forked process that flushes when it exits."""
        if self._expects_normal_exit:
            self._exports_local_roots = self._exports_at_once = False

    def _check_queue(self, span: ReadableSpan) -> None:
        queue, worker = self._queue, self._worker
        with self._changed:
            closed_at = queue.closed_at
            if closed_at is not None:
                dropped = queue.drop_from(closed_at)
            else:
                dropped = queue.drop_excess()
                if self._exports_local_roots and is_local_root(span):
                    worker.wake_for_local_root(at_once=self._exports_at_once)
                else:
                    worker.wake_if_full()
        if closed_at is None:
            worker.start()
        if dropped:
            self._health.log_drop(QUEUE_IS_FULL if closed_at is None else IS_SHUT_DOWN)

    def begin_flush(self) -> Wait:
        """Start to deliver the spans that have ended."""
        with self._changed:
            if self._queue.closed_at is not None:
                return self._wait_for_flush_at_shutdown
            if not self._queue.end:
                return lambda _: self._nothing_lost_since_flush()
            position = self._worker.request_flush()
        if not self._worker.start():
            self._worker.export_here()
        return lambda seconds: self._wait_for_flush(position, seconds)

    def _wait_for_flush(self, position: int, seconds: float) -> bool:
        if self._exclusive_exporter.is_called_from_here:
            return False
        with self._changed:
            is_flushed = self._worker.wait_for_flush(position, seconds)
            return self._nothing_lost_since_flush() and is_flushed

    def _wait_for_flush_at_shutdown(self, seconds: float) -> bool:
        if self._exclusive_exporter.is_called_from_here:
            return False
        with self._changed:
            self._changed.wait_for(lambda: self._worker.has_ended, seconds)
            return self._nothing_lost_since_flush() and self._worker.is_finished

    def begin_shutdown(self, *, keep_exporter: bool = False) -> Wait:
        """Close the queue, and start to deliver its spans and to shut the exporter down."""
        with self._changed:
            was_closed = self._queue.closed_at is not None
            self._worker.close(keep_exporter=keep_exporter)
        if not self._worker.start() and not was_closed:
            self._worker.finish_here()
        return self._wait_for_shutdown

    def _wait_for_shutdown(self, seconds: float) -> bool:
        if self._exclusive_exporter.is_called_from_here:
            return False
        dropped = 0
        with self._changed:
            self._shutdown_waiters += 1
            try:
                self._changed.wait_for(lambda: self._worker.has_ended, seconds)
            finally:
                self._shutdown_waiters -= 1
            if not self._worker.has_ended and self._shutdown_waiters:
                # Another thread waits with a later deadline.
                return False
            if self._shutdown_result is None:
                dropped = self._worker.abandon()
                self._shutdown_result = (
                    self._nothing_lost_since_flush() and self._worker.is_finished
                )
        if dropped:
            self._health.log_drop(NO_TIME_LEFT)
        return self._shutdown_result


def is_local_root(span: ReadableSpan) -> bool:
    """Whether the parent of a span is in another process or absent."""
    return span.parent is None or span.parent.is_remote
