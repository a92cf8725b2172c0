"""The values of fields in a directive: their syntax, and the recorded values that they accept.

| written | accepts |
| --- | --- |
| `true`, `false`, in any case | this boolean, and no other value |
| `42`, `-1.5`, `2e3` | equal numbers: `42` accepts `42` and `42.0`, not `True`, not `"42"` |
| `"GET /"` | a value with exactly this text: `"42"` accepts the string and the number |
| anything else | a value whose whole text matches the regular expression |

The text of a recorded value is its `str`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar, Final

from tracekit._filters.directives import FieldValue, quote

# In characters: of a regular expression, and of the recorded text that it is compared with.
_MAX_LENGTH: Final = 1_000

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?")
_LITERAL: Final = re.compile(r"[^\\.^$*+?{}\[\]|()]*")
_PLAIN: Final = re.compile(r"[^\s\\.^$*+?{}\[\]|(),\"]+")
_MAX_EXACT_FLOAT: Final = 2**53
_BOOLEANS: Final = {"true": True, "false": False}


class PatternError(ValueError):
    """A regular expression does not compile, because of the character at `offset`."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class BooleanValue:
    """Accept one boolean."""

    is_pattern: ClassVar[bool] = False
    value: bool

    def accepts(self, recorded: object) -> bool:
        """Whether a recorded value is this boolean."""
        return recorded is self.value

    def __str__(self) -> str:
        return str(self.value).lower()


@dataclass(frozen=True)
class NumberValue:
    """Accept equal numbers, int or float."""

    is_pattern: ClassVar[bool] = False
    value: int | float

    def accepts(self, recorded: object) -> bool:
        """Whether a recorded value is an equal number."""
        kind = type(recorded)
        if kind is int or kind is float:
            return recorded == self.value
        # A subclass, such as an IntEnum. `isinstance` would ask a proxy, which may raise.
        return kind is not bool and issubclass(kind, (int, float)) and bool(recorded == self.value)

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class TextValue:
    """Accept a value with exactly this text."""

    is_pattern: ClassVar[bool] = False
    value: str

    def accepts(self, recorded: object) -> bool:
        """Whether the text of a recorded value is equal."""
        return (recorded if type(recorded) is str else _text_of(recorded)) == self.value

    def __str__(self) -> str:
        plain = _PLAIN.fullmatch(self.value) and isinstance(parse_unquoted(self.value), TextValue)
        return self.value if plain else quote(self.value)


@dataclass(frozen=True)
class PatternValue:
    """Accept a value whose whole text matches a regular expression.

    A dot also matches a line break. Making one raises `PatternError`.
    """

    is_pattern: ClassVar[bool] = True
    value: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", _compile(self.value))

    def accepts(self, recorded: object) -> bool:
        """Whether the text of a recorded value matches, cut to `_MAX_LENGTH` characters."""
        text = recorded if type(recorded) is str else _text_of(recorded)
        return text is not None and self._compiled.fullmatch(text[:_MAX_LENGTH]) is not None

    def __str__(self) -> str:
        return self.value


def parse_unquoted(word: str) -> FieldValue:
    """Parse a value that is written without quotes.

    Raises:
        PatternError: It is a regular expression that does not compile.
    """
    boolean = _BOOLEANS.get(word.lower())
    if boolean is not None:
        return BooleanValue(boolean)
    number = _parse_number(word)
    if number is not None:
        return NumberValue(number)
    # Most values are plain words, and comparing is several times faster than matching.
    return TextValue(word) if _LITERAL.fullmatch(word) else PatternValue(word)


def _parse_number(word: str) -> int | float | None:
    match = _NUMBER.fullmatch(word)
    if match is None:
        return None
    if match[1] is None and match[2] is None:
        return int(word)
    number = float(word)
    if not isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _MAX_EXACT_FLOAT else number


def _compile(pattern: str) -> re.Pattern[str]:
    if len(pattern) > _MAX_LENGTH:
        raise PatternError(f"of at most {_MAX_LENGTH:,} characters", _MAX_LENGTH)
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise PatternError(f"({error.msg})", error.pos or 0) from None
    except (OverflowError, RecursionError, Warning) as error:
        # A program may turn warnings into errors.
        raise PatternError(f"({error})") from None


def _text_of(recorded: object) -> str | None:
    try:
        if isinstance(recorded, (list, tuple)):
            # Later items are beyond `_MAX_LENGTH` characters.
            recorded = recorded[:_MAX_LENGTH]
        return str(recorded)
    except Exception:
        # An attribute of another library's span may be any object; a filter must not raise.
        return None
