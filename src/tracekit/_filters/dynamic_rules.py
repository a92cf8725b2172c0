"""What directives with a span or fields say about one place of the program, and inside of it.

Three levels meet where a span or an event asks whether it is wanted:

- the *static* level: what the directives without span and fields say about its target;
- the *decided* level: what the most specific directive with a span or fields says that matches it,
  if there is one;
- the *scope*: the level that everything is wanted at because of the spans around it, if there is
  one.

A decided level takes the place of the static one. It either *raises*, where it is as verbose as the
static level or more, or it *lowers*, where it is less verbose or `off`:

- what raises opens a scope: everything inside the span is wanted at that level too, whatever its
  target. Scopes only add up: the most verbose one counts. The scope is open whether or not the span
  itself is made, which may be less important than the level that its directive names.
- what lowers is about the spans that match and nothing else: it opens no scope, closes none, and
  holds inside of scopes too, so that noise which was silenced stays silent.

So a span or an event is wanted

| where | if its level is at least |
| --- | --- |
| nothing is decided | the static level or the scope |
| what is decided raises | the decided level or the scope |
| what is decided lowers | the decided level |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tracekit._base.levels import Level
from tracekit._filters.directives import Directive

_Test = tuple[str, "Callable[[object], bool] | None"]


class DynamicRules:
    """The directives with a span or fields that may apply to one call site; an immutable value.

    Target and span name have been compared already; what is left are the fields.

    Args:
        directives: Those that fit the target and the name, the most specific first; at least one.

    Attributes:
        needs: The names of the fields whose values are looked at. Empty where the name of the span
            is enough: then `decide` gives the same level for all fields, and never None.
    """

    __slots__ = ("_rules", "needs")
    needs: frozenset[str]
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
                # It matches whatever the fields are, so that no directive behind it is reached.
                break
        self._rules = tuple(rules)
        self.needs = frozenset(name for _, tests in rules for name, _ in tests)

    def decide(self, fields: Mapping[str, object]) -> Level | None:
        """The level of the most specific directive whose fields are all there.

        Args:
            fields: Recorded values by name; only those of `needs` are looked at. A field that is
                None is not there.

        Returns:
            The level, or None where no directive matches and the static ones count.
        """
        for level, tests in self._rules:
            for name, accepts in tests:
                value = fields.get(name)
                if value is None or (accepts is not None and not accepts(value)):
                    break
            else:
                return level
        return None


def raises(decided: Level, static: Level) -> bool:
    """Whether what was decided adds to the static level, and is about what is inside as well."""
    return decided is not Level.OFF and decided <= static


def is_wanted(
    level: Level, static: Level, decided: Level | None = None, scope: Level | None = None
) -> bool:
    """Whether a span or an event is wanted.

    Args:
        level: How important it is.
        static: What `Filter.level_of` says about its target.
        decided: What `DynamicRules.decide` says about it.
        scope: What the spans around it have opened.
    """
    if level >= (static if decided is None else decided):
        return level is not Level.OFF
    if scope is None or level < scope:
        return False
    return decided is None or raises(decided, static)


def scope_level(
    outer: Level | None, decided: Level | None, static: Level = Level.OFF
) -> Level | None:
    """The scope inside of a span.

    Args:
        outer: The scope around it.
        decided: What `DynamicRules.decide` says about it.
        static: What `Filter.level_of` says about its target.

    Returns:
        The level that everything inside is wanted at, or None where nothing is added.
    """
    if decided is None or not raises(decided, static):
        return outer
    return decided if outer is None else min(outer, decided)
