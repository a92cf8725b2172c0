"""The base of the span processors that deliver ended spans to an exporter and count each.

The SDK's batch processor takes a failure of an exporter for a success, does not keep the deadline
of a flush, and calls the exporter from the thread that flushes. These processors keep every
deadline, whatever the exporter does: a thread that flushes or shuts down only waits for another
thread, and stops waiting at its deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._base import forks
from tracekit._delivery.deadlines import Wait
from tracekit._delivery.stats import ExporterHealth, ExporterStats, SpanCounts
from tracekit._sdk.views import is_wanted_by


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
        self._health = ExporterHealth(self.name)
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
        if is_sampled(span) and is_wanted_by(span, self.bit):
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

    def begin_flush(self) -> Wait:
        """Start to deliver the spans that have ended.

        Returns:
            A function that waits for the end of the flush.
        """
        raise NotImplementedError

    def begin_shutdown(self, *, keep_exporter: bool = False) -> Wait:
        """Start to deliver the spans that have ended, and to shut the exporter down.

        Args:
            keep_exporter: Whether another processor uses the exporter from now on, so that it is
                flushed and not shut down.

        Returns:
            A function that waits for the end of the shutdown.
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


def is_sampled(span: ReadableSpan) -> bool:
    """Whether a span is to be exported."""
    return bool(span.context and span.context.trace_flags.sampled)


def is_local_root(span: ReadableSpan) -> bool:
    """Whether the parent of a span is in another process or absent."""
    return span.parent is None or span.parent.is_remote
