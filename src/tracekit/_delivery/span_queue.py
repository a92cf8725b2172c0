"""The line in which ended spans wait for their exporter, with exact accounts of them."""

from __future__ import annotations

from collections import deque
from functools import cached_property
from itertools import repeat, starmap

from opentelemetry.sdk.trace import ReadableSpan

from tracekit._delivery.counts import Tally
from tracekit._delivery.export_outcome import ExportBatch
from tracekit._sdk.views import view_of


class Batch:
    """Spans that are exported together.

    Attributes:
        position: How many had left for good at the head of the line when it came to stand there.
        spans: The spans.
    """

    def __init__(self, position: int, spans: list[ReadableSpan], bit: int) -> None:
        self.position = position
        self.spans = spans
        self._bit = bit

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def end(self) -> int:
        """The position behind its last span."""
        return self.position + len(self.spans)

    @cached_property
    def for_exporter(self) -> ExportBatch:
        """The batch as the exporter is to see it: one object for all attempts."""
        return ExportBatch([view_of(span, self._bit) or span for span in self.spans])


class SpanQueue:
    """Spans in the order in which they ended; the oldest make room when there are too many.

    Each span that came is at one place: it waits, or is in the batch in hand, or is in the tally as
    exported, failed or dropped. Who ends a span appends it to `waiting`, which takes one step of
    the interpreter and no lock. All else is done under one reentrant lock of the caller's, within
    which a signal handler or a finalizer may append at any time, and come in once more.

    Attributes:
        capacity: The most spans that may wait.
        waiting: Those that wait.
        in_hand: The batch that is being exported.
        head: How many spans have left for good at the head of the line.
        tally: What became of all that have left.
    """

    def __init__(self, capacity: int, bit: int = 0) -> None:
        self.capacity = capacity
        self.waiting: deque[ReadableSpan] = deque()
        self.in_flight: Batch | None = None
        self.head = 0
        self.tally = Tally()
        self._bit = bit
        self._again: Batch | None = None

    def __len__(self) -> int:
        return len(self.waiting) + (len(self.in_flight) if self.in_flight is not None else 0)

    @property
    def end(self) -> int:
        """The position behind the last span."""
        return self.head + len(self)

    def is_past(self, position: int) -> bool:
        """Whether all spans before a position have left the line for good."""
        # With a batch in hand, younger ones may have been dropped before it.
        return self.in_flight is None and self.head >= position

    def make_room(self) -> int:
        """Drop the oldest of those that are too many, and give their number."""
        dropped = 0
        while len(self.waiting) > self.capacity:
            self.waiting.popleft()
            self.head += 1
            self.tally.dropped += 1
            dropped += 1
        return dropped

    def drop_behind(self, position: int) -> int:
        """Drop what came when this position had been the end, and give the number."""
        dropped = 0
        if self._again is not None and self._again.end > position:
            self._again = None
        while self.waiting and self.end > position:
            self.waiting.pop()
            self.tally.dropped += 1
            dropped += 1
        return dropped

    def drop_all(self) -> int:
        """Drop all that have not left, the batch in hand included, and give their number."""
        dropped, self.in_flight = len(self.in_flight or ()), None
        dropped += len(self._take(len(self.waiting)))
        self.head += dropped
        self.tally.dropped += dropped
        return dropped

    def take(self, size: int) -> Batch | None:
        """Take the oldest spans in hand.

        Args:
            size: The most that are taken. A batch that was put back is taken as it was, as long as
                none of it was dropped.

        Returns:
            The batch, or None if nothing waits.
        """
        again, self._again = self._again, None
        if again is not None and again.position == self.head:
            self._take(len(again))
            self.in_flight = again
        elif self.waiting:
            spans = self._take(min(size, len(self.waiting)))
            self.in_flight = Batch(self.head, spans, self._bit)
        return self.in_flight

    def _take(self, size: int) -> list[ReadableSpan]:
        # In one step of the interpreter: nobody finds a span to be nowhere.
        return list(starmap(self.waiting.popleft, repeat((), size)))

    def settle(self, batch: Batch, delivered: int) -> int | None:
        """Count what became of a batch.

        Args:
            batch: The batch.
            delivered: How many of its spans were delivered; the others failed.

        Returns:
            How many failed, or None if the batch was dropped meanwhile.
        """
        if batch is not self.in_flight:
            return None
        self.in_flight = None
        failed = len(batch) - delivered
        self.head += len(batch)
        self.tally.exported += delivered
        self.tally.failed += failed
        return failed

    def requeue(self, batch: Batch) -> int:
        """Put a batch back to the head of the line.

        Returns:
            How many spans were dropped, because too many came meanwhile.
        """
        if batch is not self.in_flight:
            return 0
        # Some that came after it may have been dropped before it.
        batch.position = self.head
        self.in_flight, self._again = None, batch
        self.waiting.extendleft(reversed(batch.spans))
        return self.make_room()
