"""A parsed query: a tree of conditions about one span and the trace that it belongs to."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Comparison = Literal["=", "<", "<=", ">", ">="]
COMPARE: Final[dict[Comparison, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class TextTest:
    """What a text must be.

    Attributes:
        text: The text as it was written, without quotes.
        pieces: What stands between the `*` of a pattern, encoded and in lower case; None where the
            text must be equal.
    """

    text: str
    pieces: tuple[bytes, ...] | None

    @property
    def is_anything(self) -> bool:
        """Whether every text passes."""
        return self.pieces is not None and not any(self.pieces)

    def accepts(self, text: str) -> bool:
        """Return whether a whole text passes."""
        if self.pieces is None:
            return text == self.text
        folded = fold(text)
        first, *middle = self.pieces
        if not middle:
            return folded == first
        last = middle.pop()
        if not folded.startswith(first) or len(folded) < len(first) + len(last):
            return False
        place = _find_pieces(folded, middle, len(first))
        return place >= 0 and folded.endswith(last) and place <= len(folded) - len(last)

    def is_in(self, folded: bytes) -> bool:
        """Return whether a part of a text, encoded and in lower case, passes."""
        return _find_pieces(folded, self.pieces or (fold(self.text),), 0) >= 0

    def is_in_text(self, text: str) -> bool:
        """Return whether a part of a text passes."""
        return self.is_in(fold(text))


def _find_pieces(folded: bytes, pieces: tuple[bytes, ...] | list[bytes], place: int) -> int:
    """Return where the last of pieces that follow each other ends, or -1."""
    for piece in pieces:
        place = folded.find(piece, place)
        if place < 0:
            return -1
        place += len(piece)
    return place


def fold(text: str) -> bytes:
    """Return a text encoded, with A to Z in lower case.

    Other letters stay, so that an encoded span can be searched for it before it is decoded.
    """
    return text.encode("utf-8", "replace").lower()


@dataclass(frozen=True, slots=True)
class And:
    """All conditions hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the conditions holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    part: Node


@dataclass(frozen=True, slots=True)
class Text:
    """A text of the span holds a text, or one of its integers is that number.

    Attributes:
        test: What the name, the service, the status message, a string among the attributes, or the
            name or a string of an event must hold.
        number: The integer that an attribute may be instead.
    """

    test: TextTest
    number: int | None


@dataclass(frozen=True, slots=True)
class TextField:
    """A field with a text: `service`, `name`, `scope`, `event`, `span`, `trace` or `root`."""

    field: str
    test: TextTest


@dataclass(frozen=True, slots=True)
class NumberField:
    """A field with a number.

    Attributes:
        field: `duration` (nanoseconds), `level` (1 to 5), `trace.start` (nanoseconds since the
            epoch), `trace.duration`, `trace.spans` or `trace.errors`.
        comparison: How the field stands to the number.
        number: The number.
    """

    field: str
    comparison: Comparison
    number: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`status` or `kind` has the number of OTLP's enumeration."""

    field: str
    number: int


@dataclass(frozen=True, slots=True)
class Flag:
    """The span is `open`, or is a `root`."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the span or of its resource passes.

    Attributes:
        key: The attribute's key.
        of_resource: Whether the resource's attributes alone count.
        comparison: None where the text is a pattern.
        test: What the value must be as a text; None where a number is compared.
        number: What it is compared with as a number.
    """

    key: str
    of_resource: bool
    comparison: Comparison | None
    test: TextTest | None
    number: float | None


Node: TypeAlias = "And | Or | Not | Text | TextField | NumberField | Choice | Flag | Attribute"
# Matches every span.
EVERYTHING: Final = And(())
