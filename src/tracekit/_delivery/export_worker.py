"""The thread that takes batches of spans from a queue and exports them."""

from __future__ import annotations

import threading
import time

from tracekit._delivery.batch_schedule import Backoff, BatchSettings, LocalRoots
from tracekit._delivery.deadlines import begin_call
from tracekit._delivery.exporter_calls import ExclusiveExporter, ExportOutcome, error_text
from tracekit._delivery.span_queue import Batch, SpanQueue
from tracekit._delivery.stats import INTERPRETER_ENDS, QUEUE_IS_FULL, ExporterHealth


class ExportWorker:
    """The thread that exports the spans of a queue, and what the program's threads ask of it.

    The thread sleeps until a batch is due: after the schedule delay, when a batch is full, or for a
    flush. After a failure that may be temporary it sleeps until the backoff is over, and only a
    flush or a shutdown makes that shorter.

    The lock of `changed` protects the queue and this object. The caller holds it for the methods
    that say so. The others take it, and none holds it while it calls the exporter or logs.

    Attributes:
        changed: The condition that is notified when a batch or a flush is done.
        check_length: The number of waiting spans from which on a thread that ends a span has more
            to do than to append it: to start or to wake this thread, or to drop spans. It is the
            size of a batch while this thread sleeps. It is above the capacity of the queue while
            this thread knows of a full batch, or waits for a retry. It is 0 while there is no
            thread, and after a shutdown. Whichever thread changes it looks at the queue afterwards,
            and whichever thread appends a span looks at it afterwards, so one of the two sees what
            the other did.
        is_finished: Whether all spans have left the queue and the exporter is shut down.
    """

    def __init__(
        self,
        exporter: ExclusiveExporter,
        queue: SpanQueue,
        settings: BatchSettings,
        health: ExporterHealth,
        lock: threading.RLock,
    ) -> None:
        self.changed = threading.Condition(lock)
        self.check_length = 0
        self.is_finished = False
        self._exporter = exporter
        self._queue = queue
        self._settings = settings
        self._health = health
        self._thread: threading.Thread | None = None
        self._backoff = Backoff()
        self._is_woken = self._has_local_root = False
        self._local_roots = LocalRoots()
        self._keep_exporter = self._is_abandoned = False
        # The number of threads that wait for each requested flush, by its position in the queue.
        self._flushes: dict[int, int] = {}
        self._flushed_to = 0

    @property
    def has_ended(self) -> bool:
        """Whether no thread need wait for this one any longer."""
        return self.is_finished or self._is_abandoned

    def start(self) -> bool:
        """Start the thread if it does not run.

        Returns:
            Whether it runs, or has finished. False if the interpreter starts no threads any more.
        """
        if self._thread is not None:
            return True
        thread = threading.Thread(
            target=self._run, name=f"tracekit-export-{self._exporter.name}", daemon=True
        )
        with self.changed:
            if self._thread is not None or self.is_finished:
                return True
            self._set_thread(thread)
        try:
            # Without the lock: `start` waits for the first steps of the thread, and a finalizer
            # that runs in these can end a span.
            thread.start()
        except RuntimeError:
            self._set_thread(None)
        return self._thread is not None

    def _set_thread(self, thread: threading.Thread | None) -> None:
        with self.changed:
            self._thread = thread
            self._update_check_length()
            if self._has_full_batch():
                self._wake()

    def wake_if_full(self) -> None:
        """Wake the thread if a full batch waits; the lock is held."""
        if self._has_full_batch() and not (self._is_woken or self._backoff.is_active):
            self._wake()

    def wake_for_local_root(self, *, at_once: bool) -> None:
        """Export a local root at once, or when `LocalRoots` says so; the lock is held."""
        if at_once:
            self._has_local_root = True
            self._wake()
            return
        if self._local_roots.add():
            self.changed.notify_all()

    def _has_full_batch(self) -> bool:
        return len(self._queue.waiting) >= self._settings.max_export_batch_size

    def _wake(self) -> None:
        self._is_woken = True
        self._update_check_length()
        self.changed.notify_all()

    def _update_check_length(self) -> None:
        if self._queue.closed_at is not None or self._thread is None:
            self.check_length = 0
        elif self._is_woken or self._backoff.is_active:
            self.check_length = self._queue.capacity + 1
        else:
            self.check_length = self._settings.max_export_batch_size

    def request_flush(self) -> int:
        """Ask for the export of all spans in the queue and a flush after it; the lock is held.

        The result is the position to pass to `wait_for_flush`.
        """
        position = self._queue.end
        # This flush includes the earlier ones that no thread waits for any more.
        self._flushes = {at: waiting for at, waiting in self._flushes.items() if waiting > 0}
        self._flushes[position] = self._flushes.get(position, 0) + 1
        self._hurry()
        return position

    def wait_for_flush(self, position: int, seconds: float) -> bool:
        """Wait for a flush and return whether it was done in time."""
        with self.changed:
            self.changed.wait_for(
                lambda: position not in self._flushes or self.is_finished, seconds
            )
            if position in self._flushes:
                self._flushes[position] -= 1
                return False
            return self._flushed_to >= position

    def close(self, *, keep_exporter: bool) -> None:
        """Close the queue, and let the thread end when the queue is empty; the lock is held.

        An exporter that is kept is flushed at the end, and not shut down.
        """
        if self._queue.closed_at is None:
            self._keep_exporter = keep_exporter
            self._queue.closed_at = self._queue.end
            self._update_check_length()
        self._hurry()

    def abandon(self) -> int:
        """Drop all spans at the deadline of a shutdown, and return their number; under the lock."""
        dropped = self._queue.drop_all()
        if not self.is_finished:
            self._is_abandoned = True
            if self._exporter.is_called and not self._keep_exporter:
                # The exporter hangs. A shutdown from another thread may end its call.
                begin_call(self._exporter.exporter.shutdown, "shutdown", or_here=False)
        self._hurry()
        return dropped

    def _hurry(self) -> None:
        self._backoff.cut_short()
        self.changed.notify_all()

    def export_here(self) -> None:
        """Export each waiting batch once, in the current thread, where none can be started."""
        self._backoff.reset()
        while not self._backoff.is_active:
            with self.changed:
                batch = self._queue.take(self._settings.max_export_batch_size)
            if batch is None:
                break
            self._export(batch)
        self._flush_if_due()
        with self.changed:
            # No thread will do the other ones.
            self._flushes.clear()

    def finish_here(self) -> None:
        """Do the work of a shutdown in the current thread, where none can be started."""
        self.export_here()
        with self.changed:
            dropped = self._queue.drop_all()
        if dropped:
            self._health.log_drop(INTERPRETER_ENDS)
        self._close_exporter()

    def _run(self) -> None:
        try:
            while not self._is_done():
                self._export_next()
                self._flush_if_due()
            self._close_exporter()
        finally:
            # If an error ended the thread, the next span or flush starts another one.
            self._set_thread(None)

    def _is_done(self) -> bool:
        with self.changed:
            is_empty = not (len(self._queue) or self._flushes)
            return self._queue.closed_at is not None and is_empty

    def _export_next(self) -> None:
        # A function of its own, so that no local variable keeps a batch alive during the next wait.
        batch = self._next_batch()
        if batch is not None:
            self._export(batch)

    def _next_batch(self) -> Batch | None:
        with self.changed:
            self._wait_until_due()
            batch = self._queue.take(self._settings.max_export_batch_size)
            self._is_woken = False
            self._local_roots.begin_batch(is_last=not self._queue.waiting)
            self._update_check_length()
            # Local roots that are still in the queue are as urgent as before.
            self._has_local_root = self._has_local_root and bool(self._queue.waiting)
            if self._has_full_batch() or self._has_local_root:
                self._wake()
            return batch

    def _wait_until_due(self) -> None:
        if not self._backoff.is_active:
            end = time.monotonic() + self._settings.schedule_delay
            while not self._is_due():
                if (remaining := min(end, self._local_roots.due_at) - time.monotonic()) <= 0:
                    return
                self.changed.wait(remaining)
            return
        # A flush or a shutdown can make it shorter meanwhile.
        while remaining := self._backoff.remaining:
            self.changed.wait(remaining)

    def _is_due(self) -> bool:
        return self._is_woken or self._queue.closed_at is not None or bool(self._flushes)

    def _export(self, batch: Batch) -> None:
        try:
            outcome = self._exporter.export(batch.for_exporter, self._settings.export_timeout)
        except Exception as error:
            # The view of a span could not be made.
            outcome = ExportOutcome(error=error_text(error))
        with self.changed:
            failed, dropped = self._count(batch, outcome)
            self.changed.notify_all()
        if failed is not None:
            self._health.record(outcome, failed, self._queue.counts)
        if dropped:
            self._health.log_drop(QUEUE_IS_FULL)
        self._raise_in_other_threads(outcome.interruption)

    def _count(self, batch: Batch, outcome: ExportOutcome) -> tuple[int | None, int]:
        """Count or requeue the spans of a batch.

        Returns:
            The number of spans that failed, or None if the batch was dropped meanwhile; and the
            number of spans that were dropped to requeue the batch.
        """
        if not outcome.is_retryable:
            if self._backoff.is_active:
                self._backoff.reset()
                # The spans that came during the outage are exported at once.
                self._wake()
            return self._queue.settle(batch, outcome.exported), 0
        if batch is not self._queue.in_flight:
            return None, 0
        self._backoff.add_failure(outcome.retry_after)
        self._update_check_length()
        return 0, self._queue.requeue(batch)

    def _raise_in_other_threads(self, interruption: BaseException | None) -> None:
        # In the thread of this object it is the exporter's own, such as a CancelledError, and must
        # not end the thread.
        if interruption is not None and threading.current_thread() is not self._thread:
            raise interruption

    def _flush_if_due(self) -> None:
        with self.changed:
            due = [position for position in self._flushes if self._queue.is_past(position)]
        if not due:
            return
        self._raise_in_other_threads(self._exporter.flush())
        with self.changed:
            self._flushed_to = max(self._flushed_to, *due)
            for position in due:
                self._flushes.pop(position, None)
            self.changed.notify_all()

    def _close_exporter(self) -> None:
        try:
            close = self._exporter.flush if self._keep_exporter else self._exporter.shutdown
            self._raise_in_other_threads(close())
        finally:
            with self.changed:
                self.is_finished = True
                self.changed.notify_all()
