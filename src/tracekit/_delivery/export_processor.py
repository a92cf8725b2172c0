"""The span processors that deliver ended spans to an exporter and count each: their base class.

The SDK's batch processor takes a failure of an exporter for a success, does not keep the deadline
of a flush, and calls the exporter from the thread that flushes. These processors keep every
deadline, whatever the exporter does: a thread that flushes or shuts down only waits for another
thread, and stops waiting at its deadline.

`SimpleProcessor` is the simple one. `tracekit._delivery.batch_processor` has the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._base import forks
from tracekit._delivery.deadlines import Wait, begin_call, wait_for_all
from tracekit._delivery.exporter_calls import ExportBatch, ExportOutcome, attempt_export
from tracekit._delivery.stats import ExporterHealth, ExporterStats, SpanCounts
from tracekit._sdk.views import is_wanted_by, view_of

_INTERRUPTED: Final = ExportOutcome(error="the export was interrupted")


class ExportProcessor(SpanProcessor):
    """A span processor that delivers ended spans to an exporter and counts each.

    Attributes:
        name: The exporter's name in log messages and statistics.
        bit: The exporter's bit in the masks of filter decisions.
    """

    def __init__(self, exporter: SpanExporter, name: str, bit: int = 0) -> None:
        self._exporter = exporter
        self.name = name
        self.bit = bit
        self._reset()
        forks.register(self)

    def _reset(self) -> None:
        """Make the counts and locks of a new processor, or of one in a forked child."""
        self._counts = SpanCounts()
        is_silent = getattr(self._exporter, "is_silent", False) is True
        self._health = ExporterHealth(self.name, is_silent=is_silent)
        self._lost_before_flush = 0
        # Reentrant: a signal handler or a finalizer can end spans while its thread holds the lock.
        self._lock = threading.RLock()

    def after_fork_in_child(self) -> None:
        """Start again in a forked child, which counts its own spans only."""
        self._reset()

    @property
    def stats(self) -> ExporterStats:
        """The counts of the spans that have ended."""
        with self._lock:
            return self._counts.stats(self._count_waiting())

    def _count_waiting(self) -> int:
        raise NotImplementedError

    @property
    def exporter(self) -> SpanExporter:
        """The exporter."""
        return self._exporter

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span if it is sampled and the exporter wants it. The caller never waits."""
        context = span.context
        if context and context.trace_flags.sampled and is_wanted_by(span, self.bit):
            self.take(span)

    @property
    def take_sampled(self) -> tuple[int, Callable[[ReadableSpan], None]]:
        """The mask of the spans that the exporter wants, and the function that takes such a span.

        `Fanout` calls the function instead of `on_end`, which would check the span again.
        """
        return 1 << self.bit, self.take

    def take(self, span: ReadableSpan) -> None:
        """Take an ended span that is sampled and that the exporter wants. The caller never waits.

        The exporter gets the span as `view_of` shows it.
        """
        raise NotImplementedError

    def export_local_roots_at_once(self) -> None:
        """Export each local root when it ends: the process may end at any time from now on."""

    def expect_normal_exit(self) -> None:
        """Wait for batches, in a forked process that flushes when it exits."""

    def begin_flush(self) -> Wait:
        """Start to deliver the spans that have ended, and return the wait for the end of it."""
        raise NotImplementedError

    def begin_shutdown(self, *, keep_exporter: bool = False) -> Wait:
        """Start to deliver the spans that have ended, and to shut the exporter down.

        An exporter that is kept, because another processor uses it from now on, is flushed and not
        shut down. The result waits for the end of the shutdown.
        """
        raise NotImplementedError

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """Deliver the spans that have ended.

        Args:
            timeout_millis: How long to wait, in milliseconds.

        Returns:
            Whether they were delivered in time and no span was lost since the last flush. Spans
            that were not delivered in time still wait for delivery.
        """
        return self.begin_flush()(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000) -> bool:  # type: ignore[override]  # the SDK's returns None
        """Deliver the spans that have ended, then shut the exporter down.

        Args:
            timeout_millis: How long to wait for both, in milliseconds. Spans that have not been
                delivered by then are dropped and counted.

        Returns:
            Whether both were done in time and no span was lost since the last flush.
        """
        return self.begin_shutdown()(timeout_millis / 1000)

    def _nothing_lost_since_flush(self) -> bool:
        lost = self._counts.lost
        before, self._lost_before_flush = self._lost_before_flush, lost
        return lost == before


class _Export:
    """The export of one span.

    Attributes:
        thread: The thread that exports it.
        outcome: The outcome; None until there is one.
        is_counted: Whether the outcome is counted.
    """

    __slots__ = ("is_counted", "outcome", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.outcome: ExportOutcome | None = None
        self.is_counted = False


class SimpleProcessor(ExportProcessor):
    """Exports each span in the thread that ends it.

    It is for exporters in memory, where a test finds a span as soon as it has ended, and for
    consoles, where a tree is printed before the program's next output.
    """

    def _reset(self) -> None:
        super()._reset()
        # The exports in progress.
        self._exports: set[_Export] = set()
        self._export_ended = threading.Condition(self._lock)
        self._waiters = 0

    def _count_waiting(self) -> int:
        return len(self._exports)

    def take(self, span: ReadableSpan) -> None:
        """Export an ended span that is sampled and that the exporter wants."""
        export = _Export()
        try:
            self._exports.add(export)
            batch = ExportBatch((view_of(span, self.bit),))
            export.outcome = attempt_export(self.exporter, batch, float("inf"))
            self._settle(export)
        except BaseException:
            # An exception, such as the one of a signal handler, can strike between any two steps.
            self._settle(export)
            raise
        if export.outcome.interruption is not None:
            raise export.outcome.interruption

    def _settle(self, export: _Export) -> None:
        """Count an export once; a second call completes what an exception left undone."""
        outcome = export.outcome or _INTERRUPTED
        counts, exported = self._counts, outcome.exported
        with self._lock:
            if not export.is_counted:
                # One statement: an exception finds all of it done, or nothing.
                counts.exported, counts.failed, export.is_counted = (
                    counts.exported + exported, counts.failed + 1 - exported, True
                )  # fmt: skip
        self._exports.discard(export)
        # A waiter counts itself before it looks at the exports, so the lock is needed only then.
        if self._waiters:
            with self._export_ended:
                self._export_ended.notify_all()
        self._health.record(outcome, 1 - exported, counts)

    def begin_flush(self) -> Wait:
        """Start to flush the exporter."""
        return self._begin(self.exporter.force_flush, "flush")

    def begin_shutdown(self, *, keep_exporter: bool = False) -> Wait:
        """Start to shut the exporter down, or to flush it if it is kept."""
        if keep_exporter:
            return self.begin_flush()
        return self._begin(self.exporter.shutdown, "shut down")

    def _begin(self, function: Callable[[], object], action: str) -> Wait:
        exports = self._exports.copy()
        wait_for_call = begin_call(function, action)
        results: list[bool] = []

        def wait(seconds: float) -> bool:
            waits = (lambda left: self._wait_for_exports(exports, left), wait_for_call)
            if not results and wait_for_all(waits, seconds):
                results.append(self._nothing_lost_since_flush())
            return any(results)

        return wait

    def _wait_for_exports(self, exports: set[_Export], seconds: float) -> bool:
        with self._export_ended:
            here = threading.get_ident()
            if any(export.thread == here for export in exports & self._exports):
                # The exporter, or a signal handler inside it, would wait for itself.
                return False
            self._waiters += 1
            try:
                return self._export_ended.wait_for(
                    lambda: exports.isdisjoint(self._exports), seconds
                )
            finally:
                self._waiters -= 1
