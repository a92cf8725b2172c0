"""Directives: the parts of a filter, and which of two is the more specific one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from tracekit._base.levels import Level

ANY_SEGMENT: Final = "*"
_Test = tuple[str, "Callable[[object], bool] | None"]

# Strings, because the default filter needs neither and compiling them takes time at import.
_PLAIN_SPAN: Final = r"[^\s\[\]{}\"](?:[^\n\[\]{}\"]*[^\s\[\]{}\"])?"
_PLAIN_FIELD: Final = r"[^\s=,{}\[\]\"]+"


class FieldValue(Protocol):
    """The value of a field in a directive; `str` writes it as the syntax reads it."""

    is_pattern: ClassVar[bool]

    def accepts(self, recorded: object) -> bool:
        """Whether a recorded value matches."""
        ...


class Field(NamedTuple):
    """A field that a span or an event must have.

    Attributes:
        name: The name of the attribute.
        value: The value that the attribute must match, or None for any value.
    """

    name: str
    value: FieldValue | None = None

    def __str__(self) -> str:
        name = _plain_or_quoted(self.name, _PLAIN_FIELD)
        return name if self.value is None else f"{name}={self.value}"


class Directive(NamedTuple):
    """One part of a filter: a subject, and the level that is enabled for it.

    Attributes:
        segments: The segments of the target; empty for every target.
        level: The most verbose level that is enabled.
        span: The name of the span; None for any span and, if there are fields, any event.
        fields: The fields that must all match, in the order of their text.
    """

    segments: tuple[str, ...]
    level: Level
    span: str | None = None
    fields: tuple[Field, ...] = ()

    @property
    def is_dynamic(self) -> bool:
        """Whether it names a span or fields, so that target and level do not decide alone."""
        return self.span is not None or bool(self.fields)

    @property
    def subject(self) -> tuple[object, ...]:
        """Everything but the level; a later directive with an equal subject replaces this one."""
        return self.segments, self.span, self.fields

    @property
    def precedence(self) -> tuple[Any, ...]:
        """The key that sorts the more specific directive first.

        These come first: a directive with a span or fields, then the longer target, then more
        fields. Among equals: a span name, more values, fewer patterns, fewer `*`, and the target
        whose `*` come later.
        """
        values = [field.value for field in self.fields if field.value is not None]
        return (
            not self.is_dynamic,
            -len(self.segments),
            -len(self.fields),
            self.span is None,
            -len(values),
            sum(value.is_pattern for value in values),
            self.segments.count(ANY_SEGMENT),
            [segment == ANY_SEGMENT for segment in self.segments],
            self.segments,
            self._bracket,
        )

    def matches(self, segments: tuple[str, ...]) -> bool:
        """Whether a target is the module of this directive or one below it."""
        above = segments[: len(self.segments)]
        if above == self.segments:
            return True
        if ANY_SEGMENT not in self.segments or len(above) < len(self.segments):
            return False
        return all(
            ours in (ANY_SEGMENT, theirs) for ours, theirs in zip(self.segments, above, strict=True)
        )

    def __str__(self) -> str:
        name = self.level.name.lower()
        subject = self._target + self._bracket
        return f"{subject}={name}" if subject else name

    @property
    def _target(self) -> str:
        target = ".".join(self.segments)
        return target if all(map(is_plain_segment, self.segments)) else quote(target)

    @property
    def _bracket(self) -> str:
        if not self.is_dynamic:
            return ""
        name = "" if self.span is None else _plain_or_quoted(self.span, _PLAIN_SPAN)
        fields = ",".join(map(str, self.fields))
        return f"[{name}{{{fields}}}]" if fields else f"[{name}]"


class DynamicRules:
    """The directives with a span or fields for one call site, whose fields are left to compare.

    Args:
        directives: The directives that match target and span name, the most specific first; at
            least one.

    Attributes:
        needed_fields: The names of the fields whose values decide. If it is empty, `decide` returns
            the same level for all fields, and never None.
    """

    __slots__ = ("_rules", "needed_fields")

    def __init__(self, directives: Iterable[Directive]) -> None:
        self._rules: list[tuple[Level, list[_Test]]] = []
        for directive in directives:
            tests: list[_Test] = [
                (one.name, None if one.value is None else one.value.accepts)
                for one in directive.fields
            ]
            self._rules.append((directive.level, tests))
            if not tests:
                # It matches any fields, so the directives after it are never reached.
                break
        self.needed_fields = frozenset(name for _, tests in self._rules for name, _ in tests)

    def decide(self, fields: Mapping[str, object]) -> Level | None:
        """Return the level of the most specific directive whose fields match, or None.

        Args:
            fields: Recorded values by name, at least those of `needed_fields`. A value of None
                counts as absent.
        """
        for level, tests in self._rules:
            for name, accepts in tests:
                value = fields.get(name)
                if value is None or (accepts is not None and not accepts(value)):
                    break
            else:
                return level
        return None


def is_plain_segment(segment: str) -> bool:
    """Whether a segment of a target can be written without quotes."""
    if segment == ANY_SEGMENT:
        return True
    return bool(segment) and all(char.isalnum() or char in "_-:<>" for char in segment)


def quote(text: str) -> str:
    """Return a text in the quotes of the filter syntax."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain_or_quoted(text: str, plain: str) -> str:
    return text if re.fullmatch(plain, text) else quote(text)
