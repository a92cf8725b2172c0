"""Values of fields in a directive: how they are written, and what recorded values they accept.

| written | accepts |
| --- | --- |
| `true`, `false`, in any case | that boolean, and nothing else |
| `42`, `-1.5`, `2e3` | equal numbers: `42` accepts `42` and `42.0`, not `True`, not `"42"` |
| `"GET /"` | what has exactly this text: `"42"` accepts the string and the number |
| anything else | what has a text that the regular expression matches in full |

The text of a recorded value is its `str`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar, Final, TypeAlias

from tracekit._filters.quoting import quote

MAX_PATTERN: Final = 1_000
"""Characters of a regular expression."""

MAX_MATCHED: Final = 1_000
"""Characters of a recorded text that a regular expression looks at."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?")
_NO_PATTERN: Final = re.compile(r"[^\\.^$*+?{}\[\]|()]*")
_PLAIN: Final = re.compile(r"[^\s\\.^$*+?{}\[\]|(),\"]+")
_MOST_EXACT: Final = 2**53
_BOOLEANS: Final = {"true": True, "false": False}


class PatternError(ValueError):
    """A regular expression does not compile.

    Attributes:
        offset: Where in the expression the mistake is, in characters.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Boolean:
    """Accepts one of the booleans."""

    is_pattern: ClassVar[bool] = False
    value: bool

    def accepts(self, recorded: object) -> bool:
        """Whether a recorded value is this boolean."""
        return recorded is self.value

    def __str__(self) -> str:
        return str(self.value).lower()


@dataclass(frozen=True)
class Number:
    """Accepts numbers by their value, whatever their type."""

    is_pattern: ClassVar[bool] = False
    value: int | float

    def accepts(self, recorded: object) -> bool:
        """Whether a recorded value is a number that is equal to this one."""
        kind = type(recorded)
        if kind is int or kind is float:
            return recorded == self.value
        # A subclass, such as an enum of numbers; asked by its type, as a proxy may raise otherwise.
        return kind is not bool and issubclass(kind, (int, float)) and bool(recorded == self.value)

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class Text:
    """Accepts what has exactly this text."""

    is_pattern: ClassVar[bool] = False
    value: str

    def accepts(self, recorded: object) -> bool:
        """Whether the text of a recorded value is this one."""
        return (recorded if type(recorded) is str else _text_of(recorded)) == self.value

    def __str__(self) -> str:
        plain = _PLAIN.fullmatch(self.value) and isinstance(value_of_word(self.value), Text)
        return self.value if plain else quote(self.value)


@dataclass(frozen=True)
class Pattern:
    """Accepts what has a text that a regular expression matches in full.

    A dot also matches a line break. Of a longer text the first `MAX_MATCHED` characters are looked
    at.

    Raises:
        PatternError: The expression does not compile, or is longer than `MAX_PATTERN`.
    """

    is_pattern: ClassVar[bool] = True
    value: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", _compile(self.value))

    def accepts(self, recorded: object) -> bool:
        """Whether the expression matches the text of a recorded value, or its beginning."""
        text = recorded if type(recorded) is str else _text_of(recorded)
        return text is not None and self._compiled.fullmatch(text[:MAX_MATCHED]) is not None

    def __str__(self) -> str:
        return self.value


Value: TypeAlias = Boolean | Number | Text | Pattern


def value_of_word(word: str) -> Value:
    """Read a value that is written without quotes.

    Raises:
        PatternError: It is a regular expression that does not compile.
    """
    boolean = _BOOLEANS.get(word.lower())
    if boolean is not None:
        return Boolean(boolean)
    number = _number(word)
    if number is not None:
        return Number(number)
    # Comparing is several times faster than matching, and most values are plain words.
    return Text(word) if _NO_PATTERN.fullmatch(word) else Pattern(word)


def _number(word: str) -> int | float | None:
    match = _NUMBER.fullmatch(word)
    if match is None:
        return None
    if match[1] is None and match[2] is None:
        return int(word)
    number = float(word)
    if not isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _MOST_EXACT else number


def _compile(pattern: str) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"of at most {MAX_PATTERN:,} characters", MAX_PATTERN)
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise PatternError(f"({error.msg})", error.pos or 0) from None
    except (OverflowError, RecursionError, Warning) as error:
        # Warnings arrive here where the program turned them into errors.
        raise PatternError(f"({error})") from None


def _text_of(recorded: object) -> str | None:
    try:
        if isinstance(recorded, (list, tuple)):
            # What comes later stands behind the characters that are looked at.
            recorded = recorded[:MAX_MATCHED]
        return str(recorded)
    except Exception:
        # Attributes of other libraries' spans may be anything; a filter must not fail over them.
        return None
