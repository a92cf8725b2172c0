"""Mistakes in the text of a filter, shown at their place."""

from __future__ import annotations

from typing import Final

from tracekit._base.errors import FilterSyntaxError

_WIDTH: Final = 100
_BEFORE: Final = 70


def syntax_error(text: str, place: int, expected: str) -> FilterSyntaxError:
    """An error that shows the text with a caret below a place.

    Args:
        text: The whole filter.
        place: Where it is wrong, in characters.
        expected: What would do there.
    """
    line, column = _shown(text, place)
    return FilterSyntaxError(
        f"filter does not parse, expected {expected}\n  {line}\n  {' ' * column}^"
    )


def _shown(text: str, place: int) -> tuple[str, int]:
    """The line of the text around a place, bounded and printable, and the column of the place."""
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    end = len(text) if end < 0 else end
    first = max(start, place - _BEFORE)
    last = min(end, first + _WIDTH)
    before, behind = "…" * (first > start), "…" * (last < end)
    line = text[first:last]
    line = line if line.isprintable() else "".join(map(_printable, line))
    return f"{before}{line}{behind}", place - first + len(before)


def _printable(char: str) -> str:
    return char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"
