"""Checks of the arguments that spans and events have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType
from typing import Any, Final

from opentelemetry.trace import SpanKind

from tracekit._base.errors import InstrumentationError
from tracekit._base.levels import Level


class _Current:
    """The default of `parent`: the current span."""

    def __repr__(self) -> str:
        return "<the current span>"

    def __reduce__(self) -> str:
        return "CURRENT"


CURRENT: Final[Any] = _Current()


def parse_level(value: Level | str | int) -> Level:
    """Return the level of a span or an event; `OFF` is a level of filters only."""
    try:
        level = Level.of(value)
    except ValueError as error:
        raise InstrumentationError(f"level={value!r}: {error}") from None
    if level is Level.OFF:
        raise InstrumentationError(f"level={value!r}: a span cannot be OFF; filters can")
    return level


def parse_kind(value: SpanKind | str) -> SpanKind:
    """Return the span kind for a member of the enum or its name in any case."""
    if isinstance(value, SpanKind):
        return value
    kind = SpanKind.__members__.get(value.upper()) if isinstance(value, str) else None
    if kind is None:
        names = ", ".join(SpanKind.__members__)
        raise InstrumentationError(f"kind={value!r} is not a span kind; use one of {names}")
    return kind


def check_name(value: str | None) -> str | None:
    """Return a name that is not empty, or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InstrumentationError(f"name={value!r} is not the name of a span")
    return value


def check_attributes(value: Mapping[str, object] | None) -> Mapping[str, object]:
    """Return a mapping of attributes; an empty one for None."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InstrumentationError(f"attributes={value!r}: expected a mapping of names to values")
    return value


def calling_module(frame: FrameType) -> str:
    """Return the name of the module whose code runs in a frame; the default target."""
    return str(frame.f_globals.get("__name__", "__main__"))
