"""Filter directives: which spans and events are wanted, by target and level."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from tracekit._ground.errors import FilterSyntaxError
from tracekit._ground.levels import Level
from tracekit._ground.log import logger

ENVIRONMENT_VARIABLE: Final = "TRACEKIT_FILTER"
DEFAULT_DIRECTIVES: Final = "info"

_LEVEL_DIGITS: Final = {
    "0": Level.OFF,
    "1": Level.ERROR,
    "2": Level.WARN,
    "3": Level.INFO,
    "4": Level.DEBUG,
    "5": Level.TRACE,
}
_ANY_SEGMENT: Final = "*"


@dataclass(frozen=True)
class Directive:
    """One part of a filter: a target, given by its segments, and the level it is wanted at.

    No segments stand for every target.
    """

    segments: tuple[str, ...]
    level: Level

    def matches(self, segments: tuple[str, ...]) -> bool:
        """Whether a target is this directive's module or one below it."""
        if len(self.segments) > len(segments):
            return False
        return all(
            ours in (_ANY_SEGMENT, theirs)
            for ours, theirs in zip(self.segments, segments, strict=False)
        )

    @property
    def precedence(self) -> tuple[int, int, tuple[str, ...]]:
        """What puts the more specific directive first when directives are sorted by it."""
        stars = self.segments.count(_ANY_SEGMENT)
        return -len(self.segments), stars, self.segments

    def __str__(self) -> str:
        name = self.level.name.lower()
        return f"{'.'.join(self.segments)}={name}" if self.segments else name


class Filter:
    """Directives that say which spans and events are wanted; an immutable value.

    A directive is a level (`info`), a target (`shop.db`, wanted at every level) or both
    (`shop.db=debug`). A target stands for a module and everything below it. The most specific
    directive decides, whatever the order in the text.

    Args:
        directives: The directives, separated by commas. Levels are read in any case, or as a digit
            from `0` (off) to `5` (trace).

    Raises:
        FilterSyntaxError: The text does not parse; the message points at the place.

    Example:
        ```python
        from tracekit import Filter, Level

        wanted = Filter("info, shop.db=debug, shop.health=off")
        assert wanted.enables("shop.db.pool", Level.DEBUG)
        assert not wanted.enables("shop.health", Level.ERROR)
        ```
    """

    __slots__ = ("_directives",)
    _directives: tuple[Directive, ...]

    def __init__(self, directives: str | Filter = DEFAULT_DIRECTIVES) -> None:
        parsed = (
            directives._directives if isinstance(directives, Filter) else _parse_all(directives)
        )
        object.__setattr__(self, "_directives", parsed)

    @classmethod
    def from_environment(cls) -> Filter:
        """Read `TRACEKIT_FILTER`, or `info` where it is not set.

        A directive that does not parse is reported to the logger `tracekit` and skipped: a process
        must start even where its environment was mistyped.
        """
        text = os.environ.get(ENVIRONMENT_VARIABLE, "")
        parsed: list[Directive] = []
        for start, part in _parts(text):
            try:
                parsed.append(_parse(text, start, part))
            except FilterSyntaxError as error:
                logger.warning("%s: directive skipped: %s", ENVIRONMENT_VARIABLE, error)
        return cls._of(parsed) if parsed else cls(DEFAULT_DIRECTIVES)

    @classmethod
    def _of(cls, directives: list[Directive]) -> Filter:
        made = cls.__new__(cls)
        object.__setattr__(made, "_directives", _in_order(directives))
        return made

    def level_of(self, target: str) -> Level:
        """The least important level that is wanted from a target; `OFF` where no directive fits."""
        segments = tuple(target.split("."))
        for directive in self._directives:
            if directive.matches(segments):
                return directive.level
        return Level.OFF

    def enables(self, target: str, level: Level) -> bool:
        """Whether a span or an event of this target and level is wanted."""
        return level is not Level.OFF and level >= self.level_of(target)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Filter cannot be changed; make a new one to set {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Filter):
            return NotImplemented
        return self._directives == other._directives

    def __hash__(self) -> int:
        return hash(self._directives)

    def __str__(self) -> str:
        return ",".join(map(str, self._directives))

    def __repr__(self) -> str:
        return f"Filter({str(self)!r})"

    def __reduce__(self) -> tuple[type[Filter], tuple[str]]:
        return Filter, (str(self),)


def _parts(text: str) -> list[tuple[int, str]]:
    parts, start = [], 0
    for part in text.split(","):
        if part.strip():
            parts.append((start + len(part) - len(part.lstrip()), part.strip()))
        start += len(part) + 1
    return parts


def _parse_all(text: str) -> tuple[Directive, ...]:
    if not isinstance(text, str):
        raise FilterSyntaxError(
            f"filter={text!r}: expected directives as a string such as 'info,shop.db=debug', "
            f"or a Filter"
        )
    parts = _parts(text)
    if not parts:
        raise _error(text, 0, "a directive such as 'info' or 'shop.db=debug'")
    return _in_order([_parse(text, start, part) for start, part in parts])


def _in_order(directives: list[Directive]) -> tuple[Directive, ...]:
    last_of_each = {directive.segments: directive for directive in directives}
    return tuple(sorted(last_of_each.values(), key=lambda directive: directive.precedence))


def _parse(text: str, start: int, part: str) -> Directive:
    target, equals, level_name = (piece.strip() for piece in part.partition("="))
    if not equals:
        level = _level(target)
        if level is not None:
            return Directive((), level)
        return Directive(_segments(text, start, target), Level.TRACE)
    if not level_name:
        return Directive(_segments(text, start, target), Level.TRACE)
    level = _level(level_name)
    if level is None:
        raise _error(text, start + part.index("=") + 1, f"a level ({_LEVELS})")
    return Directive(_segments(text, start, target), level)


def _level(word: str) -> Level | None:
    if word in _LEVEL_DIGITS:
        return _LEVEL_DIGITS[word]
    return Level.__members__.get(word.upper())


def _segments(text: str, start: int, target: str) -> tuple[str, ...]:
    if "[" in target:
        place = start + target.index("[")
        raise _error(text, place, "a target and a level: spans and fields cannot be named yet")
    segments = tuple(target.split("."))
    position = start
    for segment in segments:
        if segment != _ANY_SEGMENT and not _is_word(segment):
            raise _error(text, position, "the name of a module, such as shop.db")
        position += len(segment) + 1
    return segments


def _is_word(segment: str) -> bool:
    return bool(segment) and all(char.isalnum() or char in "_-:<>" for char in segment)


def _error(text: str, place: int, expected: str) -> FilterSyntaxError:
    return FilterSyntaxError(
        f"filter does not parse, expected {expected}\n  {text}\n  {' ' * place}^"
    )


_LEVELS: Final = "off, error, warn, info, debug, trace or 0 to 5"
