"""The types of provider, tracer and span, beside the SDK's."""

from __future__ import annotations

import copy
import weakref

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tests.side_by_side.sides import assert_same

SUBJECTS = {
    "provider": (lambda side: side.provider, [trace.TracerProvider, sdk.TracerProvider]),
    "tracer": (lambda side: side.tracer, [trace.Tracer, sdk.Tracer]),
    "span": (lambda side: side.span(), [trace.Span, sdk.ReadableSpan, sdk.Span]),
}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS.keys())
def test_kinds(subject):
    """Each object is an instance of the same classes of the SDK and of the API."""
    make, kinds = subject

    def script(side):
        one = make(side)
        side.note([isinstance(one, kind) for kind in kinds])
        side.note([kind in type(one).__mro__ for kind in kinds])
        side.note(isinstance(one, trace.NonRecordingSpan))

    side = assert_same(script)
    assert [[True] * len(kinds)] * 2 == side.noted[:2]


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS.keys())
def test_public_names(subject):
    """Nothing public is missing."""
    make, _ = subject
    wanted = {}

    def script(side):
        names = {name for name in dir(make(side)) if not name.startswith("_")}
        wanted.setdefault("names", names)
        side.note(wanted["names"] - names)

    assert_same(script)


def test_the_finished_span():
    """At the end processors get a readable span that has ended."""

    def script(side):
        span = side.span()
        span.end()
        finished = side.ended[0]
        side.note(isinstance(finished, sdk.ReadableSpan), finished.end_time is not None)

    side = assert_same(script)
    assert [(True, True)] == side.noted


def test_unsampled_spans():
    """A span that is not sampled is a non-recording one, with ids of its own."""

    def script(side):
        span = side.tracer.start_span("a")
        side.note(span, isinstance(span, sdk.Span), isinstance(span, trace.NonRecordingSpan))
        for call in [
            lambda: span.set_attribute("a", 1),
            lambda: span.set_attributes({"a": 1}),
            lambda: span.add_event("e"),
            lambda: span.add_link(trace.INVALID_SPAN_CONTEXT),
            lambda: span.update_name("b"),
            lambda: span.set_status(trace.StatusCode.OK),
            lambda: span.record_exception(ValueError()),
            lambda: span.is_recording(),
            lambda: span.end(),
            lambda: span.end(3),
        ]:
            side.attempt(call)
        with side.tracer.start_as_current_span("b") as one:
            side.note(one, trace.get_current_span() is one)
            with side.tracer.start_as_current_span("c") as other:
                side.note(other)

    assert_same(script, sampler=lambda side: ALWAYS_OFF)


def test_a_span_is_an_object_like_any_other():
    """It is true, equal to itself alone, hashable, referable, and takes foreign attributes."""

    def script(side):
        one, other = side.span(), side.span()
        side.note(bool(one), one == other, one == one, len({one, other}))
        side.note(weakref.ref(one)() is one)
        one.foreign = 1
        side.note(one.foreign, vars(one)["foreign"])
        del one.foreign
        side.note(hasattr(one, "foreign"))
        side.note(hasattr(one, "unheard_of"))

    assert_same(script)


def test_copies_of_a_finished_span():
    """A finished span can be copied as the SDK's can be, flat and deep."""

    def script(side):
        with side.span(attributes={"a": [1, 2]}) as span:
            span.add_event("e", {"b": 1})
        finished = side.ended[0]
        side.note(copy.copy(finished))
        side.attempt(copy.deepcopy, finished)

    assert_same(script)


def test_a_span_is_made_by_a_tracer():
    """The class of the SDK cannot be called."""
    assert_same(lambda side: sdk.Span("a", None), raises=TypeError)


def test_private_attributes_that_programs_read():
    """The attributes of the SDK's span that programs are known to read exist."""
    names = (
        "name context kind parent resource attributes events links status start_time end_time "
        "instrumentation_scope"
    ).split()

    def script(side):
        span = side.span(attributes={"a": 1}, start_time=5)
        span.add_event("e", timestamp=6)
        side.note([getattr(span, f"_{name}") for name in names])
        side.note(span._span_processor is side.tracer.span_processor)
        side.note(span._sampler is side.provider.sampler, type(span._limits))
        side.note(span._record_exception, span._set_status_on_exception)
        side.note(span._readable_span())
        side.note(type(span._attributes), type(span._events), type(span._links))
        span._lock.acquire()
        span._lock.release()
        span.end(7)
        side.note([getattr(side.ended[0], f"_{name}") for name in names])

    assert_same(script)
