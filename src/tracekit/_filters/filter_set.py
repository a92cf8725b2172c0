"""Who wants a span or an event, where every exporter may have a filter of its own.

The answer is a mask with a bit for each exporter. Where all of them have the same filter it is
`ALL_EXPORTERS` or `NO_EXPORTER`, and nothing has to be kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tracekit._base.levels import Level
from tracekit._filters.dynamic_rules import DynamicRules, is_wanted, raises, scope_level
from tracekit._filters.filter import Filter

ALL_EXPORTERS: Final = -1
NO_EXPORTER: Final = 0

_MOST_REMEMBERED: Final = 10_000


class Scope(NamedTuple):
    """What spans with a directive of their own have opened for everything inside them.

    Attributes:
        filters: The filters that it was opened under; under others it says nothing.
        levels: The level that is wanted, for each filter; None where nothing is added.
    """

    filters: FilterSet
    levels: tuple[Level | None, ...]


class Decision(NamedTuple):
    """What was decided about one span.

    Attributes:
        wanted: The mask of those who want it.
        scope: The scope inside of it.
    """

    wanted: int
    scope: Scope | None


class FilterSet:
    """The filters in force, one for each exporter, or one for all.

    Args:
        filters: One for each exporter, in their order; equal ones are put together.
    """

    __slots__ = ("_dynamic_filters", "_masks", "exporters", "filters", "is_dynamic", "is_uniform")

    def __init__(self, filters: Iterable[Filter]) -> None:
        given = tuple(filters)
        self._masks: dict[tuple[str, Level], int] = {}
        self._dynamic_filters: dict[tuple[str, Level, str | None], DynamicFilter | None] = {}
        self.exporters = len(given)
        self.is_uniform = len(set(given)) <= 1
        self.filters = given[:1] if self.is_uniform else given
        self.is_dynamic = any(one.is_dynamic for one in self.filters)

    def static_mask(self, target: str, level: Level) -> int:
        """Who wants spans and events of this target and level wherever they stand."""
        mask = self._masks.get((target, level))
        if mask is None:
            mask = self._mask([one.enables(target, level) for one in self.filters])
            if len(self._masks) < _MOST_REMEMBERED:
                self._masks[target, level] = mask
        return mask

    def dynamic_filter(
        self, target: str, level: Level, span_name: str | None
    ) -> DynamicFilter | None:
        """What has to be asked at run time about a place; None where the static mask is the answer.

        Args:
            target: The place's target.
            level: Its level.
            span_name: The name of its spans; None for events.
        """
        if not self.is_dynamic:
            return None
        key = target, level, span_name
        if key in self._dynamic_filters:
            return self._dynamic_filters[key]
        dynamic_filter = self._make_dynamic_filter(target, level, span_name)
        if len(self._dynamic_filters) < _MOST_REMEMBERED:
            self._dynamic_filters[key] = dynamic_filter
        return dynamic_filter

    def _make_dynamic_filter(
        self, target: str, level: Level, span_name: str | None
    ) -> DynamicFilter | None:
        rules = tuple(one.matching(target, span_name) for one in self.filters)
        static = self.static_mask(target, level)
        may_be_raised = static != ALL_EXPORTERS and any(
            one.may_raise(level) for one in self.filters
        )
        if not may_be_raised and not any(rules):
            return None
        return DynamicFilter(
            self, level, tuple(one.level_of(target) for one in self.filters), rules
        )

    def _mask(self, wanted: list[bool]) -> int:
        if self.is_uniform:
            return ALL_EXPORTERS if wanted[0] else NO_EXPORTER
        if all(wanted):
            return ALL_EXPORTERS
        return sum(1 << bit for bit, one in enumerate(wanted) if one)


class DynamicFilter:
    """Decides about the spans or events of one place, call by call; an immutable value.

    Attributes:
        needs: The names of the fields whose values are looked at.
        needs_scope: Whether nothing is wanted but what a span around it has raised.
    """

    __slots__ = ("_filters", "_level", "_rules", "_static", "needs", "needs_scope")

    def __init__(
        self,
        filters: FilterSet,
        level: Level,
        static: tuple[Level, ...],
        rules: tuple[DynamicRules | None, ...],
    ) -> None:
        self._filters = filters
        self._level = level
        self._static = static
        self._rules = rules
        self.needs = frozenset(name for one in rules if one is not None for name in one.needs)
        self.needs_scope = not any(rules) and all(level < one for one in static)

    def decide(self, fields: Mapping[str, object], scope: Scope | None) -> Decision:
        """Decide about one span or event.

        Args:
            fields: Recorded values by name, at least those of `needs`.
            scope: The scope that it stands in.
        """
        if len(self._rules) == 1:
            return self._decide_for_all(fields, scope)
        outer = self._levels_of(scope)
        decided = [None if one is None else one.decide(fields) for one in self._rules]
        wanted = [
            is_wanted(self._level, static, mine, around)
            for static, mine, around in zip(self._static, decided, outer, strict=True)
        ]
        mask = self._filters._mask(wanted)
        if not any(
            mine is not None and raises(mine, static)
            for mine, static in zip(decided, self._static, strict=True)
        ):
            return Decision(mask, scope)
        levels = tuple(
            scope_level(around, mine, static)
            for static, mine, around in zip(self._static, decided, outer, strict=True)
        )
        return Decision(mask, Scope(self._filters, levels))

    def _decide_for_all(self, fields: Mapping[str, object], scope: Scope | None) -> Decision:
        # The same as for many, without a list: with one filter this is the path of every call.
        static, rules = self._static[0], self._rules[0]
        decided = None if rules is None else rules.decide(fields)
        outer = scope.levels[0] if scope is not None and scope.filters is self._filters else None
        wanted = is_wanted(self._level, static, decided, outer)
        if decided is not None and raises(decided, static):
            scope = Scope(self._filters, (scope_level(outer, decided, static),))
        return Decision(ALL_EXPORTERS if wanted else NO_EXPORTER, scope)

    def _levels_of(self, scope: Scope | None) -> tuple[Level | None, ...]:
        if scope is None or scope.filters is not self._filters:
            return (None,) * len(self._static)
        return scope.levels
