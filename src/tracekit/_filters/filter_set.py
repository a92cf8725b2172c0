"""The filters in force: which exporters take a span or an event.

Every exporter may have a filter of its own, so the answer is a mask with one bit for each exporter.
If all filters are equal, the mask is `ALL_EXPORTERS` or `NO_EXPORTERS`.

Each filter decides by three levels, of which the last two may be absent:

- the *static* level: the level of the directives without span and fields for the target;
- the *decided* level: the level of the most specific matching directive with a span or fields. It
  replaces the static level. It *opens a scope* if it is at least as verbose as the static level,
  and otherwise *lowers*;
- the *scope*: the most verbose level that the spans around have opened for everything inside them,
  whatever the target. A span opens its scope even if its own level is too verbose for it to be
  made. A level that lowers neither opens nor closes a scope, and also holds inside scopes, so that
  a span that is turned off stays off.

A span or an event is enabled

| decided level | if its level is at least |
| --- | --- |
| none | the static level or the scope |
| opens a scope | the decided level or the scope |
| lowers | the decided level |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tracekit._base.levels import Level
from tracekit._filters.directives import DynamicRules
from tracekit._filters.filter import Filter, directives_of

ALL_EXPORTERS: Final = -1
NO_EXPORTERS: Final = 0

_MAX_CACHED: Final = 10_000


def opens_scope(decided: Level, static: Level) -> bool:
    """Whether a decided level applies to everything inside the span as well."""
    return decided is not Level.OFF and decided <= static


def is_enabled(
    level: Level, static: Level, decided: Level | None = None, scope: Level | None = None
) -> bool:
    """Whether a span or an event of a level is enabled, as in the table of this module."""
    if level >= (static if decided is None else decided):
        return level is not Level.OFF
    if scope is None or level < scope:
        return False
    return decided is None or opens_scope(decided, static)


def level_inside(
    outer: Level | None, decided: Level | None, static: Level = Level.OFF
) -> Level | None:
    """Return the scope inside a span that is itself inside the scope `outer`."""
    if decided is None or not opens_scope(decided, static):
        return outer
    return decided if outer is None else min(outer, decided)


class FilterScope(NamedTuple):
    """The scope of each filter inside a span; other filters than those that opened it ignore it."""

    filters: FilterSet
    levels: tuple[Level | None, ...]


class FilterDecision(NamedTuple):
    """The exporters that take a span or event, and the filter scope inside the span."""

    exporter_mask: int
    scope: FilterScope | None


class FilterSet:
    """The filters in force, one for each exporter.

    Args:
        filters: The filters in the order of the exporters. If all are equal, one is kept.

    Attributes:
        exporter_count: How many exporters there are.
        is_dynamic: Whether any directive names a span or fields.
    """

    __slots__ = ("_directives", "_dynamic_filters", "_masks", "exporter_count", "is_dynamic")

    def __init__(self, filters: Iterable[Filter]) -> None:
        given = tuple(filters)
        self.exporter_count = len(given)
        kept = given[:1] if len(set(given)) == 1 else given
        self._directives = tuple(map(directives_of, kept))
        self._masks: dict[tuple[str, Level], int] = {}
        self._dynamic_filters: dict[tuple[str, Level, str | None], DynamicFilter | None] = {}
        self.is_dynamic = any(one.dynamic for one in self._directives)

    def static_mask(self, target: str, level: Level) -> int:
        """Return the exporters that take a target and level, whatever the span around it."""
        mask = self._masks.get((target, level))
        if mask is None:
            mask = self.mask_of([one.enables(target, level) for one in self._directives])
            if len(self._masks) < _MAX_CACHED:
                self._masks[target, level] = mask
        return mask

    def dynamic_filter_for(
        self, target: str, level: Level, span_name: str | None
    ) -> DynamicFilter | None:
        """Return the filter that decides at each call, or None if the static mask always holds.

        Args:
            target: The target of the call site.
            level: Its level.
            span_name: The name of its spans; None for events.
        """
        if not self.is_dynamic:
            return None
        key = target, level, span_name
        if key in self._dynamic_filters:
            return self._dynamic_filters[key]
        dynamic_filter = self._make_dynamic_filter(target, level, span_name)
        if len(self._dynamic_filters) < _MAX_CACHED:
            self._dynamic_filters[key] = dynamic_filter
        return dynamic_filter

    def mask_of(self, enabled: list[bool]) -> int:
        """Return the mask for one answer of each filter."""
        if all(enabled):
            return ALL_EXPORTERS
        return sum(1 << bit for bit, one in enumerate(enabled) if one)

    def _make_dynamic_filter(
        self, target: str, level: Level, span_name: str | None
    ) -> DynamicFilter | None:
        rules = tuple(one.rules_for(target, span_name) for one in self._directives)
        may_be_enabled_by_scope = self.static_mask(target, level) != ALL_EXPORTERS and any(
            one.may_enable_inside(level) for one in self._directives
        )
        if not may_be_enabled_by_scope and not any(rules):
            return None
        static = tuple(one.level_of(target) for one in self._directives)
        return DynamicFilter(self, level, static, rules)


class DynamicFilter:
    """Decides call by call about the spans or events of one call site; an immutable value.

    Attributes:
        needed_fields: The names of the fields whose values decide.
        needs_scope: Whether nothing is enabled outside a filter scope.
    """

    __slots__ = ("_filters", "_level", "_rules", "_static", "needed_fields", "needs_scope")

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
        self.needed_fields = frozenset(
            name for one in rules if one is not None for name in one.needed_fields
        )
        self.needs_scope = not any(rules) and all(level < one for one in static)

    def decide(self, fields: Mapping[str, object], scope: FilterScope | None) -> FilterDecision:
        """Decide about a span or event with at least the needed fields, inside a filter scope."""
        if len(self._rules) == 1:
            return self._decide_for_all_exporters(fields, scope)
        outer: tuple[Level | None, ...] = (None,) * len(self._static)
        if scope is not None and scope.filters is self._filters:
            outer = scope.levels
        decided = [None if one is None else one.decide(fields) for one in self._rules]
        inner = tuple(map(level_inside, outer, decided, self._static))
        if inner != outer:
            scope = FilterScope(self._filters, inner)
        level = self._level
        enabled = [
            is_enabled(level, *one) for one in zip(self._static, decided, outer, strict=True)
        ]
        return FilterDecision(self._filters.mask_of(enabled), scope)

    def _decide_for_all_exporters(
        self, fields: Mapping[str, object], scope: FilterScope | None
    ) -> FilterDecision:
        # The same without lists: with one filter, every call takes this path.
        static, rules = self._static[0], self._rules[0]
        decided = None if rules is None else rules.decide(fields)
        outer = scope.levels[0] if scope is not None and scope.filters is self._filters else None
        mask = ALL_EXPORTERS if is_enabled(self._level, static, decided, outer) else NO_EXPORTERS
        if decided is not None:
            inner = level_inside(outer, decided, static)
            if inner is not outer:
                scope = FilterScope(self._filters, (inner,))
        return FilterDecision(mask, scope)
