"""The arguments of `start_span`, beside the SDK's."""

from __future__ import annotations

import time

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
)

from tests.side_by_side.sides import assert_same


def remote(*, sampled=True, is_remote=True, trace_id=0xABC, span_id=0xDEF, flags=None, state=()):
    flags = int(sampled) if flags is None else flags
    return SpanContext(trace_id, span_id, is_remote, TraceFlags(flags), TraceState(list(state)))


def in_context(span):
    return trace.set_span_in_context(span, context_api.Context({"other": 1}))


PARENTS = {
    "none": lambda side: None,
    "empty": lambda side: context_api.Context(),
    "no span": lambda side: context_api.Context({"other": 1}),
    "span": lambda side: in_context(side.span("parent")),
    "ended span": lambda side: in_context(ended(side)),
    "remote": lambda side: in_context(NonRecordingSpan(remote())),
    "local": lambda side: in_context(NonRecordingSpan(remote(is_remote=False))),
    "unsampled": lambda side: in_context(NonRecordingSpan(remote(sampled=False))),
    "random id": lambda side: in_context(NonRecordingSpan(remote(flags=3))),
    "unsampled, random id": lambda side: in_context(NonRecordingSpan(remote(flags=2))),
    "all flags": lambda side: in_context(NonRecordingSpan(remote(flags=255))),
    "with state": lambda side: in_context(NonRecordingSpan(remote(state=[("a", "1"), ("b", "2")]))),
    "invalid": lambda side: in_context(INVALID_SPAN),
    "no trace id": lambda side: in_context(NonRecordingSpan(remote(trace_id=0))),
    "no span id": lambda side: in_context(NonRecordingSpan(remote(span_id=0))),
    "too long": lambda side: in_context(NonRecordingSpan(remote(trace_id=1 << 130))),
    "no context": lambda side: in_context(NonRecordingSpan(None)),
    "no span context": lambda side: in_context(NonRecordingSpan("abc")),
    "no span at all": lambda side: in_context("abc"),
}


def ended(side):
    span = side.span("parent")
    span.end()
    return span


@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS.keys())
@pytest.mark.parametrize("around", [False, True], ids=["alone", "inside"])
def test_a_parent_in_the_context_argument(parent, around):
    """The trace, the parent and the flags come from the argument."""

    def script(side):
        if around:
            context_api.attach(trace.set_span_in_context(side.span("around")))
        context = parent(side)
        for call in [
            lambda: side.tracer.start_span("child", context),
            lambda: side.tracer.start_span("child", context=context),
        ]:
            span = side.attempt(call)
            if span is not None:
                span.set_attribute("a", 1)
                span.end()
                side.note(span)

    assert_same(script)


@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS.keys())
def test_a_parent_that_is_current(parent):
    """The same parents, in the current context."""

    def script(side):
        context_api.attach(parent(side) or context_api.Context())
        span = side.attempt(side.tracer.start_span, "child")
        if span is not None:
            span.end()

    assert_same(script)


@pytest.mark.parametrize("kind", [*SpanKind, "client", None, 3], ids=str)
def test_kinds(kind):
    """The kind is that of the argument."""

    def script(side):
        side.tracer.start_span("a", None, kind).end()
        side.tracer.start_span("b", kind=kind).end()

    assert_same(script)


@pytest.mark.parametrize("name", ["", "work", "ä/ö ☃", "x" * 5000, None, 7, b"bytes"], ids=repr)
def test_names(name):
    """The name is that of the argument."""
    side = assert_same(lambda side: side.tracer.start_span(name).end())
    assert [name] == [span.name for span in side.ended]


@pytest.mark.parametrize("start", [None, 0, 1, -5, 17, 10**12, True, 1.5, "noon"], ids=repr)
@pytest.mark.parametrize("end", [None, 0, 1, -5, 10**12, 0.5, "later"], ids=repr)
def test_times(start, end):
    """Times are used as they are."""

    def script(side):
        span = side.tracer.start_span("a", start_time=start)
        side.attempt(span.end, end)
        side.note(span.is_recording())
        side.attempt(span.end, end_time=end)

    assert_same(script)


def test_times_of_the_clock():
    """Without an argument the time is that of the wall clock, in nanoseconds."""

    def script(side):
        before = time.time_ns()
        span = side.span()
        side.note(before <= span.start_time <= time.time_ns())
        span.add_event("e")
        middle = time.time_ns()
        side.note(span.start_time <= span.events[0].timestamp <= middle)
        span.end()
        side.note(middle <= span.end_time <= time.time_ns())
        side.note(span.end_time == side.ended[0].end_time)

    side = assert_same(script)
    assert [True] * 4 == side.noted


class Starts(sdk.SpanProcessor):
    def __init__(self, side):
        self.side = side

    def on_start(self, span, parent_context=None):
        self.side.seen["started"] = time.time_ns()
        self.side.note(span.start_time <= self.side.seen["started"])


def test_the_start_is_before_the_processors():
    """Processors see the start time, and their own time counts for the span."""

    def script(side):
        before = time.time_ns()
        span = side.span()
        side.note(before <= span.start_time <= side.seen["started"])
        span.end()

    side = assert_same(script, processors=lambda side: [Starts(side)])
    assert [True, True] == side.noted


LINKS = {
    "none": lambda: None,
    "empty tuple": lambda: (),
    "empty list": list,
    "one": lambda: [Link(remote())],
    "tuple": lambda: (Link(remote()), Link(remote(span_id=1))),
    "attributes": lambda: [Link(remote(), {"a": 1, "": 2, "b": object, "c": [1, "x"]})],
    "invalid": lambda: [Link(INVALID_SPAN_CONTEXT)],
    "invalid with attributes": lambda: [Link(INVALID_SPAN_CONTEXT, {"a": 1})],
    "invalid with state": lambda: [Link(remote(trace_id=0, state=[("a", "1")]))],
    "no context": lambda: [Link(None), Link(None, {"a": 1})],
    "none among": lambda: [Link(remote()), None, Link(remote(span_id=2))],
    "iterator": lambda: iter([Link(remote())]),
    "no links": lambda: [1, 2],
    "no sequence": lambda: 7,
    "many": lambda: [Link(remote(span_id=number)) for number in range(1, 200)],
    "many attributes": lambda: [Link(remote(), {f"a{n}": n for n in range(150)})],
    "the same twice": lambda: [Link(remote())] * 2,
}


@pytest.mark.parametrize("links", LINKS.values(), ids=LINKS.keys())
def test_links(links):
    """Links are checked, cleaned and bounded alike."""

    def script(side):
        given = links()
        span = side.attempt(lambda: side.tracer.start_span("a", links=given))
        if span is not None:
            side.note(span.links)
            span.end()
        if isinstance(given, list):
            # The SDK cleans the links that it is given, in place.
            side.note(given)

    assert_same(script)


def test_links_that_change_after_the_start():
    """The span keeps the links of its start."""

    def script(side):
        given = [Link(remote(), attributes := {"a": 1})]
        span = side.span(links=given)
        given.append(Link(remote(span_id=5)))
        attributes["b"] = 2
        side.note(span.links)
        span.end()

    assert_same(script)


def test_all_arguments_by_position():
    """Arguments are taken in the order of the interface."""

    def script(side):
        context = in_context(NonRecordingSpan(remote()))
        links = [Link(remote(span_id=9))]
        span = side.tracer.start_span(
            "a", context, SpanKind.CLIENT, {"a": 1}, links, 5, False, False
        )
        with pytest.raises(KeyError), span:
            raise KeyError("x")
        side.note(span)

    side = assert_same(script)
    assert [(5, ())] == [(span.start_time, span.events) for span in side.ended]


@pytest.mark.parametrize("record", [True, False, None, 1, ""])
@pytest.mark.parametrize("status", [True, False, None, 1, ""])
def test_the_options_about_exceptions(record, status):
    """`record_exception` and `set_status_on_exception` apply to `with span:`."""

    def script(side):
        options = {"record_exception": record, "set_status_on_exception": status}
        with side.tracer.start_span("a", **options):
            raise ValueError("no luck")

    assert_same(script, raises=ValueError)


def test_calls_that_do_not_fit():
    """Arguments that the interface does not have are rejected."""

    def script(side):
        side.attempt(side.tracer.start_span)
        side.attempt(side.tracer.start_span, "a", colour=1)
        side.attempt(side.tracer.start_span, "a", None, SpanKind.CLIENT, {}, (), 1, True, True, 9)
        side.attempt(side.tracer.start_span, "a", name="b")

    side = assert_same(script)
    assert ["TypeError"] * 4 == side.raised


def test_a_context_of_another_type():
    """Any other object than a context has the same effect."""

    def script(side):
        for context in [{}, {"a": 1}, 7, "context"]:
            side.attempt(side.tracer.start_span, "a", context)

    assert_same(script)
