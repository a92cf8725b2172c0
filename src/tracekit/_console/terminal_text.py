"""Text for a terminal: made harmless, measured in columns, and numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from unicodedata import category, east_asian_width

# Everything that moves a cursor, breaks a line, turns the reading direction or cannot be
# encoded. Joiners (U+200C, U+200D) stay: several scripts and emoji cannot be written without them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_NEEDS_QUOTES = re.compile(r"\s|\"|^$|" + _UNSAFE.pattern)
_NEEDS_QUOTES_INSIDE = re.compile(r"[,:\[\]{}]|" + _NEEDS_QUOTES.pattern)
_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_BYTE, _BASIC_PLANE = 0x100, 0x10000
_UNITS = ((1, "ns"), (1_000, "us"), (1_000_000, "ms"), (1_000_000_000, "s"))
_SECOND, _MINUTE, _HOUR, _DAY = 1_000_000_000, 60, 3_600, 86_400
_DEEPEST = 4


def escape(text: str) -> str:
    r"""Return `text` with every control character written out, as in `\n`, `\x1b`, `\u202e`.

    C0 and C1 controls, DEL, line and paragraph separators, bidirectional controls, invisible
    format characters and lone surrogates are replaced; everything else stays.
    """
    return _UNSAFE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code < _BYTE:
        return _SHORT_ESCAPES.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _BASIC_PLANE else f"\\U{code:08x}"


def count_cells(text: str) -> int:
    """Return how many columns `text` takes; wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if east_asian_width(character) in "WF":
        return 2
    return 0 if category(character) in ("Mn", "Me", "Cf") else 1


def split_cells(text: str, room: int) -> tuple[str, str]:
    """Return the longest beginning of `text` that fits into `room` columns, and the rest."""
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
        nanoseconds: The duration; a negative one (a clock was set back) keeps its sign.
        micro: The letter for micro, `u` where the output cannot carry `µ`.
    """
    if nanoseconds < 0:
        return "-" + format_duration(-nanoseconds, micro)
    for size, unit in _UNITS:
        # The largest value that still rounds to three digits decides, so that 999.9 µs is 1.00 ms.
        if nanoseconds < size * (999.5 if unit != "s" else 59.95):
            digits = _three_digits(nanoseconds / size, exact=size == 1)
            return f"{digits} {micro + 's' if unit == 'us' else unit}"
    return _format_clock(round(nanoseconds / _SECOND))


def _three_digits(value: float, *, exact: bool) -> str:
    if exact:
        return f"{value:.0f}"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"  # noqa: PLR2004 - where rounding adds a digit


def _format_clock(seconds: int) -> str:
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE:02}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR:02}h"


def format_share(part: int, whole: int) -> str:
    """Return `part` of `whole` in whole percent, `<1%` for a little, nothing of nothing."""
    if whole <= 0:
        return ""
    percent = 100 * part / whole
    return "<1%" if 0 < percent < 0.5 else f"{percent:.0f}%"  # noqa: PLR2004 - what would round to 0


def format_value(value: object, limit: int, ellipsis: str = "…") -> str:
    """Return an attribute's value on one harmless line; it never raises.

    Args:
        value: A string, number, boolean, bytes, a sequence or mapping of these, or anything.
        limit: About how many characters of a long value are looked at.
        ellipsis: What stands for the part that was left out.
    """
    return _Values(limit, ellipsis).show(value, 0)


class _Values:
    """One value being written: remembers where to stop."""

    def __init__(self, limit: int, ellipsis: str) -> None:
        self.limit = limit
        self.ellipsis = ellipsis

    def show(self, value: object, depth: int) -> str:
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
        return self._anything(value)

    def _clip(self, text: str) -> str:
        return text if len(text) <= self.limit else text[: self.limit] + self.ellipsis

    def _string(self, text: str, needs_quotes: re.Pattern[str]) -> str:
        text = self._clip(text)
        if not needs_quotes.search(text):
            return text
        quote = "'" if '"' in text and "'" not in text else '"'
        doubled = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
        return quote + escape(doubled) + quote

    def _sequence(self, values: Sequence[object], depth: int) -> str:
        return f"[{self._join((self.show(each, depth + 1) for each in values), depth)}]"

    def _mapping(self, values: Mapping[object, object], depth: int) -> str:
        pairs = (
            f"{self.show(key, depth + 1)}: {self.show(each, depth + 1)}"
            for key, each in values.items()
        )
        return f"{{{self._join(pairs, depth)}}}"

    def _join(self, parts: Iterable[str], depth: int) -> str:
        if depth >= _DEEPEST:
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

    def _anything(self, value: Any) -> str:
        try:
            return escape(self._clip(str(value)))
        except Exception:  # whatever a foreign __str__ does, the line must come out
            return f"<{type(value).__name__}>"
