"""Lean spans: what they do not create, what they share, and the decisions of samplers.

`tests/side_by_side` compares their behaviour with that of the SDK's spans.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

import tracekit
from tests.test_provider import pipeline
from tracekit import exporters, instrument, span
from tracekit._otlp.request_encoding import encode_spans
from tracekit._sdk.fanout import Fanout
from tracekit._sdk.pipeline import Pipeline
from tracekit._sdk.provider import UNFILTERED, LiveTracerProvider
from tracekit._sdk.sampling import KnownDecisions
from tracekit._sdk.span import LeanSpan

pytestmark = pytest.mark.usefixtures("global_telemetry")


@pytest.fixture
def tracer():
    return LiveTracerProvider(pipeline(exporters.memory())).get_tracer("t")


def test_what_a_span_that_starts_and_ends_does_not_create(tracer):
    """It has no lock, no lists and no mapping of the SDK's."""
    made = tracer.start_span("work", attributes={"a": 1})
    made.end()
    assert LeanSpan is type(made)
    assert {} == vars(made)


def test_reading_creates_the_same_as_the_sdk(tracer):
    """Attributes, events and links that are read have the SDK's types."""
    made = tracer.start_span("work", attributes={"a": 1})
    theirs = sdk.TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("work")
    for name in ("_attributes", "_events", "_links", "_limits"):
        assert type(getattr(theirs, name)) is type(getattr(made, name))
    assert {"a": 1} == dict(made.attributes)


def test_a_signal_handler_that_changes_a_span_under_its_locks(tracer):
    """It does not wait for the thread that it interrupts."""
    link = trace.Link(tracer.start_span("other").get_span_context())
    made = tracer.start_span("work", attributes={"a": 1}, links=[link])

    def change_under_locks():
        with made._lock, made._attributes._lock, made._events._lock, made._links._lock:
            made.set_attribute("b", 2)
            made.set_attributes({"c": [3]})
            made.add_event("changed", {"d": 4})
            made.add_link(link.context)

    thread = threading.Thread(target=change_under_locks, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert {"a": 1, "b": 2, "c": (3,)} == dict(made.attributes)
    assert ["changed"] == [one.name for one in made.events]
    assert 2 == len(made.links)


def test_a_resource_and_a_scope_of_its_own(tracer):
    """A processor can assign them to a span, which is exported with them."""
    made, other = tracer.start_span("work"), tracer.start_span("other")
    made._resource = Resource({"region": "north"})
    made._instrumentation_scope = InstrumentationScope("elsewhere")
    for one in (made, other):
        one.end()
    request = ExportTraceServiceRequest.FromString(encode_spans([made, other]))
    seen = [
        ([one.key for one in found.resource.attributes], scoped.scope.name, scoped.spans[0].name)
        for found in request.resource_spans
        for scoped in found.scope_spans
    ]
    assert [(["region"], "elsewhere", "work"), ([], "t", "other")] == seen


def test_a_processor_and_limits_of_its_own(tracer):
    """They apply to the span that they are assigned to, and to no other."""
    exporter = exporters.memory()
    made, other = tracer.start_span("work"), tracer.start_span("other")
    made._span_processor = SimpleSpanProcessor(exporter)
    made._limits = sdk.SpanLimits(max_span_attribute_length=1)
    for one in (made, other):
        one.end()
    (exported,) = exporter.spans
    assert "work" == exported.name
    assert 1 == exported._limits.max_span_attribute_length


@pytest.mark.parametrize("most", [5, 6, 7])
def test_a_result_beyond_the_attribute_limit(monkeypatch, most):
    """The oldest attribute is dropped for it, as for any other."""
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", str(most))
    exporter = exporters.memory()
    with tracekit.init_telemetry("t", exporter=exporter):

        @instrument(ret=True)
        def work(x):
            return x + 1

        work(1)
    (made,) = exporter.spans
    assert most == len(made.attributes)
    assert 7 - most == made.dropped_attributes
    assert [("x", 1), ("return", 2)] == list(made.attributes.items())[-2:]


def test_a_result_on_a_span_whose_attributes_are_created_meanwhile(tracer):
    """It is set on the attributes that another thread has just created."""
    made = tracer.start_span("work", attributes={"a": 1})
    made.set_last_attribute("return", 2)
    put = type(made)._set_own_attribute

    class Read(LeanSpan):
        __slots__ = ()

        def _set_own_attribute(self, key, value):
            assert {"a": 1} == dict(self.attributes)
            return put(self, key, value)

    made.__class__ = Read
    made.end()
    assert {"a": 1, "return": 2} == dict(made.attributes)


def test_the_attributes_of_the_call_site_come_first(tracer):
    """All spans of the call site share them. Readers see one mapping."""
    exporter = exporters.memory()
    with tracekit.init_telemetry("t", exporter=exporter):

        @instrument
        def work(x):
            pass

        work(1)
        work(2)
    first, second = exporter.spans
    assert first._site_attributes is second._site_attributes
    assert "code.function.name" == next(iter(first.attributes))
    assert [1, 2] == [one.attributes["x"] for one in exporter.spans]


def test_many_threads_that_end_one_span(tracer):
    """The processors get it once."""
    for _ in range(200):
        made = tracer.start_span("work")
        ready = threading.Barrier(4)

        def end(made=made, ready=ready):
            ready.wait()
            made.end()

        threads = [threading.Thread(target=end) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    [processor] = tracer.span_processor._span_processors[0]._span_processors
    assert 200 == len(processor.span_exporter.spans)


def test_an_ended_span_does_not_change(tracer):
    """A thread that sets attributes all the time has no effect after the end."""
    seen = []

    class Reads(sdk.SpanProcessor):
        def on_end(self, ended):
            seen.append((ended, dict(ended.attributes), len(ended.events)))

    tracer.span_processor.add_span_processor(Reads())
    for _ in range(50):
        made = tracer.start_span("work")
        started, over = threading.Event(), threading.Event()

        def change(made=made, started=started, over=over):
            number = 0
            while not over.is_set():
                made.set_attribute(f"k{number % 50}", number)
                made.add_event("e")
                started.set()
                number += 1

        thread = threading.Thread(target=change)
        thread.start()
        started.wait()
        made.end()
        over.set()
        thread.join()
    assert [] == [
        one for one, was, events in seen if (dict(one.attributes), len(one.events)) != (was, events)
    ]


def test_a_result_on_a_span_whose_attributes_were_read(tracer):
    """The result is set whether the SDK's mapping exists or not."""
    for is_read in (False, True):
        made = tracer.start_span("work", attributes={"a": 1})
        if is_read:
            assert {"a": 1} == dict(made.attributes)
        made.set_last_attribute("return", 2)
        made.end()
        assert {"a": 1, "return": 2} == dict(made.attributes)


def test_the_random_numbers_of_a_seeded_program(tracer):
    """They are the same with spans and without: the ids come from another generator."""
    random.seed(7)
    alone = [random.random() for _ in range(3)]
    random.seed(7)
    beside = []
    for _ in range(3):
        tracer.start_span("work").end()
        beside.append(random.random())
    assert alone == beside


def test_the_ids_of_a_seeded_program():
    """Two processes with the same seed have different ids."""
    program = (
        "import random; random.seed(1); import tracekit; from opentelemetry import trace;"
        "t = tracekit.init_telemetry('t', exporter='none');"
        "print(trace.get_tracer('t').start_span('x').get_span_context().trace_id)"
    )
    run = [sys.executable, "-c", program]
    ids = {subprocess.run(run, capture_output=True, check=True).stdout for _ in range(2)}
    assert 2 == len(ids)


class Writes(Sampler):
    """Writes into the attributes that it gets, and returns them."""

    def should_sample(self, context, trace_id, name, kind=None, attributes=None, links=None):
        attributes["written"] = True
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self):
        return "Writes"


def test_a_sampler_that_writes_into_the_attributes():
    """The span has the attributes of the sampler's result, as in the SDK."""
    exporter = exporters.memory()
    with tracekit.init_telemetry("t", exporter=exporter, sampler=Writes()) as telemetry:
        with span("block", x=1):
            pass
        telemetry.tracer_provider.get_tracer("t").start_span("other", attributes={"x": 1}).end()
    assert [True, True] == [one.attributes.get("written") for one in exporter.spans]


class Counting(Sampler):
    """Counts its calls."""

    def __init__(self, inner):
        self.inner = inner
        self.calls = 0

    def should_sample(self, *args, **kwargs):
        self.calls += 1
        return self.inner.should_sample(*args, **kwargs)

    def get_description(self):
        return "Counting"


@pytest.mark.parametrize(
    ("sampler", "known"),
    [
        (ALWAYS_ON, (True,) * 5),
        (ALWAYS_OFF, (False,) * 5),
        (DEFAULT_ON, (True, False, True, False, True)),
        (ParentBased(TraceIdRatioBased(0.5)), (None, False, True, False, True)),
        (
            ParentBased(ALWAYS_ON, local_parent_sampled=ALWAYS_OFF),
            (True, False, False, False, True),
        ),
        (ParentBased(Counting(ALWAYS_ON)), (None, False, True, False, True)),
        (TraceIdRatioBased(1.0), (None,) * 5),
        (Counting(ALWAYS_ON), (None,) * 5),
    ],
)
def test_the_known_decisions_of_a_sampler(sampler, known):
    """Those of static samplers, alone or in a parent-based one. Any other is None."""
    assert known == tuple(KnownDecisions.of(sampler))


def test_a_sampler_of_another_type_is_called_for_every_span():
    """Also inside an unsampled trace."""
    sampler = Counting(ALWAYS_OFF)
    with tracekit.init_telemetry("t", exporter="none", sampler=sampler), span("outer"):
        with span("inner"):
            pass
    assert 2 == sampler.calls


UNSAMPLED = trace.SpanContext(3, 4, is_remote=True, trace_flags=trace.TraceFlags(0))


def test_a_call_inside_an_unsampled_trace():
    """It evaluates nothing. The current span stays, and its flag is propagated."""
    evaluated = []

    @instrument(fields={"f": lambda x: evaluated.append(x)}, ret=lambda x: evaluated.append(x))
    def work(x):
        return trace.get_current_span(), tracekit.propagation.inject()

    exporter = exporters.memory()
    with tracekit.init_telemetry("t", exporter=exporter):
        parent = trace.NonRecordingSpan(UNSAMPLED)
        with trace.use_span(parent):
            here, headers = work(1)
            with span("block") as block:
                assert not block.is_recording()
    assert parent is here
    assert [] == evaluated
    assert () == exporter.spans
    assert "00-00000000000000000000000000000003-0000000000000004-00" == headers["traceparent"]


def test_a_new_trace_inside_an_unsampled_one():
    """An explicit parent decides, not the current span."""

    @instrument(parent=None)
    def work():
        pass

    exporter = exporters.memory()
    with tracekit.init_telemetry("t", exporter=exporter):
        with trace.use_span(trace.NonRecordingSpan(UNSAMPLED)):
            work()
            with span("block", parent=None):
                pass
    assert ["work", "block"] == [one.name.rpartition(".")[2] for one in exporter.spans]


def test_a_sampler_that_samples_inside_unsampled_traces():
    """A parent-based sampler can be configured so, and its decision applies."""
    sampler = ParentBased(ALWAYS_OFF, remote_parent_not_sampled=ALWAYS_ON)

    @instrument
    def work():
        pass

    exporter = exporters.memory()
    with tracekit.init_telemetry("t", exporter=exporter, sampler=sampler):
        with trace.use_span(trace.NonRecordingSpan(UNSAMPLED)):
            work()
    assert 1 == len(exporter.spans)


def test_export_processors_are_called_at_the_end_only():
    """Other processors are called at the start as well."""
    with tracekit.init_telemetry("t", exporter=exporters.memory()) as telemetry:
        chain = telemetry.tracer_provider.pipeline.processor
        assert [0, 1, 1] == [len(one) for one in (chain.starting, chain.ended, chain.taking)]
        telemetry.tracer_provider.add_span_processor(sdk.SpanProcessor())
        assert [1, 2, 2] == [len(one) for one in (chain.starting, chain.ended, chain.taking)]


@pytest.mark.parametrize(
    "make", [lambda: SimpleSpanProcessor(exporters.memory()), sdk.SpanProcessor]
)
def test_a_method_of_a_processor_that_is_replaced_later(make, monkeypatch):
    """The new one is called, inherited or not: the SDK looks it up at each call."""
    processor = make()
    provider = LiveTracerProvider(pipeline_with(processor))
    seen = []
    monkeypatch.setattr(processor, "on_end", seen.append)
    made = provider.get_tracer("t").start_span("work")
    made.end()
    assert [made] == seen


def pipeline_with(processor):
    limits = sdk.SpanLimits()
    chain = Fanout([processor])
    return Pipeline(ALWAYS_ON, Resource({}), chain, RandomIdGenerator(), limits, UNFILTERED)


def test_a_sampler_that_is_assigned_to_a_tracer(tracer):
    """It applies to the next spans."""
    tracer.sampler = ALWAYS_OFF
    assert not tracer.start_span("dropped").is_recording()
    tracer.sampler = ALWAYS_ON
    assert tracer.start_span("kept").is_recording()
