"""`Filter`, and its directives in the order in which they decide."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from tracekit._base.errors import FilterSyntaxError
from tracekit._base.levels import Level
from tracekit._base.log import log_warning_once
from tracekit._filters.directives import Directive, DynamicRules

ENVIRONMENT_VARIABLE: Final = "TRACEKIT_FILTER"
DEFAULT_DIRECTIVES: Final = "info"


class DirectiveSet:
    """Directives with the most specific first; a later one replaces an earlier equal subject.

    Attributes:
        dynamic: The directives with a span or fields.
        static: The other directives.
        text: The canonical text of all of them.
    """

    __slots__ = ("dynamic", "static", "text")

    def __init__(self, directives: Iterable[Directive]) -> None:
        last_of_each = {one.subject: one for one in directives}
        in_order = sorted(last_of_each.values(), key=lambda one: one.precedence)
        self.dynamic = tuple(one for one in in_order if one.is_dynamic)
        self.static = tuple(one for one in in_order if not one.is_dynamic)
        self.text = ",".join(map(str, in_order))

    def level_of(self, target: str) -> Level:
        """Return the static level of a target; `OFF` if no directive matches."""
        segments = tuple(target.split("."))
        for directive in self.static:
            if directive.matches(segments):
                return directive.level
        return Level.OFF

    def enables(self, target: str, level: Level) -> bool:
        """Whether the static level of a target enables a level."""
        return level is not Level.OFF and level >= self.level_of(target)

    def rules_for(self, target: str, span_name: str | None) -> DynamicRules | None:
        """Return the rules for a target and a span name (None for events), or None without any."""
        if not self.dynamic:
            return None
        segments = tuple(target.split("."))
        found = [
            one for one in self.dynamic if one.span in (None, span_name) and one.matches(segments)
        ]
        return DynamicRules(found) if found else None

    def may_enable_inside(self, level: Level) -> bool:
        """Whether some directive could open a scope that enables a level."""
        return any(one.level is not Level.OFF and one.level <= level for one in self.dynamic)


class Filter:
    """Directives that select spans and events; an immutable value.

    A directive is a level (`info`), a target (`shop.db`, enabled at every level) or both
    (`shop.db=debug`). A target stands for a module and everything below it. A directive with a span
    or fields in brackets is about the spans that match. If it is more verbose than the others, it
    is also about everything inside them: `[handle{user=42}]=trace`. The most specific directive
    decides, independent of the order.

    Filters are equal if their directives are. `str` of a filter parses back to an equal filter.

    Args:
        directives: The directives, separated by commas, or a filter to copy. Levels are names in
            any case, or digits from `0` (off) to `5` (trace).

    Raises:
        FilterSyntaxError: The text does not parse. The message marks the position.

    Example:
        ```python
        from tracekit import Filter, Level

        wanted = Filter("info, shop.db=debug, shop.health=off")
        assert wanted.enables("shop.db.pool", Level.DEBUG)
        assert not wanted.enables("shop.health", Level.ERROR)
        ```
    """

    __slots__ = ("_directives",)
    _directives: DirectiveSet

    def __init__(self, directives: str | Filter = DEFAULT_DIRECTIVES) -> None:
        object.__setattr__(self, "_directives", _parse(directives))

    @property
    def is_dynamic(self) -> bool:
        """Whether any directive names a span or fields, so that target and level do not suffice."""
        return bool(self._directives.dynamic)

    def level_of(self, target: str) -> Level:
        """Return the most verbose level that is enabled for a target outside any span.

        Directives with a span or fields are ignored.

        Args:
            target: The target, such as `shop.db`.

        Returns:
            The level; `OFF` if no directive matches.
        """
        return self._directives.level_of(target)

    def enables(self, target: str, level: Level) -> bool:
        """Whether a span or an event of a target and level is enabled outside any span.

        Directives with a span or fields are ignored.

        Args:
            target: The target, such as `shop.db`.
            level: The level of the span or event.
        """
        return self._directives.enables(target, level)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Filter cannot be changed; make a new one to set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Filter cannot be changed; make a new one without {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Filter):
            return NotImplemented
        # The text is canonical.
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self._directives.text

    def __repr__(self) -> str:
        return f"Filter({str(self)!r})"

    def __reduce__(self) -> tuple[type[Filter], tuple[str]]:
        return Filter, (str(self),)


def directives_of(one: Filter) -> DirectiveSet:
    """Return the directives of a filter."""
    return one._directives


def filter_from_environment() -> Filter:
    """Return the filter of the variable `TRACEKIT_FILTER`, or `info` if it is not set.

    A directive that does not parse is logged and skipped, because a process must start even if its
    environment has a mistake.
    """
    made = object.__new__(Filter)
    object.__setattr__(made, "_directives", DirectiveSet(_parse_environment() or _DEFAULT))
    return made


def find_misspelt_levels(one: Filter) -> list[tuple[str, str]]:
    """Return words that parsed as targets, with the levels that they look like: `inof`, `info`."""
    # Only a set-up needs it; a library that decorates its functions does not load it.
    from difflib import get_close_matches

    names = [level.name.lower() for level in Level]
    words = [
        directive.segments[0]
        for directive in directives_of(one).static
        if len(directive.segments) == 1 and directive.level is Level.TRACE
    ]
    close = [(word, get_close_matches(word.lower(), names, n=1)) for word in words]
    return [(word, found[0]) for word, found in close if found]


def _parse(directives: object) -> DirectiveSet:
    if isinstance(directives, Filter):
        return directives._directives
    if not isinstance(directives, str):
        raise FilterSyntaxError(
            f"filter={directives!r}: expected directives as a string such as "
            f"'info,shop.db=debug', or a Filter"
        )
    # Loaded with the first text: many programs set no filter.
    from tracekit._filters.syntax import parse

    return DirectiveSet(parse(directives))


# `DEFAULT_DIRECTIVES`, parsed.
_DEFAULT: Final = (Directive((), Level.INFO),)


def _parse_environment() -> list[Directive]:
    text = os.environ.get(ENVIRONMENT_VARIABLE)
    if not text:
        return []
    from tracekit._filters.syntax import parse

    return parse(text, _log_skipped)


def _log_skipped(error: FilterSyntaxError) -> None:
    # The variable is read at the first decoration and again at set-up.
    log_warning_once(str(error), "%s: directive skipped: %s", ENVIRONMENT_VARIABLE, error)
