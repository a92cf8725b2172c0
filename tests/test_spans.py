"""What is recorded in a function's body."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: span(""), "name='' is not the name of a span"),
        (lambda: span("x", level="loud"), "level='loud'"),
        (lambda: span("x", kind="loud"), "kind='loud'"),
        (lambda: span("x", parent=7), "7 is not a span"),
        (lambda: span("x", links=[7]), "7 is not a span"),
        (lambda: span("x", parent="headers"), "'headers' is not a span"),
        (lambda: span("x", links=7), "links=7: expected links"),
        (lambda: span("x", "y"), "attributes='y': expected a mapping"),
        (lambda: event("x", "y"), "attributes='y': expected a mapping"),
        (lambda: record("y"), "attributes='y': expected a mapping"),
        (lambda: event(""), "name='' is not the name of a span"),
        (lambda: event("x", level="loud"), "level='loud'"),
    ],
)
def test_a_wrong_argument_raises(make, message):
    """The error names the argument and shows the value."""
    with pytest.raises(InstrumentationError, match=message):
        make()


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
