"""What a filter has decided about a span, carried along with the span itself.

A span travels in OpenTelemetry's context, through threads, tasks and executors; what is remembered
on it travels with it, and nothing else has to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span

from tracekit._base.levels import Level
from tracekit._filters.call_sites import registry
from tracekit._filters.filter_set import ALL_EXPORTERS, FilterDecision, FilterScope

_SCOPE: Final = "_tracekit_scope"


def scope_of(span: Span) -> FilterScope | None:
    """What the spans around have opened for what is inside of this one."""
    scope: FilterScope | None = getattr(span, _SCOPE, None)
    return scope


def open_scope(span: Span, scope: FilterScope | None) -> None:
    """Remember the scope inside of a span, for what is started under it."""
    if scope is not None:
        try:
            setattr(span, _SCOPE, scope)
        except AttributeError:
            # A span of another vendor's SDK that takes no attribute: the scope ends here.
            return


class DecidedAttributes(dict[str, Any]):
    """The attributes of a span, with what was decided about it.

    Attributes:
        judgement: Who wants the span, and the scope inside of it.
    """

    __slots__ = ("decision",)

    def __init__(self, attributes: Mapping[str, Any], decision: FilterDecision) -> None:
        super().__init__(attributes)
        self.decision = decision


class SuppressedSpan(NonRecordingSpan):
    """Stands in a context for a span that is not made, where something inside of it is raised.

    Whoever looks for the current span finds the one around it.
    """

    def __init__(self, around: Span, scope: FilterScope | None) -> None:
        super().__init__(around.get_span_context())
        self._around = around
        open_scope(self, scope)

    def __getattribute__(self, name: str) -> Any:
        if name in _PASSED_ON:
            return getattr(object.__getattribute__(self, "_around"), name)
        return object.__getattribute__(self, name)


_PASSED_ON: Final = frozenset(
    {"add_event", "add_link", "is_recording", "record_exception", "set_attribute"}
    | {"set_attributes", "set_status"}
)


class FilteredSpan(NonRecordingSpan):
    """What a library gets for a span that nobody wants: its children go to the span around it.

    What the library itself tells it goes nowhere.

    Attributes:
        around: The span around it.
    """

    def __init__(self, around: Span) -> None:
        super().__init__(around.get_span_context())
        self.around = around


def recorded_span_around(span: Span) -> Span:
    """The span itself, or the nearest one around it where it was not made."""
    while isinstance(span, FilteredSpan):
        span = span.around
    return span


def event_mask(
    target: str, level: Level, attributes: Callable[[], Mapping[str, Any]], span: Span
) -> int:
    """Who wants an event of a span.

    Args:
        target: The event's target.
        level: Its level.
        attributes: Gives its attributes, described; called only where a directive looks at them.
        span: The span that it is to be added to.
    """
    filters = registry.filters
    dynamic_filter = filters.dynamic_filter_for(target, level, None)
    if dynamic_filter is None:
        return filters.static_mask(target, level)
    return dynamic_filter.decide(
        attributes() if dynamic_filter.needed_fields else {}, scope_of(span)
    ).exporter_mask


def add_event(span: Span, wanted: int, name: str, attributes: Mapping[str, Any]) -> None:
    """Add an event to a span.

    Args:
        span: The span.
        wanted: The mask of the exporters that want the event.
        name: The name of the event.
        attributes: Its attributes.
    """
    add_filtered = None
    if wanted != ALL_EXPORTERS:
        # A span of another SDK has one kind of event only.
        add_filtered = getattr(span, "add_filtered_event", None)
    if add_filtered is None:
        span.add_event(name, attributes)
    else:
        add_filtered(wanted, name, attributes)


def current_scope() -> FilterScope | None:
    """The scope that what is started now stands in."""
    return scope_of(trace.get_current_span())
