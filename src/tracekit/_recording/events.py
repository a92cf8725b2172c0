"""Events and attributes that a function's body adds to the current span."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from opentelemetry import trace

from tracekit._base.levels import Level
from tracekit._base.log import log_warning_once
from tracekit._filters.filter_set import NO_EXPORTERS
from tracekit._recording.arguments import calling_module, check_attributes, check_name, parse_level
from tracekit._recording.attributes import to_attributes
from tracekit._recording.filter_decisions import add_event, decide_event, nearest_recorded_span


def event(
    name: str,
    attributes: Mapping[str, object] | None = None,
    /,
    *,
    level: Level | str | int = Level.INFO,
    target: str | None = None,
    **fields: object,
) -> None:
    """Add an event to the current span; do nothing if the span does not record.

    Args:
        name: The event's name.
        attributes: Its attributes; dotted names go here.
        level: The event's level for filters, recorded as the attribute `level`.
        target: The target for filters; by default the calling module's `__name__`.
        **fields: Attributes with plain names.

    Raises:
        InstrumentationError: The name, the attributes or the level are not valid.

    Example:
        ```python
        from tracekit import event

        event("cache miss", {"cache.key": "user:7"}, level="debug", attempts=2)
        ```
    """
    check_name(name)
    given = check_attributes(attributes)
    event_level = parse_level(level)
    span = nearest_recorded_span(trace.get_current_span())
    if not span.is_recording():
        return
    event_target = target or calling_module(sys._getframe(1))
    try:
        exporter_mask, described = decide_event(
            span, event_target, event_level, lambda: to_attributes(given, fields)
        )
        if exporter_mask != NO_EXPORTERS:
            add_event(span, exporter_mask, name, {"level": event_level.name, **described})
    except Exception as error:
        _log_failure("event", name, error)


def record(attributes: Mapping[str, object] | None = None, /, **fields: object) -> None:
    """Set attributes on the current span; do nothing if the span does not record.

    Args:
        attributes: Attributes; dotted names go here.
        **fields: Attributes with plain names.

    Raises:
        InstrumentationError: The attributes are not a mapping.

    Example:
        ```python
        from tracekit import record

        record({"user.id": 7}, cached=True)
        ```
    """
    given = check_attributes(attributes)
    span = nearest_recorded_span(trace.get_current_span())
    if not span.is_recording():
        return
    try:
        span.set_attributes(to_attributes(given, fields))
    except Exception as error:
        _log_failure("record", ", ".join(map(str, {**given, **fields})), error)


def _log_failure(function: str, names: str, error: Exception) -> None:
    log_warning_once(
        (function, names, type(error)),
        "%s(%r) was not recorded (%s); the traced program is not affected",
        function,
        names,
        type(error).__name__,
        error=error,
    )
