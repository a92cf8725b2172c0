"""What became of the spans: started, exported, dropped, failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ExporterStats:
    """What became of the spans that one exporter was to deliver.

    Attributes:
        exported: Spans that the exporter delivered.
        dropped: Spans that never reached the exporter: its queue was full, or time ran out at
            shutdown.
        failed: Spans that the exporter, or the receiver behind it, did not accept.
        waiting: Spans that are in the queue or being exported now. Those that a receiver which is
            away could not take are in the queue again.
    """

    exported: int = 0
    dropped: int = 0
    failed: int = 0
    waiting: int = 0


class Tally:
    """What became of the spans that have left, counted by whoever holds the lock over it.

    Attributes:
        exported: Spans that the exporter delivered.
        dropped: Spans that never reached the exporter.
        failed: Spans that the exporter did not accept.
    """

    # A signal handler or a finalizer that comes in under a lock that its own thread holds cannot
    # come between the parts of a `+=` on these: the interpreter turns to such at calls and jumps.
    __slots__ = ("dropped", "exported", "failed")

    def __init__(self) -> None:
        self.exported = self.dropped = self.failed = 0

    @property
    def lost(self) -> int:
        """Spans that will never be delivered."""
        return self.dropped + self.failed

    @property
    def gone(self) -> int:
        """Spans that have left, in whichever way."""
        return self.exported + self.dropped + self.failed

    def stats(self, waiting: int) -> ExporterStats:
        """The counts as a value, with the number of those that have not left."""
        return ExporterStats(self.exported, self.dropped, self.failed, waiting)


@dataclass(frozen=True)
class Stats:
    """What became of the spans of a set-up.

    Every span that is ended counts once for each exporter, so that with one exporter
    `exported + dropped + failed + waiting` is the number of sampled spans that were ended.

    Attributes:
        started: Spans that were started and recorded.
        exporters: The counts of each exporter, by the name it was given in the set-up; a second
            one of the same name has a number behind it (`otlp-2`).
    """

    started: int = 0
    exporters: Mapping[str, ExporterStats] = field(default_factory=dict)

    @property
    def exported(self) -> int:
        """Spans delivered, added up over the exporters."""
        return sum(one.exported for one in self.exporters.values())

    @property
    def dropped(self) -> int:
        """Spans that never reached their exporter, added up over the exporters."""
        return sum(one.dropped for one in self.exporters.values())

    @property
    def failed(self) -> int:
        """Spans not accepted by their exporter or receiver, added up over the exporters."""
        return sum(one.failed for one in self.exporters.values())
