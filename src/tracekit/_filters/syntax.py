"""The syntax of filters, parsed from left to right once.

```
filter    := directive ("," directive)*
directive := level | target | [target] "[" [span] ["{" field ("," field)* "}"] "]" ["=" [level]]
           | target "=" [level]
field     := name ["=" value]
```

White space between the parts and empty directives are skipped. A target, a span, a field's name and
a value may be quoted. A backslash in quotes escapes a quote or a backslash, and every other
character is literal. An unquoted value that is not a number or a boolean is a regular expression,
which ends at a comma or a closing bracket outside its own brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tracekit._base.errors import FilterSyntaxError
from tracekit._base.levels import Level
from tracekit._filters.directives import Directive, Field, FieldValue, is_plain_segment
from tracekit._filters.field_values import PatternError, TextValue, parse_unquoted

_LEVEL_DIGITS: Final = {
    "0": Level.OFF,
    "1": Level.ERROR,
    "2": Level.WARN,
    "3": Level.INFO,
    "4": Level.DEBUG,
    "5": Level.TRACE,
}

# How many characters an error shows, in all and before the position.
_SHOWN: Final = 100
_SHOWN_BEFORE: Final = 70

_SPACE: Final = re.compile(r"\s*")
_TARGET: Final = re.compile(r"[^,=\[]*")
_LEVEL: Final = re.compile(r"[^,]*")
_SPAN: Final = re.compile(r"[^\[\]{}\"]*")
_FIELD: Final = re.compile(r"[^\s=,{}\[\]\"]*")
_QUOTED: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
# A token of a regular expression: an escape, a whole character class, a run, or one character.
_REGEX_TOKEN: Final = re.compile(
    r"\\.|\[\^?\]?[^\\\]\"]*(?:\\.[^\\\]\"]*)*\]|[^\\\[\](){},\"\s]+|\s+|.", re.DOTALL
)
_UNFINISHED: Final = {
    '"': '\\" for a quote, or quotes around all of it',
    "[": "a ']' that closes this one",
}
_ENDS_OF_VALUE: Final = (",", "}", "]")
_CLOSING: Final = {"(": ")", "{": "}"}
# The tokens that decide where a directive that does not parse ends.
_STRUCTURE: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\\.|[\[\],"]', re.DOTALL)

_EXPECTED_LEVEL: Final = "a level (off, error, warn, info, debug, trace or 0 to 5)"
_EXPECTED_TARGET: Final = "the name of a module, such as shop.db"
_EXPECTED_IN_BRACKETS: Final = "the name of a span, or fields in braces"
_EXPECTED_VALUE: Final = "a value: a number, true, false, a text in quotes or a regular expression"


def parse(
    text: str, on_error: Callable[[FilterSyntaxError], None] | None = None
) -> list[Directive]:
    """Parse a filter.

    Args:
        text: The directives.
        on_error: Called for each directive that does not parse, which is then skipped. With None
            the error is raised, as is one for a text without directives.

    Raises:
        FilterSyntaxError: A directive does not parse, or the text has none.
    """
    parser = _Parser(text)
    directives = []
    while parser.next_directive():
        start = parser.position
        try:
            directives.append(parser.directive())
        except FilterSyntaxError as error:
            if on_error is None:
                raise
            on_error(error)
            parser.skip_directive(start)
    if not directives and on_error is None:
        raise _syntax_error(text, 0, "a directive such as 'info' or 'shop.db=debug'")
    return directives


class _Parser:
    """The text of a filter, and the position of the next character."""

    def __init__(self, text: str) -> None:
        self.position = 0
        self._text = text
        self._end = len(text)
        self._brackets_match = True

    def next_directive(self) -> bool:
        """Move to the next directive; return False at the end of the text."""
        while self.position < len(self._text):
            if not self._brackets_match:
                self._end = self._next_comma(self.position)
            self._skip_space()
            if self.position < self._end and self._next != ",":
                return True
            self.position += 1
        return False

    def skip_directive(self, start: int) -> None:
        """Move to the end of a directive that does not parse.

        After a bracket or quote that is never closed, every comma ends a directive.
        """
        end = self._end_by_structure(start) if self._brackets_match else self._end
        if end is None:
            self._brackets_match = False
            end = self._next_comma(start)
        self.position = end

    def directive(self) -> Directive:
        """Parse a directive and move to the comma after it."""
        start = self.position
        is_quoted = self._next == '"'
        word = self._quoted() if is_quoted else self._take(_TARGET).rstrip()
        self._skip_space()
        if word and self._at_end and not is_quoted:
            level = _parse_level(word)
            if level is not None:
                return Directive((), level)
            if word.isdigit():
                raise self._error(_EXPECTED_LEVEL, start)
        segments: tuple[str, ...] = ()
        if word or is_quoted or self._next != "[":
            segments = self._segments(word, start, is_quoted=is_quoted)
        span, fields = self._bracket() if self._next == "[" else (None, ())
        if span is None and not fields and not segments:
            raise self._error(_EXPECTED_IN_BRACKETS, start + 1)
        return Directive(segments, self._level_after(), span, fields)

    @property
    def _next(self) -> str:
        return self._text[self.position] if self.position < self._end else ""

    @property
    def _at_end(self) -> bool:
        return self._next in ("", ",")

    def _error(self, expected: str, position: int | None = None) -> FilterSyntaxError:
        return _syntax_error(self._text, self.position if position is None else position, expected)

    def _take(self, pattern: re.Pattern[str]) -> str:
        # Each pattern that is passed here also matches the empty string.
        match = pattern.match(self._text, self.position, self._end)
        taken = match[0] if match else ""
        self.position += len(taken)
        return taken

    def _skip_space(self) -> None:
        self._take(_SPACE)

    def _expect(self, char: str, expected: str) -> None:
        self._skip_space()
        if self._next != char:
            raise self._error(expected)
        self.position += 1
        self._skip_space()

    def _next_comma(self, position: int) -> int:
        comma = self._text.find(",", position)
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

    def _segments(self, word: str, start: int, *, is_quoted: bool) -> tuple[str, ...]:
        segments = word.split(".")
        for segment in [] if word and is_quoted else segments:
            if not is_plain_segment(segment):
                bad = next((at for at, c in enumerate(segment) if not is_plain_segment(c)), 0)
                raise self._error(_EXPECTED_TARGET, start + bad)
            start += len(segment) + 1
        return tuple(segments)

    def _quoted(self) -> str:
        match = _QUOTED.match(self._text, self.position, self._end)
        if match is None:
            raise self._error("a quote that closes this one")
        for escape in _ESCAPE.finditer(match[1]):
            if escape[1] not in '"\\':
                position = match.start(1) + escape.start()
                raise self._error('\\" or \\\\: quoted text is not a pattern', position)
        self.position = match.end()
        return _ESCAPE.sub(r"\1", match[1])

    def _level_after(self) -> Level:
        self._skip_space()
        if self._at_end:
            return Level.TRACE
        self._expect("=", "'=' and a level, or a comma")
        position = self.position
        word = self._take(_LEVEL).rstrip()
        level = _parse_level(word) if word else Level.TRACE
        if level is None:
            raise self._error(_EXPECTED_LEVEL, position)
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
            raise self._error("the name of a field")
        self._skip_space()
        if self._next != "=":
            return Field(name)
        self._expect("=", "=")
        value = self._value()
        self._skip_space()
        return Field(name, value)

    def _value(self) -> FieldValue:
        if self._next == '"':
            return TextValue(self._quoted())
        start = self.position
        word = self._unquoted()
        if not word:
            raise self._error(_EXPECTED_VALUE, start)
        try:
            return parse_unquoted(word)
        except PatternError as error:
            expected = f"a regular expression {error}"
            raise self._error(expected, start + error.offset) from None

    def _unquoted(self) -> str:
        start = end = self.position
        closing: list[str] = []
        for match in _REGEX_TOKEN.finditer(self._text, start, self._end):
            token = match[0]
            if token in _UNFINISHED:
                raise self._error(_UNFINISHED[token], match.start())
            if token in _ENDS_OF_VALUE and (not closing or token not in (",", closing[-1])):
                break
            if closing and token == closing[-1]:
                closing.pop()
            elif token in _CLOSING:
                closing.append(_CLOSING[token])
            # White space at the end is ignored unless it is escaped.
            end = end if token.isspace() else match.end()
        self.position = end
        return self._text[start:end]


def _parse_level(word: str) -> Level | None:
    if word in _LEVEL_DIGITS:
        return _LEVEL_DIGITS[word]
    try:
        return Level.of(word)
    except ValueError:
        return None


def _syntax_error(text: str, position: int, expected: str) -> FilterSyntaxError:
    """Return an error that shows the line of the position, cut to a width, with a caret below."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    end = len(text) if end < 0 else end
    first = max(start, position - _SHOWN_BEFORE)
    last = min(end, first + _SHOWN)
    before, after = "…" * (first > start), "…" * (last < end)
    line = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[first:last]
    )
    indent = " " * (position - first + len(before))
    return FilterSyntaxError(
        f"filter does not parse, expected {expected}\n  {before}{line}{after}\n  {indent}^"
    )
