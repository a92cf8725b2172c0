"""Each exporter's view of a trace, without the spans and events that it does not want.

A span records the mask of the exporters that want it. For each exporter that does not want its
parent, it also records the nearest span above that this exporter does want. A span that all
exporters want, below spans that all exporters want, has no such record.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Span, SpanContext
from opentelemetry.util.types import Attributes

from tracekit._filters.filter_set import ALL_EXPORTERS
from tracekit._recording.filter_decisions import FilterAwareSpan, nearest_recorded_span

_MASK: Final = "exporter_mask"
_PARENTS: Final = "_tracekit_parents"

# Parents by the bit of the exporter that sees them.
Parents = Mapping[int, "SpanContext | None"]
_NO_PARENTS: Final[Parents] = {}


class FilteredEvent(sdk.Event):
    """An event with the mask of the exporters that want it."""

    def __init__(self, exporter_mask: int, name: str, attributes: Attributes) -> None:
        super().__init__(name, attributes)
        self.exporter_mask = exporter_mask


class MaskedSpan(sdk.Span, FilterAwareSpan):
    """A span of the SDK that records which exporters want it, and which want its events."""

    # For a subclass with slots.
    __slots__ = ()

    _tracekit_parents: Parents = _NO_PARENTS

    def add_filtered_event(self, exporter_mask: int, name: str, attributes: Attributes) -> None:
        """Add an event as `add_event` does, for some exporters."""
        limits = self._limits
        bounded = BoundedAttributes(
            limits.max_event_attributes, attributes, max_value_len=limits.max_attribute_length
        )
        self._add_event(FilteredEvent(exporter_mask, name, bounded))

    def _readable_span(self) -> ReadableSpan:
        readable = super()._readable_span()
        setattr(readable, _MASK, self.exporter_mask)
        setattr(readable, _PARENTS, self._tracekit_parents)
        return readable


def specialize(span: Span) -> Span:
    """Return a span that the SDK made, as one that can record which exporters want it.

    The SDK has no parameter for the class of its spans. A new class for the same instance keeps
    every attribute that a release of the SDK sets.
    """
    if isinstance(span, sdk.Span):
        span.__class__ = MaskedSpan
    return span


def has_wanted_record(span: Span) -> bool:
    """Whether some exporter does not want a span, or sees another parent of it."""
    recorded = nearest_recorded_span(span)
    mask: int = getattr(recorded, _MASK, ALL_EXPORTERS)
    return mask != ALL_EXPORTERS or bool(getattr(recorded, _PARENTS, None))


def record_wanted(span: Span, exporter_mask: int, parent_span: Span, exporters: int) -> None:
    """Record on a new span which exporters want it, and its parents for the others.

    `exporters` is the number of all exporters.
    """
    if isinstance(span, MaskedSpan):
        span.exporter_mask = exporter_mask
        span._tracekit_parents = _parents_below(nearest_recorded_span(parent_span), exporters)


def _parents_below(parent_span: Span, exporters: int) -> Parents:
    mask: int = getattr(parent_span, _MASK, ALL_EXPORTERS)
    above: Parents = getattr(parent_span, _PARENTS, _NO_PARENTS)
    if mask == ALL_EXPORTERS and not above:
        return _NO_PARENTS
    return {
        bit: above.get(bit, getattr(parent_span, "parent", None))
        for bit in range(exporters)
        if not mask >> bit & 1
    }


def is_wanted_by(span: ReadableSpan, bit: int) -> bool:
    """Whether the exporter with a bit of the mask wants a span."""
    mask: int = getattr(span, _MASK, ALL_EXPORTERS)
    return bool(mask >> bit & 1)


def view_of(span: ReadableSpan, bit: int) -> ReadableSpan:
    """Return an ended span as one exporter that wants it is to see it.

    The result is the span itself if the exporter sees all of it, or else a changed copy. `bit` is
    the exporter's bit in the mask.
    """
    changes: dict[str, Any] = {}
    parents: Parents = getattr(span, _PARENTS, _NO_PARENTS)
    if bit in parents:
        changes["_parent"] = parents[bit]
    events = span.events
    wanted = [event for event in events if _is_event_wanted_by(event, bit)]
    if len(wanted) != len(events):
        bounded: BoundedList[Event] = BoundedList(None)
        bounded.extend(wanted)
        bounded.dropped = span.dropped_events
        changes["_events"] = bounded
    if not changes:
        return span
    view = copy.copy(span)
    for name, value in changes.items():
        setattr(view, name, value)
    return view


def _is_event_wanted_by(event: Event, bit: int) -> bool:
    return type(event) is not FilteredEvent or bool(event.exporter_mask >> bit & 1)
