"""Each exporter's view of a trace, without the spans and events that it does not want.

A span records the mask of the exporters that want it. For each exporter that does not want its
parent, it also records the nearest span above that this exporter does want. A span that all
exporters want, below spans that all exporters want, has no such record.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Span, SpanContext

from tracekit._filters.filter_set import ALL_EXPORTERS
from tracekit._recording.filter_decisions import nearest_recorded_span
from tracekit._sdk.filtered_events import EventFilteringSpan, FilteredEvent
from tracekit._sdk.span import LeanSpan

_WANTED: Final = "exporter_mask"
_PARENTS: Final = "_tracekit_parents"

# Parents by the bit of the exporter that sees them.
Parents = Mapping[int, "SpanContext | None"]
_NO_PARENTS: Final[Parents] = {}


class FilteredSdkSpan(EventFilteringSpan):
    """A span that the SDK made, with the record of the exporters that want it."""

    exporter_mask: int = ALL_EXPORTERS
    _tracekit_parents: Parents = _NO_PARENTS

    def _readable_span(self) -> ReadableSpan:
        readable = super()._readable_span()
        setattr(readable, _WANTED, self.exporter_mask)
        setattr(readable, _PARENTS, self._tracekit_parents)
        return readable


def specialize(span: Span) -> Span:
    """Return a span that the SDK made, as one that can record which exporters want it.

    The SDK has no parameter for the class of its spans. A new class for the same instance keeps
    every attribute that a release of the SDK sets.
    """
    if isinstance(span, sdk.Span):
        span.__class__ = FilteredSdkSpan
    return span


def has_wanted_record(span: Span) -> bool:
    """Whether some exporter does not want a span, or sees another parent of it."""
    recorded = nearest_recorded_span(span)
    wanted: int = getattr(recorded, _WANTED, ALL_EXPORTERS)
    return wanted != ALL_EXPORTERS or bool(getattr(recorded, _PARENTS, None))


def record_wanted(span: Span, wanted: int, around: Span, exporters: int) -> None:
    """Record on a new span which exporters want it, and its parents for the others.

    Args:
        span: The span, which has just started.
        wanted: The mask of the exporters that want it.
        around: Its parent.
        exporters: The number of exporters.
    """
    if isinstance(span, (LeanSpan, FilteredSdkSpan)):
        span.exporter_mask = wanted
        span._tracekit_parents = _parents_below(nearest_recorded_span(around), exporters)


def _parents_below(around: Span, exporters: int) -> Parents:
    wanted: int = getattr(around, _WANTED, ALL_EXPORTERS)
    above: Parents = getattr(around, _PARENTS, _NO_PARENTS)
    if wanted == ALL_EXPORTERS and not above:
        return _NO_PARENTS
    return {
        bit: above.get(bit, getattr(around, "parent", None))
        for bit in range(exporters)
        if not wanted >> bit & 1
    }


def is_wanted_by(span: ReadableSpan, bit: int) -> bool:
    """Whether an exporter wants a span.

    Args:
        span: The span.
        bit: The exporter's bit in the mask.
    """
    wanted: int = getattr(span, _WANTED, ALL_EXPORTERS)
    return bool(wanted >> bit & 1)


def view_of(span: ReadableSpan, bit: int) -> ReadableSpan | None:
    """Return an ended span as one exporter is to see it.

    Args:
        span: The span.
        bit: The exporter's bit in the mask.

    Returns:
        The span itself if the exporter sees all of it, a changed copy, or None if the exporter does
        not want it.
    """
    if not is_wanted_by(span, bit):
        return None
    changes: dict[str, Any] = {}
    parents: Parents = getattr(span, _PARENTS, _NO_PARENTS)
    if bit in parents:
        changes["_parent"] = parents[bit]
    events = tuple(_events_of(span))
    wanted = tuple(event for event in events if _is_event_wanted_by(event, bit))
    if len(wanted) != len(events):
        changes["_events"] = _bounded_list(wanted, span.dropped_events)
    if not changes:
        return span
    view = copy.copy(span)
    for name, value in changes.items():
        setattr(view, name, value)
    return view


def _bounded_list(events: Iterable[Event], dropped: int) -> BoundedList[Event]:
    bounded: BoundedList[Event] = BoundedList(None)
    bounded.extend(tuple(events))
    bounded.dropped = dropped
    return bounded


def _events_of(span: ReadableSpan) -> Iterable[Event]:
    # The property of a lean span would make a list for a span without events.
    return (span._event_list or ()) if isinstance(span, LeanSpan) else span.events


def _is_event_wanted_by(event: Event, bit: int) -> bool:
    return type(event) is not FilteredEvent or bool(event.wanted >> bit & 1)
