"""Delivery in batches: what is done in the thread that exports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._base.log import log_warning
from tracekit._delivery.backoff import Backoff
from tracekit._delivery.batch_settings import BatchSettings
from tracekit._delivery.export_outcome import ExportOutcome, attempt_export, error_text
from tracekit._delivery.exporter_lock import ExporterLock, recreate_exporter
from tracekit._delivery.flushes import Flushes
from tracekit._delivery.processor import Delivery
from tracekit._delivery.span_queue import Batch, SpanQueue

QUEUE_IS_FULL: Final = "its queue is full (OTEL_BSP_MAX_QUEUE_SIZE)"


class BatchExport(Delivery):
    """The line of spans, and the thread that takes batches from its head.

    All that is not said to be otherwise is done under the lock `_changed`, and whoever waits for
    something waits on it.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        name: str,
        settings: BatchSettings,
        *,
        bit: int = 0,
        prompt: bool = False,
    ) -> None:
        self._settings = settings
        self._prompt = prompt
        self._is_inherited = False
        super().__init__(exporter, name, bit)

    def _begin_counting(self) -> None:
        super()._begin_counting()
        self._changed = threading.Condition(self._counting)
        self._line = SpanQueue(self._settings.max_queue_size, self.bit)
        self._tally = self._line.tally
        self._queue = self._line.waiting
        self._append = self._queue.append
        # With how many spans in the line the thread that ends one has more to do than to append it.
        self._attend_at = 0
        self._worker: threading.Thread | None = None
        self._backoff = Backoff()
        self._flushes = Flushes()
        self._exporter_lock = ExporterLock()
        self._said: set[str] = set()
        self._is_awake = self._is_prompted = False
        # Where in the line the first span stands that came too late.
        self._closed_at: int | None = None
        self._finished = self._abandoned = False
        self._patient = 0
        self._answer: bool | None = None

    def after_fork_in_child(self) -> None:
        """Begin anew in a child process: the spans that wait are the parent's to deliver."""
        was_closed = self._closed
        super().after_fork_in_child()
        self._is_inherited = True
        if was_closed:
            self._closed_at, self._finished = 0, True

    def before_fork(self, seconds: float) -> bool:
        """Keep the thread out of the exporter while the process is forked."""
        return self._exporter_lock.before_fork(seconds)

    def after_fork_in_parent(self) -> None:
        """Let the thread at the exporter again."""
        self._exporter_lock.after_fork_in_parent()

    @property
    def _waiting(self) -> int:
        return len(self._line)

    @property
    def _closed(self) -> bool:
        return self._closed_at is not None

    @property
    def _is_full(self) -> bool:
        return len(self._queue) >= self._settings.max_export_batch_size

    def _look_out(self) -> None:
        if self._closed or self._worker is None:
            self._attend_at = 0
        elif self._is_awake or self._backoff.is_repeated:
            self._attend_at = self._line.capacity + 1
        else:
            self._attend_at = self._settings.max_export_batch_size

    def _awaken(self) -> None:
        self._is_awake = True
        self._look_out()
        self._changed.notify_all()

    def _hurry(self) -> None:
        self._backoff.cut_short()
        self._changed.notify_all()

    def _worth_saying(self, why: str) -> str | None:
        if why in self._said:
            return None
        self._said.add(why)
        return why

    def _say_dropped(self, why: str | None) -> None:
        # With the lock released: a handler may end a span itself, or wait for a thread that does.
        if why is not None:
            log_warning("spans for the exporter %s are dropped and counted: %s", self.name, why)

    def _start_worker(self) -> bool:
        # Not with the lock held: whoever starts a thread waits for its first steps, and a finalizer
        # that runs in these may end a span.
        if self._worker is not None:
            return True
        worker = threading.Thread(
            target=self._work, name=f"tracekit-export-{self.name}", daemon=True
        )
        with self._changed:
            if self._worker is not None or self._finished:
                return True
            self._employ(worker)
        try:
            worker.start()
        except RuntimeError:
            self._employ(None)
        return self._worker is not None

    def _employ(self, worker: threading.Thread | None) -> None:
        with self._changed:
            self._worker = worker
            self._look_out()
            if self._is_full:
                self._awaken()

    def _work(self) -> None:
        try:
            while not self._is_done():
                self._export_next()
                self._serve_flushes()
            self._close_exporter()
        finally:
            # Whatever ended it, the next span or flush starts another one.
            self._employ(None)

    def _export_next(self) -> None:
        # A function of its own, which does not keep a batch while it waits for the next.
        batch = self._next_batch()
        if batch is not None:
            self._export(batch)

    def _is_done(self) -> bool:
        with self._changed:
            return self._closed and not (len(self._line) or len(self._flushes))

    def _next_batch(self) -> Batch | None:
        with self._changed:
            self._wait_until_due()
            batch = self._line.take(self._settings.max_export_batch_size)
            self._is_awake = False
            self._look_out()
            self._is_prompted = self._is_prompted and bool(self._queue)
            if self._is_full or self._is_prompted:
                self._awaken()
            return batch

    def _wait_until_due(self) -> None:
        if not self._backoff.is_repeated:
            self._changed.wait_for(self._is_due, self._settings.schedule_delay)
            return
        # Whoever is in a hurry makes it shorter meanwhile.
        while left := self._backoff.remaining:
            self._changed.wait(left)

    def _is_due(self) -> bool:
        return self._is_awake or self._closed or len(self._flushes) > 0

    def _export(self, batch: Batch) -> None:
        try:
            answer = self._attempt(batch)
        except Exception as error:
            answer = ExportOutcome(error=error_text(error))
        with self._changed:
            failed, dropped = self._account(batch, answer)
            why = self._worth_saying(QUEUE_IS_FULL) if dropped else None
            self._changed.notify_all()
        if failed is not None:
            self._health.note(answer, failed, self._tally)
        self._say_dropped(why)
        # Nobody interrupts the worker: it is the exporter's own, such as a CancelledError, and must
        # not end the thread.
        if answer.interruption is not None and threading.current_thread() is not self._worker:
            raise answer.interruption

    def _attempt(self, batch: Batch) -> ExportOutcome:
        self._renew_exporter()
        with self._exporter_lock.calling():
            return attempt_export(self.exporter, batch.for_exporter, self._settings.export_timeout)

    def _renew_exporter(self) -> None:
        # As late as this, because most forks are followed by an exec, or never make a span.
        if self._is_inherited:
            self._is_inherited = False
            self.exporter = recreate_exporter(self.exporter, self.name)

    def _account(self, batch: Batch, answer: ExportOutcome) -> tuple[int | None, int]:
        """Count what became of a batch: how many failed (None: nobody asks), and were dropped."""
        if not answer.is_retryable:
            self._end_pause()
            return self._line.settle(batch, answer.exported), 0
        if batch is not self._line.in_flight:
            return None, 0
        self._backoff.begin(answer.retry_after)
        self._look_out()
        return 0, self._line.requeue(batch)

    def _end_pause(self) -> None:
        if self._backoff.is_repeated:
            self._backoff.forget()
            # What came meanwhile goes out at once.
            self._awaken()

    def _serve_flushes(self) -> None:
        with self._changed:
            due = self._flushes.due(self._line)
        if not due:
            return
        self._call("flush", self.exporter.force_flush)
        with self._changed:
            self._flushes.serve(due)
            self._changed.notify_all()

    def _call(self, what: str, function: Callable[[], object]) -> None:
        try:
            with self._exporter_lock.calling():
                function()
        except BaseException as error:
            log_warning("the exporter %s failed to %s: %r", self.name, what, error)
            if not isinstance(error, Exception) and threading.current_thread() is not self._worker:
                raise

    def _work_here(self) -> None:
        # While the interpreter shuts down no thread can be started: the one that flushes does it,
        # and tries each batch once.
        self._backoff.forget()
        while not self._backoff.is_repeated:
            with self._changed:
                batch = self._line.take(self._settings.max_export_batch_size)
            if batch is None:
                break
            self._export(batch)
        self._serve_flushes()
        with self._changed:
            self._flushes.give_up()

    def _close_exporter(self) -> None:
        try:
            # One that a fork left here unused is the parent's to shut down.
            if self._is_inherited:
                return
            if self.is_shared:
                self._call("flush", self.exporter.force_flush)
            else:
                self._call("shut down", self.exporter.shutdown)
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify_all()
