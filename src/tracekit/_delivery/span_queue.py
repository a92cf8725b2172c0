"""The queue in which ended spans wait for their exporter, with an exact count of each."""

from __future__ import annotations

from collections import deque
from functools import cached_property
from itertools import repeat, starmap

from opentelemetry.sdk.trace import ReadableSpan

from tracekit._delivery.exporter_calls import ExportBatch
from tracekit._delivery.stats import SpanCounts
from tracekit._sdk.views import view_of


class Batch:
    """Spans that were taken from the queue together, and the position of the first."""

    def __init__(self, position: int, spans: list[ReadableSpan], bit: int) -> None:
        self.position = position
        self.spans = spans
        self._bit = bit

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def end(self) -> int:
        """The position after its last span."""
        return self.position + len(self.spans)

    @cached_property
    def for_exporter(self) -> ExportBatch:
        """The batch as the exporter is to see it, which is one object for all attempts."""
        return ExportBatch([view_of(span, self._bit) for span in self.spans])


class SpanQueue:
    """Spans in the order in which they ended. A full queue drops the oldest ones.

    At any time each span is in exactly one place: it waits, or is in the batch in flight, or is
    counted as exported, failed or dropped.

    A thread that ends a span appends it to `waiting`, which is atomic and takes no lock. The caller
    holds one reentrant lock for all methods. Under that lock, a signal handler or a finalizer can
    append a span at any time, and can call the methods too.

    A position is a number of spans: `head` counts those that have left at the head of the queue,
    and `end` counts those that are still in it as well.

    Attributes:
        capacity: The largest number of spans that wait.
        waiting: The spans that wait.
        in_flight: The batch that is being exported.
        counts: The counts of the spans that have left the queue.
        closed_at: The position from which on spans came too late, or None while the queue is open.
    """

    def __init__(self, capacity: int, counts: SpanCounts, bit: int = 0) -> None:
        self.capacity = capacity
        self.waiting: deque[ReadableSpan] = deque()
        self.in_flight: Batch | None = None
        self.head = 0
        self.counts = counts
        self.closed_at: int | None = None
        self._bit = bit
        self._requeued: Batch | None = None

    def __len__(self) -> int:
        return len(self.waiting) + (len(self.in_flight) if self.in_flight is not None else 0)

    @property
    def end(self) -> int:
        """The position after the newest span."""
        return self.head + len(self)

    def is_past(self, position: int) -> bool:
        """Whether all spans before a position have left the queue."""
        # While a batch is in flight, younger spans than its own may have been dropped.
        return self.in_flight is None and self.head >= position

    def drop_excess(self) -> int:
        """Drop the oldest spans beyond the capacity, and return their number."""
        dropped = 0
        while len(self.waiting) > self.capacity:
            self.waiting.popleft()
            self.head += 1
            self.counts.dropped += 1
            dropped += 1
        return dropped

    def drop_from(self, position: int) -> int:
        """Drop the waiting spans from a position on, and return their number."""
        dropped = 0
        if self._requeued is not None and self._requeued.end > position:
            self._requeued = None
        while self.waiting and self.end > position:
            self.waiting.pop()
            self.counts.dropped += 1
            dropped += 1
        return dropped

    def drop_all(self) -> int:
        """Drop all spans, those in flight included, and return their number."""
        dropped, self.in_flight = len(self.in_flight or ()), None
        dropped += len(self._pop(len(self.waiting)))
        self.head += dropped
        self.counts.dropped += dropped
        return dropped

    def take(self, size: int) -> Batch | None:
        """Take the oldest spans, `size` at most, which are in flight from now on.

        A batch that was requeued is taken as the same object, unless some of it was dropped. The
        result is None if no span waits, or another batch is in flight.
        """
        if self.in_flight is not None:
            return None
        requeued, self._requeued = self._requeued, None
        if requeued is not None and requeued.position == self.head:
            self._pop(len(requeued))
            self.in_flight = requeued
        elif self.waiting:
            spans = self._pop(min(size, len(self.waiting)))
            self.in_flight = Batch(self.head, spans, self._bit)
        return self.in_flight

    def _pop(self, size: int) -> list[ReadableSpan]:
        # One step of the interpreter: no signal handler sees a span in neither place.
        return list(starmap(self.waiting.popleft, repeat((), size)))

    def settle(self, batch: Batch, exported: int) -> int | None:
        """Count the spans of a batch, of which so many were exported and the others failed.

        The result is the number that failed, or None if the batch was dropped meanwhile.
        """
        if batch is not self.in_flight:
            return None
        self.in_flight = None
        failed = len(batch) - exported
        self.head += len(batch)
        self.counts.exported += exported
        self.counts.failed += failed
        return failed

    def requeue(self, batch: Batch) -> int:
        """Put a batch back to the head of the queue.

        The result is the number of spans that this drops, because the queue has filled up
        meanwhile.
        """
        if batch is not self.in_flight:
            return 0
        # Spans that came after the batch may have been dropped before it.
        batch.position = self.head
        self.in_flight, self._requeued = None, batch
        self.waiting.extendleft(reversed(batch.spans))
        return self.drop_excess()
