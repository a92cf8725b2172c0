"""Text for a terminal: escaping, widths in columns, and durations and values as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any, cast
from unicodedata import category, east_asian_width

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
