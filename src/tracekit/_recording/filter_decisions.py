"""The decisions of filters about spans and events, and the spans that carry them.

A decision about a span affects what happens inside the span. The span travels in OpenTelemetry's
context, through threads, tasks and executors. So the decision is kept on the span.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from weakref import ref

from opentelemetry.trace import NonRecordingSpan, Span

from tracekit._base.levels import Level
from tracekit._filters.call_sites import registry
from tracekit._filters.filter_set import (
    ALL_EXPORTERS,
    NO_EXPORTERS,
    DynamicFilter,
    FilterDecision,
    FilterScope,
)
from tracekit._recording.current_context import SPAN_KEY, get_current


class FilterAwareSpan:
    """The part of tracekit's spans that holds the exporters that take it, and the scope inside."""

    __slots__ = ()

    exporter_mask: int = ALL_EXPORTERS
    filter_scope: FilterScope | None = None

    def add_filtered_event(self, exporter_mask: int, name: str, attributes: Any) -> None:
        """Add an event for some exporters; a span that records overrides this."""


# The scopes inside spans of other classes, on which no attribute can be set, by the span's id. Each
# has a weak reference that removes it with the span.
_scopes: Final[dict[int, tuple[ref[Span], FilterScope]]] = {}


def scope_of(span: Span) -> FilterScope | None:
    """Return the filter scope inside a span."""
    if isinstance(span, FilterAwareSpan):
        return span.filter_scope
    entry = _scopes.get(id(span))
    return None if entry is None else entry[1]


def open_scope(span: Span, scope: FilterScope | None) -> None:
    """Set the filter scope inside a new span, unless it is None."""
    if scope is None:
        return
    if isinstance(span, FilterAwareSpan):
        span.filter_scope = scope
    else:
        key = id(span)
        _scopes[key] = ref(span, lambda _: _scopes.pop(key, None)), scope


def current_scope() -> FilterScope | None:
    """Return the filter scope inside the current span."""
    # Many filtered-out calls ask, so this avoids `trace.get_current_span`, which takes longer.
    span: Any = get_current().get(SPAN_KEY)
    return None if span is None else scope_of(span)


def mask_of(span: Span) -> int:
    """Return the exporters that take a span."""
    return span.exporter_mask if isinstance(span, FilterAwareSpan) else ALL_EXPORTERS


class SuppressedSpan(FilterAwareSpan, NonRecordingSpan):
    """Carries the filter scope of a span that no exporter takes.

    In the context it stands for the nearest span that is recorded, and passes calls on to it.
    """

    def __init__(self, parent: Span, scope: FilterScope | None) -> None:
        super().__init__(parent.get_span_context())
        self._parent = parent
        self.filter_scope = scope
        for method in _FORWARDED:
            setattr(self, method, getattr(parent, method))

    def add_filtered_event(self, exporter_mask: int, name: str, attributes: Any) -> None:
        add_event(self._parent, exporter_mask, name, attributes)


_FORWARDED: Final = (
    "add_event",
    "add_link",
    "is_recording",
    "record_exception",
    "set_attribute",
    "set_attributes",
    "set_status",
)


class FilteredSpan(FilterAwareSpan, NonRecordingSpan):
    """The span that another library gets if no exporter takes the one that it started.

    It has the context of its parent, so that its children attach to the parent. What the library
    records on it is discarded.
    """

    def __init__(self, parent_span: Span) -> None:
        super().__init__(parent_span.get_span_context())
        self.parent_span = parent_span


def nearest_recorded_span(span: Span) -> Span:
    """Return a span itself, or its nearest parent that is not filtered out."""
    while isinstance(span, FilteredSpan):
        span = span.parent_span
    return span


class DecidedSpan(NamedTuple):
    """The attributes of a span, and what a dynamic filter decided about it."""

    attributes: dict[str, Any]
    decision: FilterDecision


def decide_span(
    dynamic_filter: DynamicFilter,
    describe_needed: Callable[..., dict[str, Any]],
    describe_all: Callable[..., dict[str, Any]],
    /,
    *args: Any,
    **kwargs: Any,
) -> DecidedSpan | None:
    """Decide about a span of the current context, and describe it if an exporter takes it.

    `describe_needed` returns the attributes that the filter looks at, for the arguments of a call.
    `describe_all` gets these attributes and the arguments. The result is None if no exporter takes
    the span and its filter scope is the one around it.
    """
    outer = current_scope()
    if outer is None and dynamic_filter.needs_scope:
        return None
    fields = describe_needed(*args, **kwargs) if dynamic_filter.needed_fields else {}
    decision = dynamic_filter.decide(fields, outer)
    if decision.exporter_mask != NO_EXPORTERS:
        return DecidedSpan(describe_all(fields, *args, **kwargs), decision)
    return None if decision.scope is outer else DecidedSpan({}, decision)


def decide_event(
    span: Span, target: str, level: Level, describe: Callable[[], dict[str, Any]]
) -> tuple[int, dict[str, Any]]:
    """Return the exporters that take an event, and its attributes if there are any.

    `describe` returns the attributes. It is called once at most.
    """
    filters = registry.filters
    dynamic_filter = filters.dynamic_filter_for(target, level, None)
    attributes: dict[str, Any] | None = None
    if dynamic_filter is None:
        exporter_mask = filters.static_mask(target, level)
    else:
        attributes = describe() if dynamic_filter.needed_fields else None
        exporter_mask = dynamic_filter.decide(attributes or {}, scope_of(span)).exporter_mask
    if attributes is None:
        attributes = {} if exporter_mask == NO_EXPORTERS else describe()
    return exporter_mask, attributes


def add_event(span: Span, exporter_mask: int, name: str, attributes: Mapping[str, Any]) -> None:
    """Add an event to a span, for the exporters that take it."""
    if exporter_mask != ALL_EXPORTERS and isinstance(span, FilterAwareSpan):
        span.add_filtered_event(exporter_mask, name, attributes)
    else:
        # No exporter of ours sees the span of another SDK.
        span.add_event(name, attributes)
