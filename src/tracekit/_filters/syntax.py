"""The text of a filter: read from left to right once, with errors that point at the place.

```
filter    := directive ("," directive)*
directive := level | target | [target] "[" [span] ["{" field ("," field)* "}"] "]" ["=" [level]]
           | target "=" [level]
field     := name ["=" value]
```

White space between the parts is free, and empty directives are skipped. A target, a span, the name
of a field and a value may stand in quotes, where a backslash escapes a quote or a backslash and
everything else stands for itself. Without quotes a value that is no number and no boolean is a
regular expression, which ends at a comma or a closing bracket outside of its own brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tracekit._base.errors import FilterSyntaxError
from tracekit._base.levels import Level
from tracekit._filters.directives import Directive, Field, is_plain_segment
from tracekit._filters.field_values import PatternError, Text, Value, value_of_word
from tracekit._filters.syntax_errors import syntax_error

_LEVEL_DIGITS: Final = {
    "0": Level.OFF,
    "1": Level.ERROR,
    "2": Level.WARN,
    "3": Level.INFO,
    "4": Level.DEBUG,
    "5": Level.TRACE,
}

_SPACE: Final = re.compile(r"\s*")
_TARGET: Final = re.compile(r"[^,=\[]*")
_LEVEL: Final = re.compile(r"[^,]*")
_SPAN: Final = re.compile(r"[^\[\]{}\"]*")
_FIELD: Final = re.compile(r"[^\s=,{}\[\]\"]*")
_QUOTED: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
# A part of a regular expression: an escape, a class with all that is in it, a run, one character.
_PART: Final = re.compile(
    r"\\.|\[\^?\]?[^\\\]\"]*(?:\\.[^\\\]\"]*)*\]|[^\\\[\](){},\"\s]+|\s+|.", re.DOTALL
)
_UNFINISHED: Final = {
    '"': '\\" for a quote, or quotes around all of it',
    "[": "a ']' that closes this one",
}
_CLOSED_BY: Final = {"(": ")", "{": "}"}
# What decides where a directive ends that does not parse.
_STRUCTURE: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\\.|[\[\],"]', re.DOTALL)

_LEVELS: Final = "a level (off, error, warn, info, debug, trace or 0 to 5)"
_A_TARGET: Final = "the name of a module, such as shop.db"
_IN_BRACKETS: Final = "the name of a span, or fields in braces"
_A_VALUE: Final = "a value: a number, true, false, a text in quotes or a regular expression"


def parse(text: str) -> list[Directive]:
    """Read a filter in which nothing may be wrong.

    Raises:
        FilterSyntaxError: A directive does not parse, or there is none.
    """
    reader = _Reader(text)
    directives = []
    while reader.begin():
        directives.append(reader.directive())
    if not directives:
        raise syntax_error(text, 0, "a directive such as 'info' or 'shop.db=debug'")
    return directives


def parse_leniently(text: str, report: Callable[[FilterSyntaxError], None]) -> list[Directive]:
    """Read a filter and skip what does not parse.

    Args:
        text: The directives.
        report: Told about each directive that is skipped.
    """
    reader = _Reader(text)
    directives = []
    while reader.begin():
        start = reader.place
        try:
            directives.append(reader.directive())
        except FilterSyntaxError as error:
            report(error)
            reader.skip_directive(start)
    return directives


class _Reader:
    """A place in the text of a filter, and what can be read from there.

    Attributes:
        place: How many characters were read.
    """

    def __init__(self, text: str) -> None:
        self.place = 0
        self._text = text
        self._end = len(text)
        self._trusts_brackets = True

    def begin(self) -> bool:
        """Go to where the next directive begins; False where there is none."""
        while self.place < len(self._text):
            if not self._trusts_brackets:
                self._end = self._next_comma(self.place)
            self._skip_space()
            if self.place < self._end and self._next != ",":
                return True
            self.place += 1
        return False

    def skip_directive(self, start: int) -> None:
        """Go to the end of a directive that does not parse.

        A bracket or a quote that is never closed makes all others worthless: from there on every
        comma ends a directive.
        """
        end = self._end_by_structure(start) if self._trusts_brackets else self._end
        if end is None:
            self._trusts_brackets = False
            end = self._next_comma(start)
        self.place = end

    def directive(self) -> Directive:
        """Read a directive and stop at the comma behind it."""
        start = self.place
        word = None if self._next == '"' else self._take(_TARGET).rstrip()
        segments = self._quoted_target() if word is None else ()
        self._skip_space()
        if word and self._at_end:
            level = _level(word)
            if level is not None:
                return Directive((), level)
            if word.isdigit():
                raise self._wrong(_LEVELS, start)
        if word or (word == "" and self._next != "["):
            segments = self._segments(word, start)
        span, fields = self._bracket() if self._next == "[" else (None, ())
        if span is None and not fields and not segments:
            raise self._wrong(_IN_BRACKETS, start + 1)
        return Directive(segments, self._level_behind(), span, fields)

    @property
    def _next(self) -> str:
        return self._text[self.place] if self.place < self._end else ""

    @property
    def _at_end(self) -> bool:
        return self._next in ("", ",")

    def _wrong(self, expected: str, place: int | None = None) -> FilterSyntaxError:
        return syntax_error(self._text, self.place if place is None else place, expected)

    def _take(self, pattern: re.Pattern[str]) -> str:
        # Every pattern that is taken also matches nothing.
        match = pattern.match(self._text, self.place, self._end)
        taken = match[0] if match else ""
        self.place += len(taken)
        return taken

    def _skip_space(self) -> None:
        self._take(_SPACE)

    def _expect(self, char: str, expected: str) -> None:
        self._skip_space()
        if self._next != char:
            raise self._wrong(expected)
        self.place += 1
        self._skip_space()

    def _next_comma(self, place: int) -> int:
        comma = self._text.find(",", place)
        return len(self._text) if comma < 0 else comma

    def _end_by_structure(self, start: int) -> int | None:
        depth = 0
        for token in _STRUCTURE.finditer(self._text, start):
            if token[0] == '"':
                return None
            if token[0] == "," and not depth:
                return token.start()
            depth = max(0, depth + {"[": 1, "]": -1}.get(token[0], 0))
        return None if depth else len(self._text)

    def _segments(self, word: str, start: int) -> tuple[str, ...]:
        place = start
        for segment in word.split("."):
            if not is_plain_segment(segment):
                bad = next((at for at, c in enumerate(segment) if not is_plain_segment(c)), 0)
                raise self._wrong(_A_TARGET, place + bad)
            place += len(segment) + 1
        return tuple(word.split("."))

    def _quoted_target(self) -> tuple[str, ...]:
        start = self.place
        target = self._quoted()
        if not target:
            raise self._wrong(_A_TARGET, start)
        return tuple(target.split("."))

    def _quoted(self) -> str:
        match = _QUOTED.match(self._text, self.place, self._end)
        if match is None:
            raise self._wrong("a quote that closes this one")
        for escape in _ESCAPE.finditer(match[1]):
            if escape[1] not in '"\\':
                place = match.start(1) + escape.start()
                raise self._wrong('\\" or \\\\: what stands in quotes is no pattern', place)
        self.place = match.end()
        return _ESCAPE.sub(r"\1", match[1])

    def _level_behind(self) -> Level:
        self._skip_space()
        if self._at_end:
            return Level.TRACE
        self._expect("=", "'=' and a level, or a comma")
        place = self.place
        word = self._take(_LEVEL).rstrip()
        level = _level(word) if word else Level.TRACE
        if level is None:
            raise self._wrong(_LEVELS, place)
        return level

    def _bracket(self) -> tuple[str | None, tuple[Field, ...]]:
        self._expect("[", "[")
        span = self._quoted() if self._next == '"' else self._take(_SPAN).rstrip() or None
        self._skip_space()
        fields = self._fields() if self._next == "{" else ()
        self._expect("]", "']'" if fields else "'{' or ']', or quotes around the name of the span")
        return span, fields

    def _fields(self) -> tuple[Field, ...]:
        self._expect("{", "{")
        fields = {self._field()}
        while self._next == ",":
            self._expect(",", ",")
            fields.add(self._field())
        self._expect("}", "',' or '}'")
        return tuple(sorted(fields, key=str))

    def _field(self) -> Field:
        name = self._quoted() if self._next == '"' else self._take(_FIELD)
        if not name:
            raise self._wrong("the name of a field")
        self._skip_space()
        if self._next != "=":
            return Field(name)
        self._expect("=", "=")
        value = self._value()
        self._skip_space()
        return Field(name, value)

    def _value(self) -> Value:
        if self._next == '"':
            return Text(self._quoted())
        start = self.place
        word = self._word()
        if not word:
            raise self._wrong(_A_VALUE, start)
        try:
            return value_of_word(word)
        except PatternError as error:
            expected = f"a regular expression {error}"
            raise self._wrong(expected, start + error.offset) from None

    def _word(self) -> str:
        start = end = self.place
        inside: list[str] = []
        for part in _PART.finditer(self._text, start, self._end):
            piece = part[0]
            if piece in _UNFINISHED:
                raise self._wrong(_UNFINISHED[piece], part.start())
            if _ends_value(piece, inside):
                break
            if inside and piece == inside[-1]:
                inside.pop()
            elif piece in _CLOSED_BY:
                inside.append(_CLOSED_BY[piece])
            # White space at the end does not count, unless it is escaped.
            end = end if piece.isspace() else part.end()
        self.place = end
        return self._text[start:end]


def _ends_value(piece: str, inside: list[str]) -> bool:
    if piece in ("}", "]"):
        return not inside or piece != inside[-1]
    return piece == "," and not inside


def _level(word: str) -> Level | None:
    if word in _LEVEL_DIGITS:
        return _LEVEL_DIGITS[word]
    try:
        return Level.of(word)
    except ValueError:
        return None
