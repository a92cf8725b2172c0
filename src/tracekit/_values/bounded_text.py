"""The limits on how much of a value is recorded, and text within them.

Lengths are in characters, widths in items, depths in levels of nesting. A limit is the amount that
is kept. The note that states how much is missing is added to it.

Values are written into a text piece by piece. A writer stops at the first item that does not fit,
so that a large value costs no more than a small one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

MAX_STRING: Final = 4_096
"""Characters of a string that is an attribute value by itself."""

MAX_TEXT: Final = 1_024
"""Characters of the text of a container or an object."""

MAX_NESTED_STRING: Final = 256
"""Characters of a string inside such a text."""

MAX_WIDTH: Final = 10
"""Items of one container, and fields of one object, inside such a text."""

MAX_DEPTH: Final = 4
"""Levels of containers and objects inside such a text; an ellipsis replaces deeper ones."""

MAX_ARRAY: Final = 16
"""Elements of a list or tuple that is recorded as an array."""

MAX_ARRAY_STRING: Final = 1_024
"""Characters of each string in such an array."""

MAX_NAME: Final = 256
"""Characters that are used of the name of a type, and of a key that may be sensitive."""

MAX_INT_BITS: Final = 2_048
"""Bits of an integer that is written in digits; only the size of a longer one is recorded.

Decimal digits of a long integer take quadratic time, and a program may limit them to 640 with
`sys.set_int_max_str_digits`. 2,048 bits are at most 617 digits.
"""

MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1
"""The range of integers that OTLP transports as numbers, both ends included."""

MAX_ATTRIBUTES_SEEN: Final = 64
"""Entries of an object's `__dict__` that are searched for public attributes."""

_ATTEMPTS: Final = 3

T = TypeVar("T")
C = TypeVar("C")
Writer = Callable[["BoundedText", Any], None]
"""A function that writes one value into a text."""


class BoundedText:
    """A text under construction, with its remaining room and its current depth.

    Args:
        write_value: Writes a value of any type; called for every value inside another one.
        room: The number of characters that fit, not counting the ellipsis.
    """

    __slots__ = ("_depth", "_parts", "_room", "_write_value")

    def __init__(self, write_value: Writer, room: int = MAX_TEXT) -> None:
        self._write_value = write_value
        self._room = room
        self._depth = 0
        self._parts: list[str] = []

    @property
    def full(self) -> bool:
        """Whether a piece did not fit."""
        return self._room < 0

    def add(self, piece: str) -> None:
        """Append a piece, or the part of it that fits and an ellipsis."""
        if len(piece) <= self._room:
            self._parts.append(piece)
            self._room -= len(piece)
        elif self._room >= 0:
            self._parts.append(piece[: self._room] + "…")
            self._room = -1

    def add_value(self, value: object) -> None:
        """Append a value of any type."""
        self._write_value(self, value)

    def add_nested(self, write: Writer, value: object) -> None:
        """Append a value one level down, or an ellipsis at the deepest level."""
        if self._depth == MAX_DEPTH:
            self.add("…")
            return
        self._depth += 1
        try:
            write(self, value)
        finally:
            self._depth -= 1

    def add_items(
        self,
        items: Sequence[T],
        total: int,
        write_item: Callable[[BoundedText, T], None] | None = None,
    ) -> None:
        """Append items with commas between them, and the number of those that are left out.

        An item is written as a value of any type, unless `write_item` is given. `total` is the
        number of items that the collection has.
        """
        write = write_item or self._write_value
        for index, item in enumerate(items):
            if self._room < 0:
                return
            if index:
                self.add(", ")
            write(self, item)
        if total > len(items):
            self.add(f"{', ' if items else ''}… +{total - len(items):,} more")

    def savepoint(self) -> tuple[int, int]:
        """Return the current end of the text, for `roll_back`."""
        return len(self._parts), self._room

    def roll_back(self, savepoint: tuple[int, int]) -> None:
        """Remove everything that was appended after the savepoint."""
        length, self._room = savepoint
        del self._parts[length:]

    def __str__(self) -> str:
        return encodable("".join(self._parts))


class SingleWriter:
    """The writer of values that contain no others: the text of each, cut at the limit."""

    __slots__ = ("_limit", "_text_of")

    def __init__(self, text_of: Callable[[Any], str], limit: int = MAX_STRING) -> None:
        self._text_of = text_of
        self._limit = limit

    def text(self, value: object) -> str:
        """Return the text of a value within the limit."""
        return cut(str.__str__(self._text_of(value)), self._limit)

    def __call__(self, out: BoundedText, value: object) -> None:
        out.add(self.text(value))


def nested_writer(write_inside: Writer) -> Writer:
    """Return the writer of values whose contents `write_inside` writes, one level down."""

    def write(out: BoundedText, value: object) -> None:
        out.add_nested(write_inside, value)

    return write


def head(iterate: Callable[[C], Iterable[T]], collection: C, width: int = MAX_WIDTH) -> list[T]:
    """Return the first items of a collection that other threads may be changing.

    There are none if the collection changed during every attempt.
    """
    for _ in range(_ATTEMPTS):
        try:
            # One call in C: no other thread runs between two items of a builtin collection.
            return list(islice(iterate(collection), width))
        except (RuntimeError, KeyError) as error:
            if isinstance(error, RecursionError):
                raise
    return []


def cut(text: str, limit: int) -> str:
    """Return the first characters of a text, with the number of those that are missing."""
    missing = len(text) - limit
    return text if missing <= 0 else f"{text[:limit]}… +{missing:,} characters"


def string_text(string: str) -> str:
    """Return a string as it is written inside another value: quoted, escaped and cut."""
    missing = len(string) - MAX_NESTED_STRING
    quoted = repr(string[:MAX_NESTED_STRING])
    return quoted if missing <= 0 else f"{quoted}… +{missing:,} characters"


def integer_text(number: int) -> str:
    """Return an integer in decimal digits, or its size if the digits would take long."""
    bits = number.bit_length()
    return str(number) if bits <= MAX_INT_BITS else f"<int, {bits:,} bits>"


def encodable(text: str) -> str:
    """Replace lone surrogates, which protobuf strings cannot hold, by backslash escapes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
