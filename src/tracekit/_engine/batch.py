"""Delivery in batches, from a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._engine.deadlines import Wait
from tracekit._engine.delivery import BatchSettings, Delivery, is_local_root
from tracekit._ground.log import warn


class BatchDelivery(Delivery):
    """Collects ended spans and exports them in batches from a thread of its own.

    Args:
        exporter: Who delivers.
        name: What it is called in messages and statistics.
        settings: The sizes and the delay.
        bit: Which of the filters in force is the exporter's.
        prompt: Whether the end of a trace's local root is exported at once, in a process that may
            end without a word.
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
        super().__init__(exporter, name, bit)
        self._settings = settings
        self._prompt = prompt
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[ReadableSpan] = deque()
        self._worker: threading.Thread | None = None
        # How many spans have left the queue, by which a flush knows when its own are out of it.
        self._taken = self._exporting = 0
        self._flushes: list[_Flush] = []
        self._said: set[str] = set()
        self._awake = self._closed = self._finished = self._abandoned = False
        self._patient = 0
        self._answer: bool | None = None
        # Held while the exporter is called. A copy of a process in which a thread is within gRPC,
        # or holds a lock of an exporter's, is a process in which neither works.
        self._at_exporter = threading.RLock()
        self._caller: int | None = None
        self._calls = 0
        self._call_that_hangs: int | None = None
        self._is_inherited = False

    def hold_still(self, seconds: float) -> bool:
        """Keep the thread out of the exporter while the process is forked.

        A call that outlasted the patience of one fork is not waited for by the next.
        """
        call = self._calls
        patience = 0.0 if call == self._call_that_hangs else seconds
        if self._at_exporter.acquire(timeout=patience):
            return True
        self._call_that_hangs = call
        return False

    def go_on(self) -> None:
        """Let the thread at the exporter again."""
        self._at_exporter.release()

    def begin_anew(self) -> None:
        """Begin anew in a child process: the spans that wait are the parent's to deliver."""
        super().begin_anew()
        was_closed = self._closed
        self._begin()
        self._closed = self._finished = was_closed
        self._is_inherited = True

    def _renew_exporter(self) -> None:
        # As late as this, because most forks are followed by an exec, or never make a span.
        if not self._is_inherited:
            return
        self._is_inherited = False
        fresh: Callable[[], SpanExporter] | None = getattr(self.exporter, "fresh", None)
        if fresh is not None:
            # Closing what the parent uses would wait for threads that are not here.
            _kept_as_inherited.append(self.exporter)
            try:
                self.exporter = fresh()
            except Exception as error:
                warn("the exporter %s was not made anew: %r", self.name, error)

    @property
    def _waiting(self) -> int:
        return len(self._queue) + self._exporting

    def _take(self, span: ReadableSpan) -> None:
        with self._changed:
            dropped = self._put(span)
        if self._worker is None and not self._closed:
            self._start_worker()
        if dropped is not None:
            self._say_dropped(dropped)

    def _put(self, span: ReadableSpan) -> str | None:
        if self._closed:
            return self._count_dropped(1, "it was shut down")
        dropped = None
        if len(self._queue) >= self._settings.max_queue_size:
            self._queue.popleft()
            self._taken += 1
            dropped = self._count_dropped(1, "its queue is full")
        self._queue.append(span)
        if self._is_full or (self._prompt and is_local_root(span)):
            self._awake = True
            self._changed.notify_all()
        return dropped

    @property
    def _is_full(self) -> bool:
        return len(self._queue) >= self._settings.max_export_batch_size

    def _count_dropped(self, spans: int, why: str) -> str | None:
        self._dropped += spans
        if why in self._said:
            return None
        self._said.add(why)
        return why

    def _say_dropped(self, why: str) -> None:
        # With the lock released: a handler may end a span itself, or wait for a thread that does.
        warn("spans for the exporter %s are dropped and counted: %s", self.name, why)

    def _start_worker(self) -> bool:
        # Not with the lock held: whoever starts a thread waits for its first steps, and a finalizer
        # that runs in these may end a span.
        worker = threading.Thread(
            target=self._work, name=f"tracekit-export-{self.name}", daemon=True
        )
        with self._changed:
            if self._worker is not None or self._finished:
                return True
            self._worker = worker
        try:
            worker.start()
        except RuntimeError:
            self._worker = None
        return self._worker is not None

    def _work(self) -> None:
        try:
            while True:
                batch = self._next_batch()
                if batch:
                    self._export(batch)
                self._serve_flushes()
                if not batch and self._closed:
                    break
            self._close_exporter()
        finally:
            # Whatever ended it, the next span or flush starts another one.
            self._worker = None

    def _next_batch(self) -> list[ReadableSpan]:
        with self._changed:
            self._changed.wait_for(self._is_due, self._settings.schedule_delay)
            size = min(len(self._queue), self._settings.max_export_batch_size)
            batch = [self._queue.popleft() for _ in range(size)]
            self._taken += size
            self._awake = self._is_full or bool(self._prompt and self._awake and self._queue)
            self._exporting = size
            return batch

    def _is_due(self) -> bool:
        return self._awake or self._closed or bool(self._flushes)

    def _export(self, batch: Sequence[ReadableSpan]) -> None:
        try:
            self._renew_exporter()
            with self._calling():
                super()._export(batch)
        except BaseException:
            if self._exporting:
                self._settle(0, len(batch))
            # Nobody interrupts the worker: it is the exporter's own, such as a CancelledError, and
            # must not end the thread.
            if threading.current_thread() is not self._worker:
                raise

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._at_exporter:
            self._calls += 1
            self._caller = threading.get_ident()
            try:
                yield
            finally:
                self._caller = None

    def _settle(self, exported: int, failed: int) -> bool:
        with self._changed:
            if self._abandoned:
                return False
            self._exporting = 0
            self._changed.notify_all()
            return super()._settle(exported, failed)

    def _serve_flushes(self) -> None:
        with self._changed:
            due = [one for one in self._flushes if one.target <= self._taken]
        if not due:
            return
        self._call("flush", self.exporter.force_flush)
        with self._changed:
            self._flushes = [one for one in self._flushes if one not in due]
            for one in due:
                one.is_served = True
            self._changed.notify_all()

    def _call(self, what: str, function: Callable[[], object]) -> None:
        try:
            with self._calling():
                function()
        except BaseException as error:
            warn("the exporter %s failed to %s: %r", self.name, what, error)
            if not isinstance(error, Exception) and threading.current_thread() is not self._worker:
                raise

    def begin_flush(self) -> Wait:
        """Begin to deliver what ended before the call, and give what waits for it."""
        with self._changed:
            if self._closed:
                return self._wait_for_flush_at_end
            if not (self._taken or self._queue):
                return lambda _: self._nothing_lost_since_flush()
            flush = _Flush(self._taken + len(self._queue))
            # Those who gave up are served by this one.
            self._flushes = [*(one for one in self._flushes if not one.is_given_up), flush]
            self._changed.notify_all()
        if not self._start_worker():
            self._work_here()
        return lambda seconds: self._wait_for_flush(flush, seconds)

    @property
    def _is_called_from_exporter(self) -> bool:
        # It would wait for itself.
        return self._caller == threading.get_ident()

    def _wait_for_flush(self, flush: _Flush, seconds: float) -> bool:
        if self._is_called_from_exporter:
            return False
        with self._changed:
            self._changed.wait_for(lambda: flush.is_served or self._finished, seconds)
            flush.is_given_up = True
            return self._nothing_lost_since_flush() and flush.is_served

    def _wait_for_flush_at_end(self, seconds: float) -> bool:
        if self._is_called_from_exporter:
            return False
        with self._changed:
            self._changed.wait_for(self._has_ended, seconds)
            return self._nothing_lost_since_flush() and self._finished

    def _has_ended(self) -> bool:
        return self._finished or self._abandoned

    def begin_shutdown(self) -> Wait:
        """Take no more spans, begin to deliver what waits and to shut the exporter down."""
        with self._changed:
            already_closed, self._closed = self._closed, True
            self._changed.notify_all()
        if not (self._start_worker() or already_closed):
            self._work_here()
            self._close_exporter()
        return self._wait_for_end

    def _wait_for_end(self, seconds: float) -> bool:
        if self._is_called_from_exporter:
            return False
        dropped = None
        with self._changed:
            self._patient += 1
            try:
                self._changed.wait_for(self._has_ended, seconds)
            finally:
                self._patient -= 1
            if not self._has_ended() and self._patient:
                # Someone else has more time.
                return False
            if self._answer is None:
                dropped = self._abandon()
                self._answer = self._nothing_lost_since_flush() and self._finished
        if dropped is not None:
            self._say_dropped(dropped)
        return self._answer

    def _abandon(self) -> str | None:
        lost = len(self._queue) + (0 if self._finished else self._exporting)
        self._queue.clear()
        self._taken += lost
        self._exporting = 0
        if not self._finished:
            self._abandoned = True
            if not self.is_shared:
                # The exporter hangs: it is told to stop from a thread that nobody waits for.
                _call_in_background(self.exporter.shutdown, f"tracekit-shutdown-{self.name}")
        self._changed.notify_all()
        return self._count_dropped(lost, "time ran out at shutdown") if lost else None

    def _work_here(self) -> None:
        # While the interpreter shuts down no thread can be started: the one that flushes does it.
        while True:
            with self._changed:
                batch, self._exporting = list(self._queue), len(self._queue)
                self._queue.clear()
                self._taken += len(batch)
            if not batch:
                break
            self._export(batch)
        self._serve_flushes()

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


class _Flush:
    """A flush that someone asked for.

    Attributes:
        target: How many spans must have left the queue before it is served.
        is_served: Whether they were exported, and the exporter was flushed.
        is_given_up: Whether nobody waits for it any more.
    """

    __slots__ = ("is_given_up", "is_served", "target")

    def __init__(self, target: int) -> None:
        self.target = target
        self.is_served = self.is_given_up = False


def _call_in_background(function: Callable[[], Any], name: str) -> None:
    try:
        threading.Thread(target=function, name=name, daemon=True).start()
    except RuntimeError:
        return


_kept_as_inherited: Final[list[SpanExporter]] = []
