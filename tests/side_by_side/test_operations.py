"""Calls on a span while it is open and after its end, beside the SDK's."""

from __future__ import annotations

import itertools

import pytest
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, Status, StatusCode

from tests.side_by_side.sides import assert_same
from tests.side_by_side.test_starting import remote


class BrokenError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


STATUSES = {
    "unset": (StatusCode.UNSET,),
    "ok": (StatusCode.OK,),
    "error": (StatusCode.ERROR,),
    "error with description": (StatusCode.ERROR, "why"),
    "ok with description": (StatusCode.OK, "why"),
    "unset with description": (StatusCode.UNSET, "why"),
    "description of a wrong type": (StatusCode.ERROR, 7),
    "Status unset": (Status(),),
    "Status ok": (Status(StatusCode.OK),),
    "Status error": (Status(StatusCode.ERROR, "because"),),
    "Status and description": (Status(StatusCode.ERROR, "because"), "why"),
    "Status ok and description": (Status(StatusCode.OK), "why"),
    "Status unset and description": (Status(StatusCode.UNSET), "why"),
    "number": (2,),
    "text": ("ERROR",),
    "none": (None,),
}


@pytest.mark.parametrize("first", STATUSES.values(), ids=STATUSES.keys())
def test_statuses(first):
    """Every sequence of two and three statuses ends with the same one."""

    def script(side):
        for rest in itertools.product(STATUSES.values(), repeat=2):
            span = side.span()
            for status in (first, *rest):
                side.attempt(span.set_status, *status)
                side.note(span.status)
        side.attempt(span.set_status, status=StatusCode.ERROR, description="named")
        span.end()

    assert_same(script, processors=lambda side: [])


def test_updated_names():
    """The last name applies, whatever it is."""

    def script(side):
        for name in ["b", "", None, 7, "c" * 1000]:
            with side.span("a") as span:
                side.attempt(span.update_name, name)
                side.note(span.name)
                side.attempt(span.update_name, name="named")

    assert_same(script)


@pytest.mark.parametrize("timestamp", [None, 0, 1, -1, 10**12, 1.5, "noon", True], ids=repr)
@pytest.mark.parametrize("name", ["e", "", None, 7], ids=repr)
def test_events(name, timestamp):
    """Events have the name and the time of the call."""

    def script(side):
        with side.span() as span:
            side.attempt(span.add_event, name, {"a": 1}, timestamp)
            side.attempt(span.add_event, name, timestamp=timestamp)
            side.attempt(span.add_event, name=name, attributes=None, timestamp=timestamp)
            side.note(span.events, span.dropped_events)

    assert_same(script)


def test_the_events_of_a_span():
    """They are a snapshot of the events, in a tuple, of the SDK's class."""

    def script(side):
        span = side.span()
        early = span.events
        span.add_event("a")
        side.note(early, span.events, type(span.events[0]) is Event)
        span.end()
        side.note(span.events is span.events, side.ended[0].events)
        side.note(span.events[0] is side.ended[0].events[0])

    assert_same(script)


@pytest.mark.parametrize(
    "context",
    [
        remote(),
        remote(sampled=False),
        remote(trace_id=0),
        remote(trace_id=0, state=[("a", "1")]),
        INVALID_SPAN_CONTEXT,
        None,
        "context",
    ],
    ids=str,
)
@pytest.mark.parametrize("attributes", [None, {}, {"a": 1}, {"": 1}], ids=str)
def test_added_links(context, attributes):
    """Links are added or rejected alike."""

    def script(side):
        with side.span(links=[Link(remote(span_id=77))]) as span:
            early = span.links
            side.attempt(span.add_link, context, attributes)
            side.attempt(span.add_link, context=context, attributes=attributes)
            side.note(early, span.links, [type(link) is Link for link in span.links])

    assert_same(script)


ERRORS = {
    "raised": lambda: raised(ValueError("no luck")),
    "never raised": lambda: ValueError("no luck"),
    "empty": lambda: raised(ValueError()),
    "several arguments": lambda: raised(ValueError("a", 2)),
    "key": lambda: raised(KeyError("a")),
    "base": lambda: raised(KeyboardInterrupt()),
    "generator exit": lambda: raised(GeneratorExit()),
    "own": lambda: raised(type("Own", (Exception,), {"__module__": "shop.errors"})("x")),
    "no module": lambda: raised(type("Own", (Exception,), {"__module__": None})("x")),
    "empty module": lambda: raised(type("Own", (Exception,), {"__module__": ""})("x")),
    "builtins": lambda: raised(type("Own", (Exception,), {"__module__": "builtins"})("x")),
    "local": lambda: raised(type("Own", (Exception,), {"__qualname__": "f.<locals>.Own"})("x")),
    "broken": lambda: raised(BrokenError("x")),
    "cause": lambda: raised(chained()),
    "recursive": lambda: recursive(),
    "class": lambda: ValueError,
    "text": lambda: "error",
    "none": lambda: None,
    "long": lambda: raised(ValueError("x" * 50_000)),
    "control characters": lambda: raised(ValueError("a\0\x1b[31m\ud800")),
}


def chained():
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        return error


def recursive():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return raised(first)


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_recorded_exceptions(error):
    """An exception becomes the same event, stack trace included."""

    def script(side):
        with side.span() as span:
            side.attempt(span.record_exception, error())
            side.attempt(span.record_exception, error(), {"a": 1, "exception.type": "mine"})
            side.attempt(span.record_exception, error(), {"": 1, "b": [1, "x"]}, 5)
            side.attempt(span.record_exception, error(), {}, 0, True)
            side.attempt(span.record_exception, exception=error(), escaped="yes")
            side.note(span.events, span.status)

    assert_same(script)


def test_recorded_attributes_of_a_wrong_type():
    """They are rejected alike, and the event is added or not alike."""

    def script(side):
        with side.span() as span:
            for attributes in [7, "abc", [("a", 1)], [1]]:
                side.attempt(span.record_exception, ValueError("x"), attributes)

    assert_same(script)


ENDED = {
    "set_attribute": lambda span: span.set_attribute("b", 2),
    "set_bad_attribute": lambda span: span.set_attribute("", object()),
    "set_attributes": lambda span: span.set_attributes({"b": 2}),
    "set_no_attributes": lambda span: span.set_attributes({}),
    "set_attributes_of_none": lambda span: span.set_attributes(None),
    "add_event": lambda span: span.add_event("late", {"": 1, "b": 1}),
    "add_link": lambda span: span.add_link(remote(), {"b": object()}),
    "add_invalid_link": lambda span: span.add_link(INVALID_SPAN_CONTEXT),
    "update_name": lambda span: span.update_name("late"),
    "set_status": lambda span: span.set_status(StatusCode.ERROR, "late"),
    "set_no_status": lambda span: span.set_status(None),
    "record_exception": lambda span: span.record_exception(raised(ValueError("late"))),
    "end": lambda span: span.end(),
    "end at a time": lambda span: span.end(end_time=9),
    "start": lambda span: span.start(),
    "start at a time": lambda span: span.start(5),
    "is_recording": lambda span: span.is_recording(),
    "get_span_context": lambda span: span.get_span_context(),
    "with": lambda span: span.__enter__() is span and span.__exit__(None, None, None),
    "with an error": lambda span: span.__exit__(ValueError, ValueError("x"), None),
    "to_json": lambda span: without_resource(span.to_json()),
}


@pytest.mark.parametrize("call", ENDED.values(), ids=ENDED.keys())
def test_after_the_end(call):
    """The same is logged, and the span that the processors got does not change."""

    def script(side):
        span = side.span(attributes={"a": 1}, start_time=1)
        span.add_event("e", timestamp=2)
        span.set_status(StatusCode.ERROR, "early")
        span.end(3)
        side.attempt(call, span)
        side.attempt(call, span)
        side.note(span, side.ended)

    side = assert_same(script)
    assert 1 == len(side.ended)


@pytest.mark.parametrize("call", ENDED.values(), ids=ENDED.keys())
def test_before_the_end(call):
    """The same calls on a span that is open."""

    def script(side):
        span = side.span(attributes={"a": 1}, start_time=1)
        side.attempt(call, span)
        side.attempt(call, span)
        span.end(3)
        side.note(span, side.ended)

    assert_same(script)


def test_the_context_of_a_span():
    """It is the same object wherever it is read."""

    def script(side):
        span = side.span()
        child = side.span("child", context=side.seen.setdefault("context", in_span(span)))
        side.note(span.context is span.get_span_context(), span.context is span.context)
        side.note(child.parent is span.context, child.parent == span.context)
        span.end()
        side.note(side.ended[0].context is span.context)
        side.note(side.ended[0].get_span_context() is span.context)

    assert_same(script)


def in_span(span):
    from opentelemetry import context, trace

    return trace.set_span_in_context(span, context.Context())


def test_json():
    """`to_json` writes the same text, of a live span and of a finished one."""

    def script(side):
        parent = side.span("parent", start_time=1)
        options = {
            "attributes": {"a": 1, "b": [1, 2], "c": None},
            "links": [Link(remote(), {"l": 1})],
        }
        span = side.span("child", context=in_span(parent), start_time=0, **options)
        span.add_event("e", {"x": "y"}, timestamp=3 * 10**9)
        side.note(without_resource(span.to_json()))
        span.set_status(StatusCode.ERROR, "why")
        span.end(7 * 10**9)
        side.attempt(lambda: without_resource(span.to_json(indent=None)))
        side.attempt(lambda: without_resource(side.ended[0].to_json(2)))

    assert_same(script)


def without_resource(json):
    return json.partition('"resource"')[0]


def test_json_of_odd_values():
    """A value that JSON does not have fails alike."""

    def script(side):
        span = side.span(attributes={"a": b"bytes", "b": {"c": 1}}, start_time=1)
        span.end(2)
        side.attempt(lambda: without_resource(span.to_json()))
        side.attempt(lambda: without_resource(side.ended[0].to_json()))

    assert_same(script)
