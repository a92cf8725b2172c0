"""Export at once, in the thread that ends a span."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from tracekit._delivery import deadlines
from tracekit._delivery.deadlines import Wait
from tracekit._delivery.export_outcome import ExportBatch, ExportOutcome, attempt_export
from tracekit._delivery.export_processor import ExportProcessor
from tracekit._sdk.views import view_of

_INTERRUPTED: Final = ExportOutcome(error="the export was interrupted")


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
            batch = ExportBatch((view_of(span, self.bit) or span,))
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
        wait_for_call = deadlines.begin_call(function, action)
        results: list[bool] = []

        def wait(seconds: float) -> bool:
            waits = (lambda left: self._wait_for_exports(exports, left), wait_for_call)
            if not results and deadlines.wait_for_all(waits, seconds):
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
