"""Each exporter's own view of a trace: without the spans and events that it does not want.

Who wants a span is remembered on it, together with the parents that it has in the eyes of those who
do not want its real one: the nearest span above it that they do want. A span that everyone wants,
below spans that everyone wants, is left as it was made.
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
from tracekit._recording.filter_decisions import EventName, recorded_span_around
from tracekit._sdk.span import LeanSpan

_WANTED: Final = "_tracekit_wanted"
_PARENTS: Final = "_tracekit_parents"

Parents = Mapping[int, "SpanContext | None"]


class PartlyWanted(sdk.Span):
    """A span of the SDK's own that some exporters want, or that hangs elsewhere for some."""

    _tracekit_wanted: int
    _tracekit_parents: Parents

    def _readable_span(self) -> ReadableSpan:
        readable = super()._readable_span()
        setattr(readable, _WANTED, self._tracekit_wanted)
        setattr(readable, _PARENTS, self._tracekit_parents)
        return readable


def is_partly_wanted(span: Span) -> bool:
    """Whether some exporter does not want a span, or sees it elsewhere in the tree."""
    made = recorded_span_around(span)
    wanted: int = getattr(made, _WANTED, ALL_EXPORTERS)
    return wanted != ALL_EXPORTERS or bool(getattr(made, _PARENTS, None))


def remember(span: Span, wanted: int, around: Span, exporters: int) -> None:
    """Remember who wants a span, and where it hangs for those who do not want its parent.

    Args:
        span: The span that was just started.
        wanted: The mask of those who want it.
        around: Its parent.
        exporters: How many exporters there are.
    """
    parents = _parents_below(recorded_span_around(around), exporters)
    if isinstance(span, sdk.Span) and (wanted != ALL_EXPORTERS or parents):
        if not isinstance(span, LeanSpan):
            # The SDK names the class that it makes; the instance stays what it is otherwise.
            span.__class__ = PartlyWanted
        setattr(span, _WANTED, wanted)
        setattr(span, _PARENTS, parents)


def _parents_below(around: Span, exporters: int) -> Parents:
    wanted: int = getattr(around, _WANTED, ALL_EXPORTERS)
    above: Parents = getattr(around, _PARENTS, {})
    if wanted == ALL_EXPORTERS and not above:
        return {}
    return {
        bit: above.get(bit, getattr(around, "parent", None))
        for bit in range(exporters)
        if not wanted >> bit & 1
    }


def is_wanted_by(span: ReadableSpan, bit: int) -> bool:
    """Whether one exporter is to see a span at all."""
    wanted: int = getattr(span, _WANTED, ALL_EXPORTERS)
    return bool(wanted >> bit & 1)


def view_of(span: ReadableSpan, bit: int) -> ReadableSpan | None:
    """A finished span as one exporter is to see it.

    Args:
        span: The span.
        bit: Which of the filters is the exporter's.

    Returns:
        The span itself where nothing is different, a copy, or None where it is not wanted.
    """
    if not is_wanted_by(span, bit):
        return None
    changes: dict[str, Any] = {}
    parents: Parents = getattr(span, _PARENTS, {})
    if bit in parents:
        changes["_parent"] = parents[bit]
    events = tuple(_events_of(span))
    wanted = tuple(event for event in events if _is_for(event.name, bit))
    if len(wanted) != len(events):
        changes["_events"] = _with_count(wanted, span.dropped_events)
    if not changes:
        return span
    view = copy.copy(span)
    for name, value in changes.items():
        setattr(view, name, value)
    return view


def _with_count(events: Iterable[Event], dropped: int) -> BoundedList[Event]:
    bounded: BoundedList[Event] = BoundedList(None)
    bounded.extend(tuple(events))
    bounded.dropped = dropped
    return bounded


def _events_of(span: ReadableSpan) -> Iterable[Event]:
    # Asked for by its name, a lean span would make a list to put no events in.
    return (span._event_list or ()) if isinstance(span, LeanSpan) else span.events


def _is_for(name: str, bit: int) -> bool:
    return type(name) is not EventName or bool(name.wanted >> bit & 1)
