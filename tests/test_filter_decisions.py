"""Filter scopes and events on spans of every class."""

from __future__ import annotations

import gc

from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan

from tracekit._filters.filter_set import FilterScope, FilterSet
from tracekit._recording import filter_decisions
from tracekit._recording.filter_decisions import SuppressedSpan, add_event, open_scope, scope_of

SCOPE = FilterScope(FilterSet([]), ())


class ForeignSpan(NonRecordingSpan):
    """A span of another SDK."""

    def __init__(self):
        super().__init__(INVALID_SPAN_CONTEXT)
        self.names = []

    def is_recording(self):
        return True

    def add_event(self, name, attributes=None, timestamp=None):
        self.names.append(name)


def test_a_filtered_event_reaches_a_foreign_span_through_a_suppressed_span():
    """No exporter of tracekit sees the foreign span, so the mask has no effect."""
    foreign = ForeignSpan()
    add_event(SuppressedSpan(foreign, SCOPE), 1, "kept", {})
    assert ["kept"] == foreign.names


def test_the_scope_of_a_foreign_span_sets_no_attribute():
    """It is found until the span is collected."""
    foreign = ForeignSpan()
    before = dict(vars(foreign))
    open_scope(foreign, SCOPE)
    assert SCOPE is scope_of(foreign)
    assert before == vars(foreign)
    key = id(foreign)
    del foreign
    gc.collect()
    assert key not in filter_decisions._scopes
