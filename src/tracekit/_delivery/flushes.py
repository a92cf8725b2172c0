"""The flushes that someone has asked for, and how far each has come."""

from __future__ import annotations

from tracekit._delivery.span_queue import SpanQueue


class Flush:
    """A flush that someone asked for.

    Attributes:
        position: Where in the line the first span stands that it does not wait for.
        is_served: Whether all before it have left the line, and the exporter was flushed.
        is_given_up: Whether nobody waits for it any more, or nobody will serve it.
    """

    __slots__ = ("is_given_up", "is_served", "position")

    def __init__(self, position: int) -> None:
        self.position = position
        self.is_served = self.is_given_up = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.is_served or self.is_given_up


class Flushes:
    """Those that are not served yet; used under the lock over the line."""

    def __init__(self) -> None:
        self._waiting: list[Flush] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, position: int) -> Flush:
        """Add one, by which those are served that were given up."""
        flush = Flush(position)
        self._waiting = [*(one for one in self._waiting if not one.is_given_up), flush]
        return flush

    def due(self, line: SpanQueue) -> list[Flush]:
        """Those for which nothing has to be exported any more."""
        return [one for one in self._waiting if line.is_past(one.position)]

    def serve(self, served: list[Flush]) -> None:
        """Note that the exporter was flushed for these."""
        self._waiting = [one for one in self._waiting if one not in served]
        for one in served:
            one.is_served = True

    def give_up(self) -> None:
        """Note that nobody will serve any of them."""
        given_up, self._waiting = self._waiting, []
        for one in given_up:
            one.is_given_up = True
