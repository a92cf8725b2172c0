"""Queries in text: how they are written, and what is said where one does not parse.

    query      = [ either ]
    either     = all { "or" all }
    all        = condition { [ "and" ] condition }
    condition  = ( "not" | "-" ) condition | "(" either ")" | comparison | text
    comparison = key ( ":" | "=" | "!=" | "<" | "<=" | ">" | ">=" ) text

A text stands in quotes where it has blanks or parentheses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Final, NoReturn, cast

from tracekit._viewer.errors import ViewerError
from tracekit._viewer.query.nodes import (
    EVERYTHING,
    And,
    Attribute,
    Choice,
    Comparison,
    Flag,
    Node,
    Not,
    NumberField,
    Or,
    Text,
    TextField,
    TextTest,
    fold,
)
from tracekit._viewer.query.tokens import STRING, Token, scan
from tracekit._viewer.query.values import (
    KINDS,
    LARGEST,
    LEVELS,
    STATUSES,
    parse_duration,
    parse_number,
    parse_time,
)

TEXT_FIELDS: Final = ("service", "name", "scope", "event", "span", "trace", "root")
DURATION_FIELDS: Final = ("duration", "trace.duration")
COUNT_FIELDS: Final = ("trace.spans", "trace.errors")
TIME_FIELDS: Final[Mapping[str, Comparison]] = {"since": ">=", "until": "<"}
CHOICES: Final = {"status": STATUSES, "kind": KINDS}
FLAGS: Final = ("error", "open", "root")
OF_RESOURCE: Final = "resource."
_LONGEST: Final = 4000
_MOST_CONDITIONS: Final = 100
_DEEPEST: Final = 40


class QueryError(ViewerError):
    """A query does not parse.

    Attributes:
        reason: What is wrong and what would be right.
        start: Where in the query, from 0.
        end: Where that ends.
    """

    def __init__(self, reason: str, query: str, start: int, end: int) -> None:
        mark = "^" * max(end - start, 1)
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in query)
        super().__init__(f"{reason}\n  {shown}\n  {' ' * start}{mark}")
        self.reason, self.start, self.end = reason, start, end


def parse_query(query: str, now: int | None = None) -> Node:
    """Parse a query; an empty one matches every span.

    Args:
        query: The text.
        now: The time that `since:10m` counts from, in nanoseconds since the epoch.

    Raises:
        QueryError: It does not parse.
    """
    if len(query) > _LONGEST:
        raise QueryError(f"a query has at most {_LONGEST} characters", query[:60], 0, 60)
    parser = _Parser(query, time.time_ns() if now is None else now)
    return parser.parse()


class _Parser:
    def __init__(self, query: str, now: int) -> None:
        self._query = query
        self._now = now
        self._tokens = scan(query)
        self._place = 0
        self._depth = 0
        self._conditions = 0

    def parse(self) -> Node:
        if not self._tokens:
            return EVERYTHING
        node = self._either()
        token = self._peek()
        if token is not None:
            self._fail("this `)` has no `(` before it", token)
        return node

    def _peek(self) -> Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _is_word(self, token: Token | None, word: str) -> bool:
        return (
            token is not None
            and token.kind == "word"
            and not (token.is_key or token.is_value)
            and token.text.lower() == word
        )

    def _either(self) -> Node:
        parts = [self._all()]
        while self._is_word(self._peek(), "or"):
            self._place += 1
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Node:
        parts = [self._condition()]
        while True:
            token = self._peek()
            if token is None or token.kind == ")" or self._is_word(token, "or"):
                break
            if self._is_word(token, "and"):
                self._place += 1
            parts.append(self._condition())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _condition(self) -> Node:
        token = self._peek()
        if token is None:
            end = len(self._query)
            last = self._query.rstrip().rpartition(" ")[2]
            raise QueryError(f"a condition is missing after `{last}`", self._query, end, end)
        self._conditions += 1
        self._depth += 1
        if self._conditions > _MOST_CONDITIONS:
            self._fail(f"a query has at most {_MOST_CONDITIONS} conditions", token)
        if self._depth > _DEEPEST:
            self._fail(f"more than {_DEEPEST} conditions within each other", token)
        self._place += 1
        node = self._condition_from(token)
        self._depth -= 1
        return node

    def _condition_from(self, token: Token) -> Node:
        if self._is_word(token, "not") or (token.kind, token.text) == ("operator", "-"):
            return Not(self._condition())
        if token.kind == "(":
            return self._group(token)
        if token.kind == ")" or self._is_word(token, "and") or self._is_word(token, "or"):
            self._fail(f"a condition is expected before `{token.text}`", token)
        if token.is_key:
            return self._comparison(token)
        pieces = self._pieces(token)
        if token.kind == "word" and token.text.lower() in FLAGS[:1]:
            return Choice("status", STATUSES["error"])
        test = _pattern(pieces)
        number = int(test.text) if test.text.isascii() and test.text.isdigit() else None
        return Text(test, number if number is not None and number <= LARGEST else None)

    def _group(self, token: Token) -> Node:
        node = self._either()
        if self._peek() is None:
            self._fail("this `(` has no `)` after it", token)
        self._place += 1
        return node

    def _comparison(self, key: Token) -> Node:
        operator = self._tokens[self._place]
        self._place += 1
        value = self._peek()
        if value is None or not value.is_value:
            self._fail(f"a value is missing after `{key.text}{operator.text}`", operator)
        self._place += 1
        if not key.text:
            self._fail(f"the name of a field is missing before `{operator.text}`", operator)
        if operator.text == "!=":
            return Not(self._compare(key, "=", operator, value))
        return self._compare(key, operator.text, operator, value)

    def _compare(  # noqa: PLR0911 - one for each kind of field
        self, key: Token, how: str, operator: Token, value: Token
    ) -> Node:
        name = key.text.lower() if key.kind == "word" else ""
        text = "*".join(self._pieces(value))
        if name in TEXT_FIELDS:
            if how not in (":", "="):
                self._fail(f"`{name}` is a text; compare it with `:`, `=` or `!=`", operator)
            return TextField(name, self._text_test(how, value))
        if name in DURATION_FIELDS:
            number = parse_duration(text)
            if number is None:
                self._fail(f"`{name}` needs a number and a unit, such as 50ms or 1.5s", value)
            return NumberField(name, _comparison(how), number)
        if name in COUNT_FIELDS:
            if not (text.isascii() and text.isdigit()):
                self._fail(f"`{name}` needs a whole number", value)
            return NumberField(name, _comparison(how), min(int(text), LARGEST))
        if name == "level":
            if text.lower() not in LEVELS:
                self._fail(f"no level: write {_either_of(LEVELS)}", value)
            return NumberField(name, _comparison(how), LEVELS[text.lower()])
        if name in TIME_FIELDS:
            if how not in (":", "="):
                self._fail(f"write `{name}:10m` or `{name}:2026-11-28T12:00`", operator)
            moment = parse_time(text, self._now)
            if moment is None:
                self._fail("no time: write 10m, 12:03 or 2026-11-28T12:03:07", value)
            return NumberField("trace.start", TIME_FIELDS[name], moment)
        if name in {*CHOICES, "is"}:
            return self._choice(name, text.lower(), how, operator, value)
        return self._attribute(key, how, value, text)

    def _choice(self, name: str, text: str, how: str, operator: Token, value: Token) -> Node:
        if how not in (":", "="):
            self._fail(f"`{name}` is compared with `:`, `=` or `!=`", operator)
        choices = CHOICES.get(name, FLAGS)
        if text not in choices:
            self._fail(f"`{name}` is {_either_of(choices)}", value)
        if name == "is":
            return Choice("status", STATUSES["error"]) if text == "error" else Flag(text)
        return Choice(name, CHOICES[name][text])

    def _attribute(self, key: Token, how: str, value: Token, text: str) -> Attribute:
        name = "*".join(self._pieces(key))
        of_resource = key.kind == "word" and name.startswith(OF_RESOURCE)
        name = name.removeprefix(OF_RESOURCE) if of_resource else name
        if how == ":":
            return Attribute(name, of_resource, None, self._text_test(how, value), None)
        number = parse_number(text)
        if how == "=":
            return Attribute(name, of_resource, "=", self._text_test(how, value), number)
        number = parse_duration(text) if number is None else number
        if number is None:
            self._fail(f"`{how}` compares numbers, such as 500, 1.5 or 20ms", value)
        return Attribute(name, of_resource, _comparison(how), None, number)

    def _text_test(self, how: str, value: Token) -> TextTest:
        pieces = self._pieces(value)
        return _pattern(pieces) if how == ":" else TextTest("*".join(pieces), None)

    def _pieces(self, token: Token) -> list[str]:
        r"""Return a token's text, taken apart at each `*` that has no backslash before it."""
        text = token.text
        if token.kind == "string":
            if not STRING.fullmatch(text):
                self._fail('this quotation lacks its second `"`', token)
            pieces = re.findall(r"\\.|\*|[^\\*]+", text[1:-1], re.DOTALL)
        else:
            pieces = re.findall(r"\\\*|\*|[^\\*]+|\\", text)
        found = [""]
        for piece in pieces:
            if piece == "*":
                found.append("")
            else:
                found[-1] += piece[1:] if len(piece) > 1 and piece[0] == "\\" else piece
        return found

    def _fail(self, reason: str, token: Token) -> NoReturn:
        raise QueryError(reason, self._query, token.start, token.end)


def _pattern(pieces: list[str]) -> TextTest:
    return TextTest("*".join(pieces), tuple(fold(piece) for piece in pieces))


def _comparison(operator: str) -> Comparison:
    return "=" if operator == ":" else cast("Comparison", operator)


def _either_of(words: Mapping[str, int] | tuple[str, ...]) -> str:
    *most, last = (word for word in words if word != "warning")
    return f"{', '.join(most)} or {last}"


def quote_value(text: str) -> str:
    """Return a text as it stands in a query as a value that is to be equal."""
    if re.fullmatch(r'[^\s()"\\*]+', text):
        return text
    return '"' + re.sub(r'(["\\*])', r"\\\1", text) + '"'
