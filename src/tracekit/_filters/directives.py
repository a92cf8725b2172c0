"""Directives: what one part of a filter is about, and which of two is the more specific one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracekit._base.levels import Level
from tracekit._filters.quoting import quote

if TYPE_CHECKING:
    from tracekit._filters.field_values import Value

ANY_SEGMENT: Final = "*"

# As text, and compiled where a directive is written that names a span or a field.
_PLAIN_SPAN: Final = r"[^\s\[\]{}\"](?:[^\n\[\]{}\"]*[^\s\[\]{}\"])?"
_PLAIN_FIELD: Final = r"[^\s=,{}\[\]\"]+"


class Field(NamedTuple):
    """A field that a span or an event must have.

    Attributes:
        name: The name of the attribute.
        value: What its value must be, or None where any value will do.
    """

    name: str
    value: Value | None = None

    def __str__(self) -> str:
        name = _plain_or_quoted(self.name, _PLAIN_FIELD)
        return name if self.value is None else f"{name}={self.value}"


class Directive(NamedTuple):
    """One part of a filter: what it is about, and the level that is wanted there.

    Attributes:
        segments: The parts of the target; none stand for every target.
        level: The least important level that is wanted.
        span: The name of the span, or None for any span and, with fields, any event.
        fields: What all must be there, in the order of their text.
    """

    segments: tuple[str, ...]
    level: Level
    span: str | None = None
    fields: tuple[Field, ...] = ()

    @property
    def is_dynamic(self) -> bool:
        """Whether the target and the level alone do not tell if it applies."""
        return self.span is not None or bool(self.fields)

    @property
    def subject(self) -> tuple[object, ...]:
        """What it is about: directives with an equal subject replace each other."""
        return self.segments, self.span, self.fields

    @property
    def precedence(self) -> tuple[Any, ...]:
        """What puts the more specific directive first when directives are sorted by it.

        One with a span or fields, the longer target, more fields; then, where these are equal, one
        with a span name, with more values, with fewer patterns and with fewer `*`, and of two with
        as many the one whose `*` come later.
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
        """Whether a target is this directive's module or one below it."""
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
        about = self._target + self._bracket
        return f"{about}={name}" if about else name

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


def is_plain_segment(segment: str) -> bool:
    """Whether a part of a target needs no quotes."""
    if segment == ANY_SEGMENT:
        return True
    return bool(segment) and all(char.isalnum() or char in "_-:<>" for char in segment)


def _plain_or_quoted(text: str, plain: str) -> str:
    return text if re.fullmatch(plain, text) else quote(text)
