"""Ended SDK spans, made directly, with ids and times that a test chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MS = 1_000_000
TRACE = 0xABC
SERVICE = Resource({"service.name": "shop", "host.name": "web-1"})


def make_context(span_id: int, *, trace_id: int = TRACE, remote: bool = False) -> SpanContext:
    """Return a sampled span context."""
    return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(1))


def make_span(
    span_id: int,
    parent: int | None = None,
    name: str = "work",
    *,
    trace_id: int = TRACE,
    remote: bool = False,
    start: float = 0,
    ms: float = 10,
    attributes: Mapping[str, Any] | None = None,
    events: Sequence[Event] = (),
    kind: SpanKind = SpanKind.INTERNAL,
    error: str | None = None,
    resource: Resource = SERVICE,
    **rest: Any,
) -> ReadableSpan:
    """Return a span that starts `start` milliseconds into the trace and lasts `ms` milliseconds."""
    begin = 1_000_000 * MS + round(start * MS)
    return ReadableSpan(
        name,
        context=make_context(span_id, trace_id=trace_id),
        parent=make_context(parent, trace_id=trace_id, remote=remote) if parent else None,
        resource=resource,
        attributes=attributes,
        events=events,
        kind=kind,
        status=Status(StatusCode.UNSET) if error is None else Status(StatusCode.ERROR, error),
        start_time=begin,
        end_time=begin + round(ms * MS),
        **rest,
    )


def make_event(name: str, *, at: float = 0, **attributes: Any) -> Event:
    """Return an event `at` milliseconds into the trace; `__` in a keyword is a dot."""
    dotted = {key.replace("__", "."): value for key, value in attributes.items()}
    return Event(name, dotted, timestamp=1_000_000 * MS + round(at * MS))


def make_exception_event(
    kind: str = "app.errors.Broken", message: str = "no luck", **rest: Any
) -> Event:
    """Return an event as `record_exception` makes it."""
    attributes = {
        "exception__type": kind,
        "exception__message": message,
        "exception__stacktrace": f"Traceback:\n  File x, line 1\n{kind}: {message}\n",
        "exception__escaped": "False",
    }
    return make_event("exception", **attributes, **rest)
