"""Text for a terminal: escaped, measured in columns, filled into lines; durations and values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any, cast
from unicodedata import category, east_asian_width

Piece = tuple[str, str]
"""A style, as the numbers of an SGR sequence or the empty string, and its text."""
Item = Sequence[Piece]
"""Pieces that stay on one line if they fit."""

PLAIN, BOLD, DIM, RED, CYAN, FAILED = "", "1", "2", "31", "36", "1;31"
"""The styles in use. Each is readable on a light and on a dark background."""

_BETWEEN: Piece = (PLAIN, "  ")

# Characters that move a cursor, break a line, change the reading direction or cannot be encoded.
# The joiners U+200C and U+200D are allowed, because several scripts and emoji need them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_NEEDS_QUOTES = re.compile(r"\s|\"|^$|" + _UNSAFE.pattern)
_NEEDS_QUOTES_INSIDE = re.compile(r"[,:\[\]{}]|" + _NEEDS_QUOTES.pattern)
_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_BYTE, _BASIC_PLANE = 0x100, 0x10000
_UNITS = ((1, "ns"), (1_000, "us"), (1_000_000, "ms"), (1_000_000_000, "s"))
# Below which value a number with so many decimals rounds to three digits.
_DECIMALS = ((9.995, 2), (99.95, 1), (inf, 0))
# Below which percentage a share rounds to 0%.
_LEAST_PERCENT = 0.5
_SECOND, _MINUTE, _HOUR, _DAY = 1_000_000_000, 60, 3_600, 86_400
_MAX_DEPTH = 4


def escape(text: str) -> str:
    r"""Return `text` with every control character escaped, as in `\n`, `\x1b`, `\u202e`.

    C0 and C1 controls, DEL, line and paragraph separators, bidirectional controls, invisible format
    characters and lone surrogates are escaped.
    """
    return _UNSAFE.sub(_escape_match, text)


def _escape_match(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code < _BYTE:
        return _SHORT_ESCAPES.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _BASIC_PLANE else f"\\U{code:08x}"


def count_cells(text: str) -> int:
    """Return the width of `text` in columns: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if east_asian_width(character) in "WF":
        return 2
    return 0 if category(character) in ("Mn", "Me", "Cf") else 1


def split_cells(text: str, room: int) -> tuple[str, str]:
    """Return the longest prefix of `text` that fits into `room` columns, and the rest."""
    if text.isascii():
        return text[:room], text[room:]
    taken = 0
    for index, character in enumerate(text):
        taken += _cells_of(character)
        if taken > room:
            return text[:index], text[index:]
    return text, ""


def format_duration(nanoseconds: int, micro: str = "µ") -> str:
    """Return a duration with three digits and its unit: `812 ns`, `12.4 ms`, `2m 05s`.

    Args:
        nanoseconds: The duration. It is negative if a clock was set back.
        micro: The letter for micro: `u` if the output cannot encode `µ`.
    """
    if nanoseconds < 0:
        return "-" + format_duration(-nanoseconds, micro)
    for size, unit in _UNITS:
        # 999.9 µs is shown as 1.00 ms, because it rounds to four digits.
        if nanoseconds < size * (999.5 if unit != "s" else 59.95):
            digits = _three_digits(nanoseconds / size) if size > 1 else f"{nanoseconds:.0f}"
            return f"{digits} {micro + 's' if unit == 'us' else unit}"
    return _format_clock(round(nanoseconds / _SECOND))


def _three_digits(value: float) -> str:
    decimals = next(decimals for limit, decimals in _DECIMALS if value < limit)
    return f"{value:.{decimals}f}"


def _format_clock(seconds: int) -> str:
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE:02}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR:02}h"


def format_share(part: int, whole: int) -> str:
    """Return `part` in percent of `whole`; `<1%` if it rounds to 0, `""` if `whole` is 0."""
    if whole <= 0:
        return ""
    percent = 100 * part / whole
    return "<1%" if 0 < percent < _LEAST_PERCENT else f"{percent:.0f}%"


def format_value(value: object, limit: int, ellipsis: str = "…") -> str:
    """Return an attribute's value as one escaped line; this never raises.

    Args:
        value: A string, number, boolean, bytes, a sequence or mapping of these, or any object.
        limit: About how many characters of a long value are kept.
        ellipsis: Replaces the rest.
    """
    return _ValueFormatter(limit, ellipsis).format(value, 0)


class _ValueFormatter:
    """Formats values within a limit."""

    def __init__(self, limit: int, ellipsis: str) -> None:
        self.limit = limit
        self.ellipsis = ellipsis

    def format(self, value: object, depth: int) -> str:
        if isinstance(value, str):
            return self._string(value, _NEEDS_QUOTES_INSIDE if depth else _NEEDS_QUOTES)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, bytes):
            return self._clip(repr(value[: self.limit + 1]))
        if isinstance(value, Mapping):
            return self._mapping(cast("Mapping[object, object]", value), depth)
        if isinstance(value, Sequence):
            return self._sequence(cast("Sequence[object]", value), depth)
        return self._other(value)

    def _clip(self, text: str) -> str:
        return text if len(text) <= self.limit else text[: self.limit] + self.ellipsis

    def _string(self, text: str, needs_quotes: re.Pattern[str]) -> str:
        text = self._clip(text)
        if not needs_quotes.search(text):
            return text
        quote = "'" if '"' in text and "'" not in text else '"'
        escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
        return quote + escape(escaped) + quote

    def _sequence(self, values: Sequence[object], depth: int) -> str:
        return f"[{self._join((self.format(each, depth + 1) for each in values), depth)}]"

    def _mapping(self, values: Mapping[object, object], depth: int) -> str:
        pairs = (
            f"{self.format(key, depth + 1)}: {self.format(each, depth + 1)}"
            for key, each in values.items()
        )
        return f"{{{self._join(pairs, depth)}}}"

    def _join(self, parts: Iterable[str], depth: int) -> str:
        if depth >= _MAX_DEPTH:
            return self.ellipsis
        shown: list[str] = []
        length = 0
        for part in parts:
            if length > self.limit:
                shown.append(self.ellipsis)
                break
            shown.append(part)
            length += len(part) + 2
        return ", ".join(shown)

    def _other(self, value: Any) -> str:
        try:
            return escape(self._clip(str(value)))
        except Exception:  # a `__str__` of the program must not prevent the line
            return f"<{type(value).__name__}>"


def count_item(item: Item) -> int:
    """Return how many columns an item takes."""
    return sum(count_cells(text) for _, text in item)


def paint(item: Item, *, colour: bool) -> str:
    """Return the text of an item, with SGR sequences around its styled pieces if `colour`."""
    if not colour:
        return "".join(text for _, text in item)
    return "".join(f"\x1b[{style}m{text}\x1b[0m" if style else text for style, text in item)


def fill_lines(
    items: Iterable[tuple[Item, int]], first: Item, rest: Item, *, width: int, ellipsis: str
) -> list[Item]:
    """Fill items into as few lines as possible, in order, with two spaces between them.

    Args:
        items: Each item with its maximum number of lines. A longer item is cut.
        first: The start of the first line.
        rest: The start of each further line.
        width: The width of a line in columns.
        ellipsis: The end of an item that is cut.

    Returns:
        The lines, each as an item.
    """
    lines = _Lines(first, rest, width, ellipsis)
    for item, max_lines in items:
        lines.append(item, max_lines)
    return lines.lines


class _Lines:
    """Lines that are filled from the start; the last line takes the next item."""

    def __init__(self, first: Item, rest: Item, width: int, ellipsis: str) -> None:
        self.lines: list[Item] = []
        self.rest = rest
        self.width = width
        self.ellipsis = ellipsis
        self._begin(first)

    def append(self, item: Item, max_lines: int) -> None:
        cells = count_item(item)
        if not self.empty:
            if cells + len(_BETWEEN[1]) <= self.room:
                self._extend([_BETWEEN, *item], cells + len(_BETWEEN[1]))
                return
            self._begin(self.rest)
        self._append_split(item, cells, max_lines)

    def _append_split(self, item: Item, cells: int, max_lines: int) -> None:
        for _ in range(max_lines - 1):
            if cells <= self.room:
                break
            head, item = _split_words(item, self.room)
            self._extend(head, self.room)
            self._begin(self.rest)
            cells = count_item(item)
        if cells > self.room:
            head, _ = _split(item, self.room - len(self.ellipsis))
            item = [*head, (head[-1][0] if head else PLAIN, self.ellipsis)]
        self._extend(item, count_item(item))

    def _begin(self, start: Item) -> None:
        self.last = list(start)
        self.lines.append(self.last)
        self.room = self.width - count_item(start)
        self.empty = True

    def _extend(self, item: Item, cells: int) -> None:
        self.last += item
        self.room -= cells
        self.empty = False


def _split_words(item: Item, room: int) -> tuple[Item, Item]:
    """Split before a word, unless that leaves half of the last piece empty."""
    head, tail = _split(item, room)
    style, text = head[-1]
    space = text.rfind(" ", len(text) // 2)
    if not tail or space < 0:
        return head, tail
    return [*head[:-1], (style, text[:space])], [(style, text[space + 1 :]), *tail]


def _split(item: Item, room: int) -> tuple[Item, Item]:
    head: list[Piece] = []
    for index, (style, text) in enumerate(item):
        fits, over = split_cells(text, max(room, 0))
        head.append((style, fits))
        if over:
            return head, [(style, over), *item[index + 1 :]]
        room -= count_cells(fits)
    return head, []
