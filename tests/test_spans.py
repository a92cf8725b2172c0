"""What is recorded in a function's body."""

from __future__ import annotations

import asyncio
import logging

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from tracekit import InstrumentationError, event, record, span
from tracekit._base.log import forget_logged_warnings
from tracekit.testing import capture_spans

REMOTE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


def test_a_span_around_a_block(spans):
    """Dotted names are given in the mapping, plain names as keywords. Blocks nest."""
    with span("outer", {"cache.key": "k"}, hit=False), span("inner"):
        pass
    assert spans == [("outer", {"cache.key": "k", "hit": False}, ["inner"])]


def test_the_variable_is_the_current_span(spans):
    """It is an OpenTelemetry span."""
    with span("work") as current:
        assert current is trace.get_current_span()
        current.set_attribute("later", 1)
    assert {"later": 1} == spans["work"].attributes


def test_target_kind_parent_and_links(spans):
    """They are as for `@instrument`. The default target is the calling module."""
    with span("work", kind="producer", parent=REMOTE, links=[REMOTE], target="shop"):
        pass
    with span("here"):
        pass
    made = spans["work"].span
    assert SpanKind.PRODUCER == made.kind
    assert REMOTE == made.parent
    assert "shop" == made.instrumentation_scope.name
    assert REMOTE == made.links[0].context
    assert __name__ == spans["here"].span.instrumentation_scope.name


def test_without_a_parent_a_new_trace_starts(spans):
    """`parent=None` makes a root."""
    with span("outer"), span("root", parent=None):
        pass
    assert spans == ["outer", "root"]


def test_an_exception_is_recorded_and_reaches_the_caller(spans):
    """The span does not swallow it."""
    with pytest.raises(ValueError, match="boom"), span("work"):
        raise ValueError("boom")
    assert "ERROR: ValueError: boom" == spans["work"].status


def test_a_filtered_span_leaves_no_gap():
    """The block runs, and its children attach to the parent."""
    with capture_spans(filter="info") as spans:
        with span("outer"), span("middle", level="debug") as current:
            current.set_attribute("lost", 1)
            with span("inner"):
                pass
    assert spans == [("outer", {}, ["inner"])]


class Hostile:
    """Whatever is asked of it raises."""

    def __repr__(self):
        raise ValueError

    def __iter__(self):
        raise ValueError

    @property
    def __class__(self):
        raise ValueError


class HostileMapping(dict):
    def keys(self):
        raise ValueError

    def __iter__(self):
        raise ValueError


DATA = {
    "none": None,
    "empty text": "",
    "blank": "  ",
    "text": "headers",
    "bytes": b"headers",
    "number": 7,
    "nan": float("nan"),
    "list": [7],
    "pairs": [("a", 1)],
    "set": {7},
    "iterator": iter([7]),
    "type": dict,
    "object": object(),
    "hostile": Hostile(),
    "hostile mapping": HostileMapping(a=1),
    "numbers": {7: 7},
    "mapping of mappings": {"traceparent": {"a": 7}},
}

CALLS = {
    "span: name": lambda value: span(value),
    "span: attributes": lambda value: span("work", value),
    "span: level": lambda value: span("work", level=value),
    "span: target": lambda value: span("work", target=value),
    "span: kind": lambda value: span("work", kind=value),
    "span: parent": lambda value: span("work", parent=value),
    "span: links": lambda value: span("work", links=value),
    "span: one of the links": lambda value: span("work", links=[value]),
    "span: field": lambda value: span("work", field=value),
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
def test_no_argument_of_a_span_raises(spans, make, data):
    """Arguments are data of the running program; the span is made from what can be used."""
    with make(DATA[data]):
        pass
    assert 1 == len(spans)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "call",
    [
        lambda value: event(value),
        lambda value: event("miss", value),
        lambda value: event("miss", level=value),
        lambda value: event("miss", target=value),
    ],
    ids=["name", "attributes", "level", "target"],
)
def test_no_argument_of_an_event_raises(spans, call, data):
    """The event is added with what can be used."""
    with span("work"):
        call(DATA[data])
    assert 1 == len(spans["work"].events)


@pytest.mark.parametrize("data", DATA)
def test_no_argument_of_record_raises(spans, data):
    """A mapping or pairs are recorded, and anything else is left out."""
    with span("work"):
        record(DATA[data], kept=True)
    assert spans["work"].attributes["kept"]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: span(""), "span"),
        (lambda: span(None), "span"),
        (lambda: span(7), "7"),
        (lambda: span("x", level="loud"), "x"),
        (lambda: span("x", kind="loud"), "x"),
        (lambda: span("x", parent="headers"), "x"),
        (lambda: span("x", links=7), "x"),
        (lambda: span("x", "y"), "x"),
    ],
)
def test_a_span_with_a_wrong_argument_has_the_default_instead(spans, make, name):
    """The parent is the current span, the level INFO."""
    with span("outer"), make():
        pass
    assert spans == [("outer", [(name, {})])]


def test_a_link_that_is_not_valid_does_not_cost_the_others(spans):
    """A message may hold anything in place of headers."""
    carrier = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    with span("x", links=["headers", carrier, 7]):
        pass
    assert [0x00F067AA0BA902B7] == [link.context.span_id for link in spans["x"].span.links]


def test_attributes_may_be_pairs(spans):
    """As they are for `dict`."""
    with span("work", [("a", 1)]):
        record([("b.c", 2)])
    assert {"a": 1, "b.c": 2} == spans["work"].attributes


def test_a_wrong_argument_is_logged_once(spans, caplog):
    """The warning names the argument and the span, and does not show the value."""
    for _ in range(2):
        with span("x", level="secret"):
            pass
    assert [
        "the level of span('x') is not valid and is not used; the traced program is not affected"
    ] == [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]


def test_a_span_as_a_decorator_says_what_to_write():
    """It is refused where the function is defined."""
    with pytest.raises(InstrumentationError, match=r"decorate a function with @instrument\('x'\)"):

        @span("x")
        def work():
            pass


def test_an_asynchronous_block(spans):
    """`async with` records a span as `with` does."""

    async def work():
        async with span("outer") as current:
            current.set_attribute("a", 1)
            with span("inner"):
                pass

    asyncio.run(work())
    assert spans == [("outer", {"a": 1}, ["inner"])]


def test_an_event_is_added_to_the_current_span_with_its_level(spans):
    """Attributes come from the mapping and from keywords."""
    with span("work"):
        event("miss", {"cache.key": "k"}, level="warning", tries=2)
    assert [("miss", {"level": "WARN", "cache.key": "k", "tries": 2})] == spans["work"].events


def test_the_filter_decides_about_an_event():
    """Its level and target count; the target is the calling module by default."""
    with capture_spans(filter=f"info,{__name__}=debug,noisy=off") as spans, span("work"):
        event("kept", level="debug")
        event("too fine", level="trace")
        event("silenced", level="error", target="noisy.lib")
    assert ["kept"] == [name for name, _ in spans["work"].events]


def test_record_sets_attributes_of_the_current_span(spans):
    """Later values replace earlier ones."""
    with span("work", size=1):
        record({"user.id": 7}, size=2)
    assert {"size": 2, "user.id": 7} == spans["work"].attributes


def test_sensitive_names_are_redacted(spans):
    """This holds for spans, attributes and events."""
    with span("work", {"http.request.header.authorization": "Basic x"}, password="p"):
        record(api_key="k")
        event("login", token="t")
    hidden = "[redacted]"
    assert {
        "http.request.header.authorization": hidden,
        "password": hidden,
        "api_key": hidden,
    } == spans["work"].attributes
    assert [("login", {"level": "INFO", "token": hidden})] == spans["work"].events


def test_without_a_span_nothing_happens():
    """Events and attributes are discarded."""
    event("alone")
    record(alone=1)
    with span("not recorded") as current:
        assert not current.is_recording()


def test_a_failure_of_recording_is_logged_once(caplog):
    """An exception of a span does not reach the program."""

    class Broken(trace.NonRecordingSpan):
        def is_recording(self):
            return True

        def add_event(self, *args, **kwargs):
            raise RuntimeError("full")

        set_attributes = add_event

    broken = Broken(REMOTE)
    with trace.use_span(broken), caplog.at_level(logging.WARNING):
        for _ in range(2):
            event("miss")
            record(a=1)
    assert 2 == len([one for one in caplog.records if one.name == "tracekit"])


def test_an_attribute_without_a_name_is_left_out(spans, caplog):
    """OpenTelemetry does not accept an empty name. One warning is logged."""
    forget_logged_warnings()
    with span("work", {"": 1, "a": 2}):
        record({"": 3})
        event("e", {"": 4}, b=5)
    [(_, attributes)] = spans["work"].events
    assert {"a": 2} == spans["work"].attributes
    assert {"level": "INFO", "b": 5} == attributes
    assert ["an attribute with an empty name is left out"] == caplog.messages


def test_a_key_that_is_not_text_becomes_text(spans):
    """The attributes beside it are recorded, too."""
    with span("work", {3: "c"}, n=1):
        record({4: "d"}, m=2)
    assert {"3": "c", "n": 1, "4": "d", "m": 2} == spans["work"].attributes


class Unreadable(dict):
    def items(self):
        raise RuntimeError("gone")


@pytest.mark.parametrize("content", [[("a", "b", "c")], [7], Unreadable(a="b")])
def test_a_carrier_that_cannot_be_read_is_logged(spans, caplog, content):
    """The block runs in a span below the current one."""
    with span("outer"), span("inner", parent=content, links=[content]):
        pass
    assert [("outer", {}, ["inner"])] == spans
    assert ["the parent", "the links"] == [
        record.getMessage()[: len("the parent")].rstrip(" o") for record in caplog.records
    ]


def test_the_parent_of_a_filtered_span_is_not_read():
    """Nothing of a filtered span is evaluated."""

    class Untouched(dict):
        def items(self):
            raise AssertionError

    with capture_spans(filter="info") as spans:
        with span("work", parent=Untouched(), level="debug"):
            pass
    assert [] == spans
