"""How directives with a span or fields decide about a call site, and about everything inside it.

Three levels decide whether a span or an event is enabled:

- the *static* level: the level of the directives without span and fields for its target;
- the *decided* level: the level of the most specific matching directive with a span or fields;
- the *scope*: the level that the spans around it have opened for everything inside them.

The last two may be absent. A decided level replaces the static one. It either *opens a scope*, if
it is at least as verbose as the static level, or it *lowers*, if it is less verbose or `off`:

- A directive that opens a scope enables its level for everything inside the span, whatever the
  target. In nested scopes the most verbose level counts. The scope is open even if the span itself
  is not made because its own level is too verbose.
- A directive that lowers is about the matching spans only. It neither opens nor closes a scope. It
  also holds inside scopes, so that a silenced span stays silent.

A span or an event is enabled

| decided level | if its level is at least |
| --- | --- |
| none | the static level or the scope |
| opens a scope | the decided level or the scope |
| lowers | the decided level |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tracekit._base.levels import Level
from tracekit._filters.directives import Directive

_Test = tuple[str, "Callable[[object], bool] | None"]


class DynamicRules:
    """The directives with a span or fields for one call site; an immutable value.

    Only the fields are compared here: the caller has compared target and span name.

    Args:
        directives: The directives for the target and the span name, the most specific first; at
            least one.

    Attributes:
        needed_fields: The names of the fields whose values decide. If it is empty, `decide` returns
            the same level for all fields, and never None.
    """

    __slots__ = ("_rules", "needed_fields")
    needed_fields: frozenset[str]
    _rules: tuple[tuple[Level, tuple[_Test, ...]], ...]

    def __init__(self, directives: Iterable[Directive]) -> None:
        rules: list[tuple[Level, tuple[_Test, ...]]] = []
        for directive in directives:
            tests = tuple(
                (field.name, None if field.value is None else field.value.accepts)
                for field in directive.fields
            )
            rules.append((directive.level, tests))
            if not tests:
                # It matches any fields, so the directives after it are never reached.
                break
        self._rules = tuple(rules)
        self.needed_fields = frozenset(name for _, tests in rules for name, _ in tests)

    def decide(self, fields: Mapping[str, object]) -> Level | None:
        """Return the level of the most specific directive whose fields all match.

        Args:
            fields: Recorded values by name, at least those of `needed_fields`. A value of None
                counts as absent.

        Returns:
            The level, or None if no directive matches.
        """
        for level, tests in self._rules:
            for name, accepts in tests:
                value = fields.get(name)
                if value is None or (accepts is not None and not accepts(value)):
                    break
            else:
                return level
        return None


def opens_scope(decided: Level, static: Level) -> bool:
    """Whether a decided level applies to everything inside the span as well."""
    return decided is not Level.OFF and decided <= static


def is_enabled(
    level: Level, static: Level, decided: Level | None = None, scope: Level | None = None
) -> bool:
    """Whether a span or an event is enabled.

    Args:
        level: Its level.
        static: The static level of its target.
        decided: The level that `DynamicRules.decide` returned for it.
        scope: The level that the spans around it have opened.
    """
    if level >= (static if decided is None else decided):
        return level is not Level.OFF
    if scope is None or level < scope:
        return False
    return decided is None or opens_scope(decided, static)


def level_inside(
    outer: Level | None, decided: Level | None, static: Level = Level.OFF
) -> Level | None:
    """Return the level that is enabled for everything inside a span, whatever its target.

    Args:
        outer: The level that the spans around it have opened.
        decided: The level that `DynamicRules.decide` returned for the span.
        static: The static level of its target.

    Returns:
        The level, or None if no span has opened one.
    """
    if decided is None or not opens_scope(decided, static):
        return outer
    return decided if outer is None else min(outer, decided)
