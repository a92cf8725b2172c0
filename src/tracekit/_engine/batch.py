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
from tracekit._ground.log import logger


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
        self._accepted = self._exporting = 0
        self._flush_requests = self._flush_served = self._flush_target = 0
        self._awake = self._closed = self._finished = self._abandoned = False
        # Held while the exporter is called. A copy of a process in which a thread is within gRPC,
        # or holds a lock of an exporter's, is a process in which neither works.
        self._at_exporter = threading.RLock()
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
                logger.warning("the exporter %s was not made anew: %r", self.name, error)

    @property
    def _waiting(self) -> int:
        return len(self._queue) + self._exporting

    def _take(self, span: ReadableSpan) -> None:
        with self._changed:
            self._accepted += 1
            if self._closed:
                self._drop(1, "it was shut down")
                return
            if len(self._queue) >= self._settings.max_queue_size:
                self._queue.popleft()
                self._drop(1, "its queue is full")
            self._queue.append(span)
            if self._is_full or (self._prompt and is_local_root(span)):
                self._awake = True
                self._changed.notify_all()
            self._start_worker()

    @property
    def _is_full(self) -> bool:
        return len(self._queue) >= self._settings.max_export_batch_size

    def _drop(self, spans: int, why: str) -> None:
        if not self._dropped:
            logger.warning("spans for the exporter %s are dropped and counted: %s", self.name, why)
        self._dropped += spans

    def _start_worker(self) -> bool:
        if self._worker is not None:
            return True
        worker = threading.Thread(
            target=self._work, name=f"tracekit-export-{self.name}", daemon=True
        )
        try:
            worker.start()
        except RuntimeError:
            return False
        self._worker = worker
        return True

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            if batch:
                self._export(batch)
            elif self._closed:
                break
            self._flush_exporter()
        self._close_exporter()

    def _next_batch(self) -> list[ReadableSpan]:
        with self._changed:
            self._changed.wait_for(self._is_due, self._settings.schedule_delay)
            size = min(len(self._queue), self._settings.max_export_batch_size)
            batch = [self._queue.popleft() for _ in range(size)]
            self._awake = self._is_full or bool(self._prompt and self._awake and self._queue)
            self._exporting = size
            return batch

    def _is_due(self) -> bool:
        return self._awake or self._closed or self._flush_served < self._flush_requests

    def _export(self, batch: Sequence[ReadableSpan]) -> None:
        self._renew_exporter()
        with self._calling():
            super()._export(batch)

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._at_exporter:
            self._calls += 1
            yield

    def _settle(self, exported: int, failed: int) -> bool:
        with self._changed:
            if self._abandoned:
                return False
            self._exporting = 0
            self._changed.notify_all()
            return super()._settle(exported, failed)

    @property
    def _settled(self) -> int:
        return self._exported + self._failed + self._dropped

    def _flush_exporter(self) -> None:
        with self._changed:
            request = self._flush_requests
            if self._flush_served == request or self._settled < self._flush_target:
                return
        try:
            with self._calling():
                self.exporter.force_flush()
        except Exception as error:
            logger.warning("the exporter %s failed to flush: %r", self.name, error)
        with self._changed:
            self._flush_served = request
            self._changed.notify_all()

    def begin_flush(self) -> Wait:
        """Begin to deliver what ended before the call, and give what waits for it."""
        with self._changed:
            if self._closed or not self._accepted:
                return lambda _: self._nothing_lost_since_flush()
            self._flush_requests += 1
            self._flush_target = self._accepted
            request = self._flush_requests
            has_worker = self._start_worker()
            self._changed.notify_all()
        if not has_worker:
            self._work_here()

        def wait(seconds: float) -> bool:
            with self._changed:
                in_time = self._changed.wait_for(lambda: self._flush_served >= request, seconds)
                return self._nothing_lost_since_flush() and in_time

        return wait

    def begin_shutdown(self) -> Wait:
        """Take no more spans, begin to deliver what waits and to shut the exporter down."""
        with self._changed:
            already_closed, self._closed = self._closed, True
            has_worker = self._start_worker()
            self._changed.notify_all()
        if not (has_worker or already_closed):
            self._work_here()
            self._close_exporter()
        return self._wait_for_end

    def _wait_for_end(self, seconds: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._finished, seconds)
            finished, left = self._finished, len(self._queue)
            self._queue.clear()
            self._abandoned = not finished
            lost = left if finished else left + self._exporting
            if lost:
                self._drop(lost, "time ran out at shutdown")
            self._exporting = 0
        if not finished:
            # The exporter hangs: it is told to stop from a thread that nobody waits for.
            _call_in_background(self.exporter.shutdown, f"tracekit-shutdown-{self.name}")
        return self._nothing_lost_since_flush() and finished

    def _work_here(self) -> None:
        # While the interpreter shuts down no thread can be started: the one that flushes does it.
        while True:
            with self._changed:
                batch, self._exporting = list(self._queue), len(self._queue)
                self._queue.clear()
            if not batch:
                break
            self._export(batch)
        self._flush_exporter()

    def _close_exporter(self) -> None:
        try:
            # One that a fork left here unused is the parent's to shut down.
            if not self._is_inherited:
                with self._calling():
                    self.exporter.shutdown()
        except Exception as error:
            logger.warning("the exporter %s failed to shut down: %r", self.name, error)
        with self._changed:
            self._finished = True
            self._changed.notify_all()


def _call_in_background(function: Callable[[], Any], name: str) -> None:
    try:
        threading.Thread(target=function, name=name, daemon=True).start()
    except RuntimeError:
        return


_kept_as_inherited: Final[list[SpanExporter]] = []
