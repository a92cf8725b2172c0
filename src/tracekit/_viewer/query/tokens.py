"""The pieces of a query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

TokenKind = Literal["word", "string", "operator", "(", ")"]
_KEY: Final = re.compile(r'(?:[^\s()":=<>!]|!(?!=))+')
_OPERATOR: Final = re.compile(r"!=|<=|>=|[:=<>]")
_SPACED_OPERATOR: Final = re.compile(r"\s*(!=|<=|>=|[=<>])\s*")
STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BARE: Final = re.compile(r'[^\s()"]+')


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query.

    Attributes:
        kind: What it is; a word or string behind an operator is a value.
        text: The text as it is written.
        start: Where it begins.
        is_key: Whether an operator follows.
        is_value: Whether an operator stands before it.
    """

    kind: TokenKind
    text: str
    start: int
    is_key: bool = False
    is_value: bool = False

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)


def scan(query: str) -> list[Token]:
    """Take a query apart.

    A string that lacks its end runs to the end of the query.
    """
    tokens: list[Token] = []
    place = 0
    while place < len(query):
        character = query[place]
        if character.isspace():
            place += 1
        elif character in "()":
            tokens.append(Token("(" if character == "(" else ")", character, place))
            place += 1
        else:
            place = _scan_condition(query, place, tokens)
    return tokens


def _scan_condition(query: str, place: int, tokens: list[Token]) -> int:
    """Append a text, or a key, an operator and a value; return where they end."""
    if query[place] == "-" and place + 1 < len(query) and not query[place + 1].isspace():
        tokens.append(Token("operator", "-", place))
        return place + 1
    kind: TokenKind
    if query[place] == '"':
        kind, text = "string", _string_at(query, place)
    else:
        match = _KEY.match(query, place)
        kind, text = "word", match.group() if match else ""
    end = place + len(text)
    match = _OPERATOR.match(query, end) or _SPACED_OPERATOR.match(query, end)
    if match is None:
        tokens.append(Token(kind, text, place))
        return end
    operator = match.group().strip()
    begin = query.index(operator, end)
    tokens.append(Token(kind, text, place, is_key=True))
    tokens.append(Token("operator", operator, begin))
    end = match.end()
    if query[end : end + 1] == '"':
        tokens.append(Token("string", _string_at(query, end), end, is_value=True))
        return tokens[-1].end
    value = _BARE.match(query, end)
    if value is not None:
        tokens.append(Token("word", value.group(), end, is_value=True))
        return value.end()
    # Blanks behind an operator without a value belong to nothing.
    return begin + len(operator)


def _string_at(query: str, place: int) -> str:
    match = STRING.match(query, place)
    return match.group() if match else query[place:]
