"""Spans of every shape: hypothesis strategies of batches, and spans that the SDK recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

CONTEXT = SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False)


def a_span(name: str = "work", **fields) -> ReadableSpan:
    fields.setdefault("context", CONTEXT)
    fields.setdefault("resource", Resource({}))
    return ReadableSpan(name, **fields)


def _official_accepts_none() -> bool:
    # Newer official encoders write an empty value for None, older ones drop the attribute.
    message = encode_spans([a_span(attributes={"it": (None,)})])
    return bool(message.resource_spans[0].scope_spans[0].spans[0].attributes)


OFFICIAL_ACCEPTS_NONE = _official_accepts_none()

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
SCALAR = st.one_of(
    TEXT,
    st.booleans(),
    INT64,
    st.sampled_from([0, -1, (1 << 63) - 1, -(1 << 63), (1 << 53) + 1]),
    st.floats(),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 0.0, 1.0, 5e-324, 1e22]),
    st.binary(max_size=9),
    *([st.none()] if OFFICIAL_ACCEPTS_NONE else []),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(KEY, VALUE, max_size=4)
SIMPLE_ATTRIBUTES = st.dictionaries(KEY, TEXT | st.booleans() | INT64 | st.floats(), max_size=3)
TIME = st.integers(0, (1 << 64) - 1) | st.none()
STATE = st.lists(
    st.tuples(
        st.from_regex(r"[a-z][a-z0-9_]{0,4}", fullmatch=True),
        st.from_regex(r"[!-+]{1,4}", fullmatch=True),
    ),
    max_size=3,
    unique_by=lambda pair: pair[0],
).map(TraceState)
SPAN_CONTEXT = st.builds(
    SpanContext,
    trace_id=st.integers(0, (1 << 128) - 1),
    span_id=st.integers(0, (1 << 64) - 1),
    is_remote=st.booleans(),
    trace_state=STATE,
)
STATUS = st.builds(Status, st.sampled_from([StatusCode.UNSET, StatusCode.OK])) | st.builds(
    Status, st.just(StatusCode.ERROR), st.none() | TEXT
)
URL = st.sampled_from(["", "https://opentelemetry.io/schemas/1.30.0", "urn:é"])
SCOPE = st.builds(
    InstrumentationScope,
    name=TEXT,
    version=st.none() | TEXT,
    schema_url=st.none() | URL,
    attributes=st.none() | SIMPLE_ATTRIBUTES,
)
RESOURCE = st.builds(Resource, SIMPLE_ATTRIBUTES, URL)
EVENT = st.builds(Event, TEXT, ATTRIBUTES, st.integers(0, (1 << 64) - 1))
LINK = st.builds(Link, SPAN_CONTEXT, ATTRIBUTES)


@st.composite
def batches(draw) -> list[ReadableSpan]:
    resources = draw(st.lists(RESOURCE, min_size=1, max_size=3))
    scopes = [*draw(st.lists(SCOPE, max_size=3)), None]
    span = st.builds(
        ReadableSpan,
        name=TEXT,
        context=SPAN_CONTEXT,
        parent=st.none() | SPAN_CONTEXT,
        resource=st.sampled_from(resources),
        attributes=ATTRIBUTES,
        events=st.lists(EVENT, max_size=2),
        links=st.lists(LINK, max_size=2),
        kind=st.sampled_from(SpanKind),
        status=STATUS,
        start_time=TIME,
        end_time=TIME,
        instrumentation_scope=st.sampled_from(scopes),
    )
    return draw(st.lists(span, min_size=1, max_size=5))


LIMITS = SpanLimits(
    max_span_attributes=2,
    max_events=1,
    max_links=1,
    max_event_attributes=1,
    max_link_attributes=1,
)


def recorded(limits: SpanLimits) -> Sequence[ReadableSpan]:
    """Return spans that the SDK recorded under the given limits."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "shop", "service.tags": ["a", "b"]}, "urn:resource"),
        span_limits=limits,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("shop.db", "1.2", "urn:scope", {"scope.attribute": 3})
    linked = [Link(CONTEXT, {"a": 1, "b": 2}), Link(CONTEXT, {"c": 3})]
    with tracer.start_as_current_span("outer", kind=SpanKind.SERVER, links=linked) as outer:
        outer.set_attributes({"one": 1, "two": 2.0, "three": "drei", "many": (True, False)})
        outer.add_event("first", {"x": 1, "y": 2})
        outer.add_event("second")
        with tracer.start_as_current_span("inner") as inner:
            inner.set_status(Status(StatusCode.ERROR, "went wrong"))
    provider.shutdown()
    return memory.get_finished_spans()
