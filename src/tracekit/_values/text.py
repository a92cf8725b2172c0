"""Text that stops early: what containers and objects are written into.

A `Text` has room for `MAX_TEXT` characters and `MAX_DEPTH` levels. Who writes into it looks at
`full` between two items, so that the work ends where the room ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from tracekit._values.bounds import MAX_DEPTH, MAX_INT_BITS, MAX_NESTED_STRING, MAX_TEXT, MAX_WIDTH

T = TypeVar("T")
Writer = Callable[["Text", Any], None]
"""Writes one value into a text."""

_ATTEMPTS = 3


class Text:
    """A text under construction, with the room and the depth that are left.

    Args:
        write: Writes any value; called for every value inside another one.
        room: How many characters the text may grow to, the ellipsis not counted.
    """

    __slots__ = ("_depth", "_parts", "_room", "_write")

    def __init__(self, write: Writer, room: int = MAX_TEXT) -> None:
        self._write = write
        self._room = room
        self._depth = 0
        self._parts: list[str] = []

    @property
    def full(self) -> bool:
        """Whether something did not fit any more."""
        return self._room < 0

    def add(self, piece: str) -> None:
        """Append a piece, or as much of it as there is room for and an ellipsis."""
        if len(piece) <= self._room:
            self._parts.append(piece)
            self._room -= len(piece)
        elif self._room >= 0:
            self._parts.append(piece[: self._room] + "…")
            self._room = -1

    def value(self, value: object) -> None:
        """Append any value, by the rule of its type."""
        self._write(self, value)

    def nest(self, write: Writer, value: object) -> None:
        """Append a value one level down, or an ellipsis at the deepest level."""
        if self._depth == MAX_DEPTH:
            self.add("…")
            return
        self._depth += 1
        try:
            write(self, value)
        finally:
            self._depth -= 1

    def items(
        self, items: Sequence[T], total: int, write: Callable[[Text, T], None] | None = None
    ) -> None:
        """Append items with commas between them, and how many more there are.

        Args:
            items: Those to be written.
            total: How many there are in all.
            write: Writes one of them; by default as any value is written.
        """
        write_one = write or self._write
        for index, item in enumerate(items):
            if self.full:
                return
            self.add(", " if index else "")
            write_one(self, item)
        if total > len(items):
            self.add(f"{', ' if items else ''}… +{total - len(items):,} more")

    def mark(self) -> tuple[int, int]:
        """Where the text stands now, for `undo`."""
        return len(self._parts), self._room

    def undo(self, mark: tuple[int, int]) -> None:
        """Take back all that was added since the mark."""
        length, self._room = mark
        del self._parts[length:]

    def __str__(self) -> str:
        return encodable("".join(self._parts))


def head(iterate: Callable[[], Iterable[T]], width: int = MAX_WIDTH) -> list[T]:
    """Take the first items of a collection that other threads may be changing.

    Args:
        iterate: Begins a new iteration.
        width: How many items at most.

    Returns:
        The items; none where the collection changed at every attempt.
    """
    for _ in range(_ATTEMPTS):
        try:
            # One call in C: for a builtin collection no other thread comes in between.
            return list(islice(iterate(), width))
        except (RuntimeError, KeyError) as error:
            if isinstance(error, RecursionError):
                raise
    return []


def cut(text: str, limit: int) -> str:
    """Keep the first characters of a text and say how many are missing."""
    missing = len(text) - limit
    return text if missing <= 0 else f"{text[:limit]}… +{missing:,} characters"


def quote(text: str) -> str:
    """Write a string as it stands inside a container: quoted, escaped and cut."""
    missing = len(text) - MAX_NESTED_STRING
    quoted = repr(text[:MAX_NESTED_STRING])
    return quoted if missing <= 0 else f"{quoted}… +{missing:,} characters"


def integer(number: int) -> str:
    """Write an integer in decimal digits, or as its size where that would take long."""
    bits = number.bit_length()
    return str(number) if bits <= MAX_INT_BITS else f"<int, {bits:,} bits>"


def encodable(text: str) -> str:
    """Make lone surrogates visible as backslash escapes: protobuf strings cannot carry them."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
