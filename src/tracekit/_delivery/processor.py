"""Processors that hand ended spans to an exporter and know what became of each.

The SDK's batch processor takes an exporter's failure for a success, has no deadline for its flush
and calls the exporter from the thread that flushes. These keep their deadlines, whatever the
exporter does: who flushes or shuts down only waits for other threads, and for no longer than said.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._base import forks
from tracekit._delivery.counts import ExporterStats, Tally
from tracekit._delivery.deadlines import Wait
from tracekit._delivery.exporter_health import ExporterHealth
from tracekit._sdk.views import is_wanted_by


class Delivery(SpanProcessor):
    """A span processor that accounts for what it was given.

    Attributes:
        name: What the exporter is called in messages and statistics.
        exporter: Who delivers.
        bit: Which of the filters in force is this exporter's.
        is_shared: Whether someone else goes on with the exporter, so that a shutdown only flushes
            it.
    """

    is_shared = False

    def __init__(self, exporter: SpanExporter, name: str, bit: int = 0) -> None:
        self.exporter = exporter
        self.name = name
        self.bit = bit
        self._begin_counting()
        forks.register(self)

    def _begin_counting(self) -> None:
        self._tally = Tally()
        self._health = ExporterHealth(self.name)
        self._lost_before_flush = 0
        # Reentrant: a signal handler or a finalizer may end spans while its own thread is in here.
        self._counting = threading.RLock()

    def after_fork_in_child(self) -> None:
        """Begin anew in a child process, which counts its own spans only."""
        self._begin_counting()

    @property
    def stats(self) -> ExporterStats:
        """What became of the spans so far."""
        with self._counting:
            return self._tally.stats(self._waiting)

    @property
    def _waiting(self) -> int:
        raise NotImplementedError

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span if it is sampled and wanted; the calling thread never waits."""
        if is_sampled(span) and is_wanted_by(span, self.bit):
            self.take(span)

    @property
    def take_sampled(self) -> tuple[int, Callable[[ReadableSpan], None]]:
        """The mask of the spans that are for it, and what takes them without looking."""
        return 1 << self.bit, self.take

    def take(self, span: ReadableSpan) -> None:
        """Take an ended span that is known to be sampled and wanted; the thread never waits.

        The exporter sees it as `view_of` shows it.
        """
        raise NotImplementedError

    def begin_flush(self) -> Wait:
        """Begin to deliver what waits, and give what waits for it."""
        raise NotImplementedError

    def begin_shutdown(self) -> Wait:
        """Begin to shut down, and give what waits for it."""
        raise NotImplementedError

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """Deliver what ended before the call.

        Args:
            timeout_millis: How long to wait for it, in milliseconds.

        Returns:
            Whether it was delivered in time, and nothing was lost since the last flush. What was
            not delivered in time goes on waiting.
        """
        return self.begin_flush()(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000) -> bool:  # type: ignore[override]  # tells more than the SDK asks for
        """Deliver what waits, then shut the exporter down.

        Args:
            timeout_millis: How long to wait for both, in milliseconds. What waits even then is
                dropped and counted.

        Returns:
            Whether all was done in time, and nothing was lost since the last flush.
        """
        return self.begin_shutdown()(timeout_millis / 1000)

    def _nothing_lost_since_flush(self) -> bool:
        lost = self._tally.lost
        before, self._lost_before_flush = self._lost_before_flush, lost
        return lost == before


def is_sampled(span: ReadableSpan) -> bool:
    """Whether a span is to be exported."""
    return bool(span.context and span.context.trace_flags.sampled)


def is_local_root(span: ReadableSpan) -> bool:
    """Whether a span is the first of its trace in this process."""
    return span.parent is None or span.parent.is_remote
