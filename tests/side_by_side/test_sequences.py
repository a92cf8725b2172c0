"""Any sequence of operations, beside the SDK's."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from tests.side_by_side.sides import assert_same
from tests.side_by_side.test_starting import remote

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.just(object),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4),
    st.lists(st.integers(), max_size=4).map(tuple),
    st.dictionaries(st.text(max_size=2), SCALARS, max_size=3),
)
KEYS = st.one_of(st.sampled_from(["a", "b", "c", "d", ""]), st.text(max_size=3), st.none())
ATTRIBUTES = st.one_of(st.none(), st.dictionaries(KEYS, VALUES, max_size=5))
TIMES = st.one_of(st.none(), st.integers(-5, 10**15))
WHICH = st.integers(0, 3)
STATUSES = st.one_of(
    st.tuples(st.sampled_from(StatusCode)),
    st.tuples(st.sampled_from(StatusCode), st.one_of(st.none(), st.text(max_size=4))),
    st.tuples(st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "x")])),
    st.tuples(st.just(Status(StatusCode.ERROR, "y")), st.text(max_size=4)),
)
CONTEXTS = st.builds(
    remote,
    sampled=st.booleans(),
    is_remote=st.booleans(),
    trace_id=st.sampled_from([0, 1, 5]),
    span_id=st.sampled_from([0, 1, 5]),
)


def calls(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Calls of a method of one of the spans."""
    return st.tuples(st.just(name), WHICH, st.tuples(*arguments))


OPERATIONS = st.one_of(
    st.tuples(
        st.just("start"),
        WHICH,
        st.tuples(
            st.text(max_size=4),
            st.sampled_from(["current", "child", "root", "remote"]),
            st.sampled_from(SpanKind),
            ATTRIBUTES,
            st.lists(st.tuples(CONTEXTS, ATTRIBUTES), max_size=4),
            TIMES,
        ),
    ),
    st.tuples(st.just("enter"), WHICH, st.tuples(st.booleans())),
    st.tuples(st.just("read"), WHICH, st.tuples()),
    calls("set_attribute", KEYS, VALUES),
    calls("set_attributes", ATTRIBUTES.filter(bool)),
    calls("add_event", st.text(max_size=4), ATTRIBUTES, TIMES),
    calls("add_link", CONTEXTS, ATTRIBUTES),
    calls("update_name", st.text(max_size=4)),
    STATUSES.flatmap(lambda status: calls("set_status", *map(st.just, status))),
    calls("record_exception", st.builds(ValueError, st.text(max_size=4)), ATTRIBUTES, TIMES),
    calls("end", TIMES),
    calls("start", TIMES).map(lambda call: ("start_again", *call[1:])),
)

SMALL = st.one_of(st.just(SpanLimits.UNSET), st.integers(0, 4))
LIMITS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "max_attributes": SMALL,
            "max_events": SMALL,
            "max_links": SMALL,
            "max_span_attributes": SMALL,
            "max_event_attributes": SMALL,
            "max_link_attributes": SMALL,
            "max_attribute_length": SMALL,
            "max_span_attribute_length": SMALL,
        },
    ),
)


class Player:
    """Plays operations on up to four spans of a side."""

    def __init__(self, side: Any) -> None:
        self.side = side
        self.spans = [side.span("first")]

    def play(self, operation: Any) -> None:
        name, which, arguments = operation
        span = self.spans[which % len(self.spans)]
        if name == "start":
            self._start(span, *arguments)
        elif name == "enter":
            self.side.attempt(self._enter, span, *arguments)
        elif name == "read":
            self.side.note(span)
        else:
            self.side.attempt(getattr(span, name.removesuffix("_again")), *arguments)

    def _start(self, around, name, parent, kind, attributes, links, start):
        context = {
            "current": None,
            "child": trace.set_span_in_context(around, context_api.Context()),
            "root": context_api.Context(),
            "remote": trace.set_span_in_context(trace.NonRecordingSpan(remote())),
        }[parent]
        # Made for each side: the SDK cleans the links that it is given, in place.
        links = [Link(*link) for link in links]
        start_span = self.side.tracer.start_span
        span = self.side.attempt(start_span, name, context, kind, attributes, links, start)
        if span is not None:
            self.spans = [*self.spans, span][-4:]

    def _enter(self, span, fails):
        with trace.use_span(span, end_on_exit=fails):
            self.side.tracer.start_span("inside").end()
            if fails:
                raise KeyError("inside")


@given(st.lists(OPERATIONS, max_size=15), LIMITS)
def test_any_sequence(operations, limits):
    """Any calls on spans in any order have the same effect."""

    def script(side):
        player = Player(side)
        for operation in operations:
            player.play(operation)
        for span in player.spans:
            span.end()
        side.note(player.spans, side.ended)

    assert_same(script, limits=None if limits is None else lambda: SpanLimits(**limits))
