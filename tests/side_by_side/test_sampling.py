"""Samplers, ids, flags and trace states, beside the SDK's."""

from __future__ import annotations

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, TraceState

from tests.side_by_side.sides import IS_OLDER, CountingIds, assert_same
from tests.side_by_side.test_starting import in_context, remote


class Asked(Sampler):
    """Writes its calls into the journal, and returns what a function returns."""

    def __init__(self, side, answer=None):
        self.side = side
        self.answer = answer or (
            lambda attributes: SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        )

    def should_sample(self, *args, **kwargs):
        given = self.side.seen.get("given", ())
        same = [one in map(id, given) for one in map(id, args)]
        asked = [one or () if IS_OLDER else one for one in args[1:]]
        self.side.note("asked", asked, same, kwargs, trace.get_current_span())
        return self.answer(args[4] if len(args) > 4 else kwargs.get("attributes"))

    def get_description(self):
        return "Asked"


RECORD_ONLY = StaticSampler(Decision.RECORD_ONLY)
SAMPLERS = {
    "on": ALWAYS_ON,
    "off": ALWAYS_OFF,
    "default on": DEFAULT_ON,
    "default off": DEFAULT_OFF,
    "record only": RECORD_ONLY,
    "ratio 0": TraceIdRatioBased(0.0),
    "ratio 1": TraceIdRatioBased(1.0),
    "ratio half": TraceIdRatioBased(0.5),
    "parent and ratio": ParentBased(TraceIdRatioBased(0.5)),
    "parts": ParentBased(
        RECORD_ONLY,
        remote_parent_sampled=ALWAYS_OFF,
        remote_parent_not_sampled=ALWAYS_ON,
        local_parent_sampled=RECORD_ONLY,
        local_parent_not_sampled=ALWAYS_ON,
    ),
}


class SpreadIds(CountingIds):
    """Ids from all over the range, so that ratios differ."""

    def generate_trace_id(self):
        return super().generate_trace_id() * 0x9E37_79B9_7F4A_7C15 % (1 << 64)


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())
def test_samplers_of_the_sdk(sampler):
    """Traces, their branches and remote parents are sampled alike."""

    def script(side):
        for number in range(20):
            with side.tracer.start_as_current_span(f"root{number}", attributes={"a": 1}) as root:
                child = side.tracer.start_span("child")
                side.note(root, child)
                child.end()
        for options in [{}, {"sampled": False}, {"is_remote": False}, {"flags": 2}]:
            for state in [(), [("a", "1")]]:
                around = NonRecordingSpan(remote(**options, state=state))
                side.note(side.tracer.start_span("child", in_context(around)))

    assert_same(script, sampler=lambda side: sampler, ids=SpreadIds)


def test_the_arguments_of_a_sampler():
    """It gets the objects of the program, in the same positions."""

    def script(side):
        context = in_context(NonRecordingSpan(remote(state=[("a", "1")])))
        attributes, links = {"a": 1}, [Link(remote(span_id=4), {"b": 1})]
        side.seen["given"] = [context, attributes, links]
        side.tracer.start_span("plain").end()
        side.tracer.start_span("empty", None, SpanKind.CLIENT, {}, []).end()
        side.tracer.start_span("none", links=None).end()
        side.tracer.start_span("full", context, SpanKind.SERVER, attributes, links, 5).end()
        with side.tracer.start_as_current_span("current", attributes=attributes, links=links):
            side.tracer.start_span("child").end()

    # Where attributes are known in two parts, they are put together for the sampler.
    assert_same(script, sampler=Asked, without=["wanted"])


ANSWERS = {
    "more": lambda given: SamplingResult(Decision.RECORD_AND_SAMPLE, {**(given or {}), "more": 1}),
    "instead": lambda given: SamplingResult(Decision.RECORD_AND_SAMPLE, {"instead": [1, 2]}),
    "none": lambda given: SamplingResult(Decision.RECORD_AND_SAMPLE),
    "bad": lambda given: SamplingResult(Decision.RECORD_AND_SAMPLE, {"": 1, "b": object}),
    "record only": lambda given: SamplingResult(Decision.RECORD_ONLY, {"only": True}),
    "drop": lambda given: SamplingResult(Decision.DROP, {"lost": 1}),
    "state": lambda given: SamplingResult(
        Decision.RECORD_AND_SAMPLE, given, TraceState([("mine", "1")])
    ),
    "drop with state": lambda given: SamplingResult(
        Decision.DROP, given, TraceState([("mine", "1")])
    ),
    "no result": lambda given: None,
    "no decision": lambda given: SamplingResult(None, given),
    "raises": lambda given: 1 / 0,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_results_of_a_sampler(answer):
    """Its attributes, its trace state and its failures have the same effect."""

    def script(side):
        side.attempt(side.tracer.start_span, "bare")
        span = side.attempt(lambda: side.tracer.start_span("a", attributes={"a": 1, "b": 2}))
        with trace.use_span(span or trace.INVALID_SPAN):
            side.attempt(side.tracer.start_span, "child")
        context = in_context(NonRecordingSpan(remote(state=[("a", "1")])))
        side.attempt(side.tracer.start_span, "remote", context)
        side.attempt(side.tracer.start_as_current_span("current").__enter__)

    assert_same(script, sampler=lambda side: Asked(side, answer))


def test_a_sampler_that_keeps_its_attributes():
    """A mapping that a sampler returns for many spans is not changed."""
    shared = {}

    def script(side):
        shared[side.name] = attributes = {"shared": 1}
        side.tracer.sampler = Asked(side, lambda _: result_with(attributes))
        first = side.span()
        first.set_attribute("own", 1)
        second = side.span()
        side.note(attributes, first, second)
        attributes["late"] = 1
        side.note(first, second)

    def result_with(attributes):
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    assert_same(script)


def test_a_sampler_that_traces_itself():
    """A sampler can start spans."""

    class Tracing(Sampler):
        def __init__(self, side):
            self.side = side
            self.is_inside = False

        def should_sample(self, parent_context, trace_id, name, *args, **kwargs):
            if not self.is_inside:
                self.is_inside = True
                with self.side.tracer.start_as_current_span("sampling"):
                    self.is_inside = False
            return SamplingResult(Decision.RECORD_AND_SAMPLE)

        def get_description(self):
            return "Tracing"

    assert_same(lambda side: side.span().end(), sampler=Tracing)


@pytest.mark.parametrize("is_random", [False, True])
def test_ids(is_random):
    """The generator is called once for each span and each trace, in the same order."""

    def script(side):
        with side.tracer.start_as_current_span("a"), side.tracer.start_as_current_span("b"):
            side.tracer.start_span("c", context_api.Context()).end()
        side.tracer.start_span("d", in_context(NonRecordingSpan(remote(flags=3)))).end()

    side = assert_same(script, ids=lambda side: CountingIds(side, is_random=is_random))
    assert (4, 2) == tuple(
        side.journal.count(name) for name in ("generate_span_id", "generate_trace_id")
    )


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, RECORD_ONLY], ids=["off", "record only"])
def test_ids_of_unsampled_spans(sampler):
    """They have ids of their own as well."""

    def script(side):
        with side.tracer.start_as_current_span("a"), side.tracer.start_as_current_span("b"):
            side.tracer.start_span("c", context_api.Context()).end()

    assert_same(script, sampler=lambda side: sampler)


class FewIds(IdGenerator):
    """An id generator of an older interface, with odd answers."""

    def __init__(self, trace_id, span_id):
        self.ids = trace_id, span_id

    def generate_trace_id(self):
        return self.ids[0]

    def generate_span_id(self):
        return self.ids[1]


@pytest.mark.parametrize(
    "ids", [(1, 1), (0, 0), (1 << 128, 1), (1, 1 << 64), ("a", 1), (None, None)], ids=str
)
def test_odd_ids(ids):
    """Unusual ids are propagated or fail alike."""

    def script(side):
        with trace.use_span(side.attempt(side.tracer.start_span, "a") or trace.INVALID_SPAN):
            side.attempt(side.tracer.start_span, "b")

    assert_same(script, ids=lambda side: FewIds(*ids))


class Raising(CountingIds):
    def generate_span_id(self):
        raise OSError("no entropy")


def test_ids_that_fail():
    """The caller of `start_span` gets the exception."""
    side = assert_same(lambda side: side.attempt(side.tracer.start_span, "a"), ids=Raising)
    assert [("OSError", "no entropy")] == side.raised


def test_random_ids():
    """With the SDK's own generator the ids are valid, and the flags the same."""

    def script(side):
        span = side.span()
        child = side.span("child", context=in_context(span))
        context, other = span.context, child.context
        side.note(context.is_valid, other.is_valid, int(context.trace_flags))
        side.note(int(other.trace_flags), type(other.trace_flags))
        side.note(context.trace_id == other.trace_id, context.span_id != other.span_id)
        side.seen["spans"] = [span, child]

    assert_same(script, ids=lambda side: RandomIdGenerator(), processors=lambda side: [])


def test_parts_that_are_assigned_to_a_tracer():
    """A sampler, a generator or a resource applies to the next spans."""

    def script(side):
        side.tracer.sampler = ALWAYS_OFF
        side.note(side.tracer.start_span("a"))
        side.tracer.sampler = RECORD_ONLY
        side.tracer.id_generator = CountingIds(side, first=500)
        side.tracer.resource = side.tracer.resource.merge(type(side.tracer.resource)({"side.x": 1}))
        side.note(side.tracer.start_span("b"))

    assert_same(script)
