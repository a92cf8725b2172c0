"""Processors and exporters, beside the SDK's."""

from __future__ import annotations

import io
import json
import threading

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler
from opentelemetry.trace import Link, Status, StatusCode

from tests.side_by_side.sides import Witness, assert_same
from tests.side_by_side.test_starting import in_context, remote
from tracekit._otlp.json_encoding import encode_traces

MOMENTS = ["on_start", "_on_ending", "on_end"]


class Doing(sdk.SpanProcessor):
    """Does something at one moment, with the span."""

    def __init__(self, side, moment, work):
        self.side = side

        def at_moment(span, parent_context=None):
            if span.name != "inner":
                side.attempt(work, side, span)

        setattr(self, moment, at_moment)


def change_all(side, span):
    """Call every method that changes a span."""
    span.set_attribute("a", 1)
    span.set_attributes({"b": 2})
    span.add_event("changed", {"c": 3}, 4)
    span.add_link(remote(), {"d": 4})
    span.update_name("changed")
    span.set_status(StatusCode.ERROR, "changed")
    span.record_exception(ValueError("changed"), timestamp=5)


def start_inner(side, span):
    with side.tracer.start_as_current_span("inner"):
        pass
    side.tracer.start_span(
        "inner", in_context(span) if isinstance(span, trace.Span) else None
    ).end()


def ask_another_thread(side, span):
    """Let another thread have the span, and wait for it."""
    if not isinstance(span, trace.Span):
        return
    thread = threading.Thread(target=lambda: (change_all(side, span), span.end(), span.end()))
    if not side.seen.setdefault("asked", False):
        side.seen["asked"] = True
        thread.start()
        thread.join(10)
    side.note(thread.is_alive())


WORKS = {
    "change": change_all,
    "end": lambda side, span: span.end(),
    "end at a time": lambda side, span: span.end(77),
    "start": lambda side, span: span.start(),
    "inner span": start_inner,
    "read": lambda side, span: side.note(span, span.is_recording()),
    "another thread": ask_another_thread,
    "attach": lambda side, span: context_api.attach(trace.set_span_in_context(trace.INVALID_SPAN)),
}


# The object that processors get at the end is an intended difference.
AT_MOMENTS = [
    pytest.param(moment, work, id=f"{moment}-{name}")
    for moment in MOMENTS
    for name, work in WORKS.items()
    if moment != "on_end" or name == "attach"
]


@pytest.mark.parametrize(("moment", "work"), AT_MOMENTS)
def test_processors_that_work_on_the_span(moment, work):
    """A change by a processor is visible to the processors after it, in every hook."""

    def script(side):
        with side.tracer.start_as_current_span("work", attributes={"early": 1}) as span:
            side.note(span)
        side.note(span, side.ended)

    def processors(side):
        return [Witness(side, "before"), Doing(side, moment, work), Witness(side, "behind")]

    assert_same(script, processors=processors)


class Failing(sdk.SpanProcessor):
    def __init__(self, moment):
        setattr(self, moment, self._fail)

    def _fail(self, span, parent_context=None):
        raise OSError("broken processor")


@pytest.mark.parametrize("moment", MOMENTS)
def test_processors_that_fail(moment):
    """The failure has the same effect, and the same processors were called."""

    def script(side):
        span = side.attempt(side.tracer.start_span, "work")
        if span is not None:
            side.attempt(span.end)
            side.note(span)
            side.attempt(span.end)
        side.attempt(block, side)
        side.note(trace.get_current_span())

    def block(side):
        with side.tracer.start_as_current_span("block"):
            raise KeyError("inside")

    def processors(side):
        return [Witness(side, "before"), Failing(moment), Witness(side, "behind")]

    assert_same(script, processors=processors)


def test_the_parent_context_of_a_processor():
    """It is the context object that the span was started with."""

    class Parent(sdk.SpanProcessor):
        def __init__(self, side):
            self.side = side

        def on_start(self, *args, **kwargs):
            given = self.side.seen.get("given")
            self.side.note(len(args), sorted(kwargs), kwargs.get("parent_context") is given)

    def script(side):
        side.tracer.start_span("none")
        side.seen["given"] = context = context_api.Context({"a": 1})
        side.tracer.start_span("given", context)
        with side.tracer.start_as_current_span("current", context=context):
            pass

    side = assert_same(script, processors=lambda side: [Parent(side)])
    assert [(1, ["parent_context"], True)] * 3 == side.noted


def test_processors_that_come_later():
    """A new processor gets all later calls, also those about open spans."""

    def script(side):
        early = side.span("early")
        side.provider.add_span_processor(Witness(side, "added"))
        late = side.span("late")
        early.end()
        late.end()
        other = side.provider.get_tracer("other").start_span("other")
        side.provider.add_span_processor(Witness(side, "another"))
        other.end()

    assert_same(script)


@pytest.mark.parametrize("multi", [SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor])
def test_processors_of_processors(multi):
    """The SDK's processors that call several others can be a processor."""

    def processors(side):
        both = multi()
        both.add_span_processor(Witness(side))
        side.seen["multi"] = both
        return [both]

    def script(side):
        with side.span() as span:
            span.set_attribute("a", 1)
        side.note(side.provider.force_flush())
        side.provider.shutdown()
        executor = getattr(side.seen["multi"], "_executor", None)
        if executor is not None:
            executor.shutdown()

    assert_same(script, processors=processors)


def spans_of_all_kinds(side):
    with side.tracer.start_as_current_span("outer", attributes={"a": [1, 2]}, start_time=5):
        with side.tracer.start_as_current_span("inner", links=[Link(remote(), {"l": 1})]) as inner:
            inner.add_event("e", {"b": 1}, 7)
            inner.set_status(Status(StatusCode.ERROR, "why"))
        side.attempt(failing_block, side)


def failing_block(side):
    with side.tracer.start_as_current_span("failing"):
        raise ValueError("no luck")


@pytest.mark.parametrize("kind", [SimpleSpanProcessor, BatchSpanProcessor])
@pytest.mark.parametrize("decision", Decision, ids=str)
def test_exported_spans(kind, decision):
    """The SDK's processors export the same spans, and leave the same ones out."""

    def script(side):
        exporter = InMemorySpanExporter()
        side.provider.add_span_processor(kind(exporter))
        spans_of_all_kinds(side)
        side.note(side.provider.force_flush(), exporter.get_finished_spans())
        side.provider.shutdown()
        spans_of_all_kinds(side)
        side.note(exporter.get_finished_spans())

    assert_same(script, sampler=lambda side: StaticSampler(decision))


class FailingExporter(SpanExporter):
    def export(self, spans):
        raise OSError("broken exporter")


def test_exporters_that_fail():
    """The failure is logged, and the program continues."""

    def script(side):
        side.provider.add_span_processor(SimpleSpanProcessor(FailingExporter()))
        side.span().end()

    assert 1 == len(assert_same(script).logged)


def test_the_console_of_the_sdk():
    """The SDK's console exporter prints the same."""

    def script(side):
        out = io.StringIO()
        printed = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(None) + "\n")
        side.provider.add_span_processor(SimpleSpanProcessor(printed))
        span = side.span(attributes={"a": 1, "b": [True]}, start_time=10**9)
        span.add_event("e", {"c": "d"}, 2 * 10**9)
        span.set_status(StatusCode.ERROR, "why")
        span.end(3 * 10**9)
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        side.note([{**line, "resource": None} for line in lines])

    assert_same(script)


def test_messages_of_the_wire():
    """The official encoder and tracekit's for files make the same message of the spans."""

    def script(side):
        parent = side.span("parent", start_time=1, kind=trace.SpanKind.SERVER)
        links = [Link(remote(state=[("a", "1")]), {"l": [1, 2]})]
        attributes = {"a": 1, "b": [True, False], "c": 1.5, "d": "text", "e": None}
        options = {"attributes": attributes, "links": links, "start_time": 2}
        child = side.span("child", context=in_context(parent), **options)
        child.add_event("e", {"x": ["y"]}, 3)
        child.set_status(StatusCode.ERROR, "why")
        child.end(4)
        parent.end(5)
        side.note(encode_spans(side.ended).SerializeToString(deterministic=True))
        side.note(encode_traces(side.ended))

    assert_same(script, without=["built"])


def test_deprecated_properties():
    """They exist, with the same warning."""

    def script(side):
        span = side.span()
        span.end()
        for one in (span, side.ended[0]):
            info = one.instrumentation_info
            side.note(info.name, info.version, info.schema_url)

    assert_same(script)


def test_finished_spans_stay_as_they_were():
    """Neither the span that processors got at the end nor the open one changes any more."""

    def script(side):
        span = side.span(attributes={"a": [1]})
        span.add_event("e")
        span.end(5)
        change_all(side, span)
        span.end(9)
        side.note(side.ended, span)
        side.attempt(lambda: side.ended[0].attributes.update(b=1))
        side.attempt(lambda: side.ended[0].attributes.__setitem__("b", 1))

    assert_same(script)


def test_a_finished_span_for_each_moment():
    """Every processor gets the same finished span."""

    def script(side):
        span = side.span()
        span.end()
        first, second = side.ended
        side.note(first is second, first.end_time == span.end_time)

    side = assert_same(script, processors=lambda side: [Witness(side), Witness(side)])
    assert [(True, True)] == side.noted
