"""Counts of the spans that were started, exported, dropped and failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ExporterStats:
    """The counts of the spans that were ended for one exporter.

    Attributes:
        exported: Spans that the exporter delivered.
        dropped: Spans that never reached the exporter, because its queue was full or the shutdown
            ran out of time.
        failed: Spans that the exporter, or the receiver behind it, did not accept.
        waiting: Spans that are in the queue or are being exported. Spans that an unreachable
            receiver could not take are in the queue again.
    """

    exported: int = 0
    dropped: int = 0
    failed: int = 0
    waiting: int = 0


class SpanCounts:
    """The counts of the spans that have left the queue of an exporter. The caller holds a lock.

    Attributes:
        exported: Spans that the exporter delivered.
        dropped: Spans that never reached the exporter.
        failed: Spans that the exporter did not accept.
    """

    # The lock is reentrant, so a signal handler or a finalizer can run under it. It cannot run in
    # the middle of a `+=` on a slot: the interpreter runs them at calls and jumps only.
    __slots__ = ("dropped", "exported", "failed")

    def __init__(self) -> None:
        self.exported = self.dropped = self.failed = 0

    @property
    def lost(self) -> int:
        """Spans that will never be delivered."""
        return self.dropped + self.failed

    def stats(self, waiting: int) -> ExporterStats:
        """Return the counts as a value.

        Args:
            waiting: The number of spans that have not left the queue.
        """
        return ExporterStats(self.exported, self.dropped, self.failed, waiting)


@dataclass(frozen=True)
class Stats:
    """The counts of the spans of a set-up.

    A span that ends counts once for each exporter. With one exporter,
    `exported + dropped + failed + waiting` is the number of sampled spans that ended.

    Attributes:
        started: Spans that were started and recorded.
        exporters: The counts of each exporter by its name in the set-up. A second exporter with
            the same name has a number after it (`otlp-2`).
    """

    started: int = 0
    exporters: Mapping[str, ExporterStats] = field(default_factory=dict)

    @property
    def exported(self) -> int:
        """Spans that were delivered, summed over the exporters."""
        return sum(one.exported for one in self.exporters.values())

    @property
    def dropped(self) -> int:
        """Spans that never reached their exporter, summed over the exporters."""
        return sum(one.dropped for one in self.exporters.values())

    @property
    def failed(self) -> int:
        """Spans that their exporter or receiver did not accept, summed over the exporters."""
        return sum(one.failed for one in self.exporters.values())
