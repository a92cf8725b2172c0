"""Spans and their values as plain data, which compares by content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, Status

# Times in a script are smaller. Times from the clock differ from side to side.
CLOCK_BEGINS = 10**17

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LIBRARY_FRAME = re.compile(
    r'  File "[^"]*(?:opentelemetry|tracekit/|contextlib\.py)[^"]*", line .*\n(?:    .*\n)*'
)


def shown(value: Any) -> Any:
    """Return a value as plain data that compares by content and type."""
    for kind, show in _WAYS:
        if isinstance(value, kind):
            return show(value)
    return type(value).__qualname__, text(repr(value))


def text(words: str) -> str:
    """Return a text without addresses of objects."""
    return _ADDRESS.sub(" at 0x…", words)


def time(value: Any) -> Any:
    """Return a time of a script, or "now" for a time from the clock."""
    is_from_clock = type(value) is int and value > CLOCK_BEGINS
    return "now" if is_from_clock else shown(value)


def observed(span: ReadableSpan) -> dict[str, Any]:
    """Return everything that a readable span shows."""
    return {
        "name": shown(span.name),
        "kind": shown(span.kind),
        "context": shown(span.context),
        "get_span_context": shown(span.get_span_context()),
        "parent": shown(span.parent),
        "start": time(span.start_time),
        "end": time(span.end_time),
        "status": shown(span.status),
        "attributes": shown(span.attributes),
        "events": shown(span.events),
        "links": shown(span.links),
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
        "scope": shown(span.instrumentation_scope),
        "resource": shown(span.resource),
        "is_recording": span.is_recording() if isinstance(span, Span) else False,
    }


def _context(context: SpanContext) -> Any:
    ids = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    flags = type(context.trace_flags).__qualname__, int(context.trace_flags)
    state = type(context.trace_state).__qualname__, list(context.trace_state.items())
    return (*ids, context.is_remote, flags, state, context.is_valid)


def _event(event: Event) -> Any:
    dropped = event.dropped_attributes
    return "event", shown(event.name), shown(event.attributes), time(event.timestamp), dropped


def _link(link: Link) -> Any:
    return "link", shown(link.context), shown(link.attributes), link.dropped_attributes


def _scope(scope: InstrumentationScope) -> Any:
    parts = scope.name, scope.version, scope.schema_url, scope.attributes
    return "scope", *map(shown, parts)


def _resource(resource: Resource) -> Any:
    # A set-up says more of itself than a bare provider; what the script has given must be there.
    given = {key: value for key, value in resource.attributes.items() if key.startswith("side.")}
    return "resource", shown(given), resource.schema_url


def _error(error: BaseException) -> Any:
    try:
        words = text(str(error))
    except Exception:
        words = "says nothing"
    return type(error).__qualname__, words


def _mapping(mapping: Mapping[Any, Any]) -> Any:
    items = [(shown(key), _attribute(key, value)) for key, value in mapping.items()]
    return type(mapping).__qualname__, items


def _attribute(key: Any, value: Any) -> Any:
    # The frames of the libraries lie in other files on either side.
    if key == "exception.stacktrace" and isinstance(value, str):
        return "stack trace", text(_LIBRARY_FRAME.sub("", value))
    return shown(value)


def _sequence(values: Any) -> Any:
    return type(values).__qualname__, [shown(value) for value in values]


_WAYS: list[tuple[Any, Any]] = [
    (ReadableSpan, observed),
    (NonRecordingSpan, lambda span: ("non-recording", shown(span.get_span_context()))),
    (SpanContext, _context),
    (Event, _event),
    (Link, _link),
    (Status, lambda status: ("status", shown(status.status_code), shown(status.description))),
    (InstrumentationScope, _scope),
    (Resource, _resource),
    (Enum, lambda member: (type(member).__qualname__, member.name)),
    (BaseException, _error),
    (Mapping, _mapping),
    ((list, tuple), _sequence),
]
