"""Filter directives: which spans and events are wanted.

The language is read in `filter_syntax`; what one directive is about stands in `directives`, and
what those with a span or fields mean for the things inside of a span in `dynamic_rules`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from tracekit._base.errors import FilterSyntaxError
from tracekit._base.levels import Level
from tracekit._base.log import warn_once
from tracekit._filters.directives import Directive, in_order
from tracekit._filters.dynamic_rules import DynamicRules

ENVIRONMENT_VARIABLE: Final = "TRACEKIT_FILTER"
DEFAULT_DIRECTIVES: Final = "info"


class Filter:
    """Directives that say which spans and events are wanted; an immutable value.

    A directive is a level (`info`), a target (`shop.db`, wanted at every level) or both
    (`shop.db=debug`). A target stands for a module and everything below it. With a span or fields
    in brackets it is about the spans that match, and where it raises the level about everything
    inside them: `[handle{user=42}]=trace`. The most specific directive decides, whatever the order
    in the text.

    Filters are equal where their directives are; `str` of a filter parses back to an equal one.

    Args:
        directives: The directives, separated by commas. Levels are read in any case, or as a digit
            from `0` (off) to `5` (trace).

    Attributes:
        is_dynamic: Whether any directive names a span or fields, so that more than the target and
            the level has to be known.

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

    __slots__ = ("_directives", "_dynamic", "_static", "_text", "is_dynamic")
    is_dynamic: bool
    _directives: tuple[Directive, ...]
    _dynamic: tuple[Directive, ...]
    _static: tuple[Directive, ...]
    _text: str

    def __init__(self, directives: str | Filter = DEFAULT_DIRECTIVES) -> None:
        if isinstance(directives, Filter):
            self._hold(directives._directives)
            return
        if not isinstance(directives, str):
            raise FilterSyntaxError(
                f"filter={directives!r}: expected directives as a string such as "
                f"'info,shop.db=debug', or a Filter"
            )
        from tracekit._filters.syntax import parse

        self._hold(in_order(parse(directives)))

    @classmethod
    def from_environment(cls) -> Filter:
        """Read `TRACEKIT_FILTER`, or `info` where it is not set.

        A directive that does not parse is reported to the logger `tracekit` and skipped: a process
        must start even where its environment was mistyped.
        """
        made = cls.__new__(cls)
        made._hold(_of_environment() or _DEFAULT)
        return made

    def level_of(self, target: str) -> Level:
        """The least important level that is wanted from a target; `OFF` where no directive fits.

        Directives with a span or fields are not asked.
        """
        segments = tuple(target.split("."))
        for directive in self._static:
            if directive.matches(segments):
                return directive.level
        return Level.OFF

    def enables(self, target: str, level: Level) -> bool:
        """Whether a span or an event of this target and level is wanted wherever it stands.

        Directives with a span or fields are not asked.
        """
        return level is not Level.OFF and level >= self.level_of(target)

    def matching(self, target: str, span_name: str | None) -> DynamicRules | None:
        """The directives with a span or fields that may apply to a place in the program.

        Args:
            target: The target of the span or event.
            span_name: The name of the span; None for an event, to which only directives without a
                span apply.

        Returns:
            The rules, which hold for all calls of that place, or None where none apply.
        """
        if not self._dynamic:
            return None
        segments = tuple(target.split("."))
        found = [
            directive
            for directive in self._dynamic
            if directive.span in (None, span_name) and directive.matches(segments)
        ]
        return DynamicRules(found) if found else None

    def may_raise(self, level: Level) -> bool:
        """Whether anything of this level could be wanted because of a span around it."""
        return any(one.level is not Level.OFF and one.level <= level for one in self._dynamic)

    def misspelt_levels(self) -> list[tuple[str, str]]:
        """Words that were taken for a target and look like a level.

        Returns:
            Each word with the level that it looks like; `inof` with `info`.
        """
        # For set-up alone; a library that decorates its functions does not pay for it.
        from difflib import get_close_matches

        names = [level.name.lower() for level in Level]
        words = [
            one.segments[0]
            for one in self._static
            if len(one.segments) == 1 and one.level is Level.TRACE
        ]
        close = [(word, get_close_matches(word.lower(), names, n=1)) for word in words]
        return [(word, found[0]) for word, found in close if found]

    def _hold(self, directives: Iterable[Directive]) -> None:
        held = tuple(directives)
        hold = object.__setattr__
        hold(self, "_directives", held)
        hold(self, "_dynamic", tuple(one for one in held if one.is_dynamic))
        hold(self, "_static", tuple(one for one in held if not one.is_dynamic))
        hold(self, "is_dynamic", bool(self._dynamic))
        # The text is canonical, so that comparing it compares the directives.
        hold(self, "_text", ",".join(map(str, held)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Filter cannot be changed; make a new one to set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Filter cannot be changed; make a new one without {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Filter):
            return NotImplemented
        return self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Filter({self._text!r})"

    def __reduce__(self) -> tuple[type[Filter], tuple[str]]:
        return Filter, (self._text,)


# What `DEFAULT_DIRECTIVES` say, for a process that has nothing else to parse.
_DEFAULT: Final = (Directive((), Level.INFO),)


def _of_environment() -> tuple[Directive, ...]:
    text = os.environ.get(ENVIRONMENT_VARIABLE)
    if not text:
        return ()
    # The language is loaded where it is spoken; many programs set no filter.
    from tracekit._filters.syntax import parse_leniently

    return in_order(parse_leniently(text, _report))


def _report(error: FilterSyntaxError) -> None:
    # Read at the first decoration and again at set-up, and said once.
    warn_once(str(error), "%s: directive skipped: %s", ENVIRONMENT_VARIABLE, error)
