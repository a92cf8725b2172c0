"""Delivery in batches, from a thread of its own."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._engine.deadlines import Wait
from tracekit._engine.delivery import BatchSettings, Delivery
from tracekit._ground.log import logger


class BatchDelivery(Delivery):
    """Collects ended spans and exports them in batches from a thread of its own.

    Args:
        exporter: Who delivers.
        name: What it is called in messages and statistics.
        settings: The sizes and the delay.
        bit: Which of the filters in force is the exporter's.
    """

    def __init__(
        self, exporter: SpanExporter, name: str, settings: BatchSettings, *, bit: int = 0
    ) -> None:
        super().__init__(exporter, name, bit)
        self._settings = settings
        self._begin()
        if hasattr(os, "register_at_fork"):
            _begin_anew_after_fork(self)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[ReadableSpan] = deque()
        self._worker: threading.Thread | None = None
        self._accepted = self._exporting = 0
        self._flush_requests = self._flush_served = self._flush_target = 0
        self._awake = self._closed = self._finished = self._abandoned = False

    def after_fork(self) -> None:
        """Begin anew in a child process: the spans that wait are the parent's to deliver."""
        was_closed = self._closed
        self._begin()
        self._begin_counting()
        self._closed = self._finished = was_closed
        fresh: Callable[[], SpanExporter] | None = getattr(self.exporter, "fresh", None)
        if fresh is not None and not was_closed:
            self.exporter = fresh()

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
            if self._is_full:
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
            self._awake = self._is_full
            self._exporting = size
            return batch

    def _is_due(self) -> bool:
        return self._awake or self._closed or self._flush_served < self._flush_requests

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


def _begin_anew_after_fork(delivery: BatchDelivery) -> None:
    reference = weakref.ref(delivery)

    def begin_anew() -> None:
        live = reference()
        if live is not None:
            live.after_fork()

    os.register_at_fork(after_in_child=begin_anew)
