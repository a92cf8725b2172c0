"""Encoded spans equal the official encoder's, and no span makes a batch fail."""

from __future__ import annotations

import array
import collections
import enum
import math
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common import trace_encoder as official
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceState

from tests.span_strategies import (
    ATTRIBUTES,
    CONTEXT,
    LIMITS,
    OFFICIAL_ACCEPTS_NONE,
    a_span,
    batches,
    recorded,
)
from tracekit._otlp import request_encoding, span_encoding, wire_format
from tracekit._otlp.request_encoding import encode_spans
from tracekit._recording.attributes import SiteAttributes
from tracekit._sdk.fanout import Fanout
from tracekit._sdk.pipeline import TracerShared
from tracekit._sdk.span import LeanSpan

if TYPE_CHECKING:
    from collections.abc import Sequence


def decoded(spans: Sequence[Any]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(encode_spans(spans))


def exact(message: Any) -> bytes:
    """Bytes that are equal for equal messages only; NaN is not equal to itself."""
    return message.SerializeToString(deterministic=True)


def official_bytes(spans: Sequence[ReadableSpan]) -> bytes:
    return exact(official.encode_spans(spans))


def only_span(spans: Sequence[Any]) -> Any:
    [resource] = decoded(spans).resource_spans
    [scope] = resource.scope_spans
    [span] = scope.spans
    return span


def keys_of(attributes: Any) -> list[str]:
    return [attribute.key for attribute in only_span([a_span(attributes=attributes)]).attributes]


def lean(span: ReadableSpan, site_attributes: SiteAttributes, given: dict | None) -> LeanSpan:
    """The span as one of the engine's own."""
    made = object.__new__(LeanSpan)
    scope = span.instrumentation_scope
    made._shared = TracerShared(Fanout(), SpanLimits(), span.resource, scope, None, None)
    made._site_attributes, made._own_attributes, made._last_attribute = site_attributes, given, None
    for name in ("context", "parent", "name", "kind", "start_time", "end_time", "status"):
        setattr(made, f"_{name}", getattr(span, name))
    made._event_list = BoundedList.from_seq(None, span.events) if span.events else None
    made._link_list = BoundedList.from_seq(None, span.links) if span.links else None
    return made


def as_lean(span: ReadableSpan) -> LeanSpan:
    """The span with its first attribute as a constant of the call site."""
    items = list(span.attributes.items())
    return lean(span, SiteAttributes(dict(items[:1])), dict(items[1:]))


@given(batches())
def test_equals_the_official_encoder(spans):
    """Any batch decodes to exactly the message that the official encoder makes of it."""
    assert official_bytes(spans) == exact(decoded(spans))


@given(batches(), st.data())
def test_spans_of_the_engine_equal_the_official_encoder(spans, data):
    """Spans read from memory, between others, decode to what their public properties say."""
    mixed = [as_lean(span) if data.draw(st.booleans()) else span for span in spans]

    assert official_bytes(spans) == exact(decoded(mixed))


def test_recorded_spans_with_limits():
    """The counts of dropped attributes, events and links are encoded."""
    spans = recorded(LIMITS)

    span = decoded(spans).resource_spans[0].scope_spans[0].spans[1]

    assert 2 == span.dropped_attributes_count
    assert 1 == span.dropped_events_count
    assert 1 == span.dropped_links_count
    assert official_bytes(spans) == exact(decoded(spans))


def test_a_span_of_the_engine_whose_attributes_were_touched():
    """After a span has the SDK's attributes, only these are encoded, with their dropped count."""
    [_, span] = recorded(LIMITS)
    made = lean(span, SiteAttributes({"not": "asked"}), None)
    made._attributes = span._attributes
    made._event_list, made._link_list = span._events, span._links

    assert official_bytes([span]) == exact(decoded([made]))


class Color(enum.IntEnum):
    RED = 5


class Text(str):
    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        raise AssertionError("a method of the user's own was called")


class Number(int):
    def __and__(self, _: Any) -> int:
        raise AssertionError("a method of the user's own was called")


VALUES = {
    "empty text": "",
    "astral text": "a\x00é漢🎈",
    "127 bytes": "x" * 127,
    "128 bytes": "x" * 128,
    "long text": "é" * 70_000,
    "zero": 0,
    "minus one": -1,
    "largest": (1 << 63) - 1,
    "smallest": -(1 << 63),
    "two bytes": 128,
    "where varints grow": tuple((1 << 7 * n) + d for n in range(1, 9) for d in (-1, 0, 1)),
    "true": True,
    "false": False,
    "nan": math.nan,
    "infinity": -math.inf,
    "minus zero": -0.0,
    "zero float": 0.0,
    "one float": 1.0,
    "empty bytes": b"",
    "bytes": b"\xff\x00",
    "empty sequence": (),
    "empty mapping": {},
    "mixed sequence": ["a", 1, 1.0, True, b"b", (), {}],
    "nested": {"a": [{"b": ({"c": [1]},)}]},
    "keys of other types": {1: "a", False: "b", None: "c", 2.5: "d"},
    "enumeration": Color.RED,
    "flags": enum.IntFlag("Flags", "A B").B,
    "text of a kind": Text("text"),
    "number of a kind": Number(1 << 40),
    "bytearray": bytearray(b"ab"),
    "memoryview": memoryview(b"ab"),
    "range": range(3),
    "deque": collections.deque([1]),
    "array": array.array("i", [1, -1]),
    "proxied mapping": MappingProxyType({"a": 1}),
    "numpy float": np.float64(2.5),
    "numpy text": np.str_("é"),
    "numpy bytes": np.bytes_(b"b"),
    "47 sequences": eval("(" * 47 + "1" + ",)" * 47),
}
if OFFICIAL_ACCEPTS_NONE:
    VALUES |= {"none": None, "none within": (None, {"a": None})}
UNKNOWN = {
    "too large": 1 << 63,
    "too small": -(1 << 63) - 1,
    "far too large": 1 << 70,
    "numpy int": np.int64(1),
    "numpy float32": np.float32(1.5),
    "numpy bool": np.bool_(True),
    "numpy array": np.array([1]),
    "set": {1},
    "complex": 1j,
    "object": object(),
    "type": int,
    "one of many": ["a", object()],
    "one within": {"a": [1 << 70]},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value(value):
    """Each value is encoded as by the official encoder, the first time and from the cache."""
    spans = [a_span(attributes={"it": value})] * 2

    assert 2 * [1] == [
        len(span.attributes) for span in decoded(spans).resource_spans[0].scope_spans[0].spans
    ]
    assert official_bytes(spans) == exact(decoded(spans))


@pytest.mark.parametrize("value", UNKNOWN.values(), ids=UNKNOWN)
def test_a_value_without_a_form_is_left_out(value, caplog):
    """A value that the official encoder leaves out is left out alone and logged once by name."""
    spans = [a_span(attributes={"a": 1, "it": value, "b": 2})] * 2

    ours = decoded(spans)

    assert ["the attribute 'it' is left out of what is exported"] == logged(caplog)
    assert ["a", "b"] == keys_of(spans[0].attributes)
    assert official_bytes(spans) == exact(ours)


def logged(caplog) -> list[str]:
    """The messages of the logger `tracekit`, without the text of the exceptions."""
    return [r.getMessage().split(": ")[0] for r in caplog.records if r.name == "tracekit"]


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"k": v}], ids=["lists", "mappings"])
@pytest.mark.parametrize("levels", [48, 5_000])
def test_nesting_that_readers_refuse_is_left_out(levels, wrap, caplog):
    """A value with nesting that readers refuse is left out alone."""
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)

    assert ["a"] == keys_of({"it": value, "a": 1})
    assert ["the attribute 'it' is left out of what is exported"] == logged(caplog)


def test_a_value_that_contains_itself_is_left_out():
    """A list that contains itself does not stop the batch."""
    endless: list[Any] = []
    endless.append(endless)

    assert ["a"] == keys_of({"it": endless, "a": 1})


def test_a_value_whose_methods_fail_is_left_out():
    """A user's sequence that raises costs its attribute and nothing else."""

    class Broken(collections.UserList):
        def __iter__(self):
            raise RuntimeError("broken")

    assert ["a"] == keys_of({"it": Broken([1]), "a": 1})


SURROGATES = {
    "lone": ("a\ud800b", "a\ufffdb"),
    "second half": ("\udc00", "\ufffd"),
    "a pair": ("\ud83c\udf88", "🎈"),
}


@pytest.mark.parametrize(("text", "expected"), SURROGATES.values(), ids=SURROGATES)
def test_lone_surrogates_are_replaced(text, expected, caplog):
    """A string with lone surrogates is exported with replacements, in any field."""
    span = only_span(
        [
            a_span(
                text,
                attributes={text: text, "nested": [text]},
                events=[Event(text, timestamp=1)],
                status=Status(StatusCode.ERROR, text),
            )
        ]
    )

    key, nested = span.attributes
    assert [expected] * 6 == [
        span.name,
        key.key,
        key.value.string_value,
        nested.value.array_value.values[0].string_value,
        span.events[0].name,
        span.status.message,
    ]
    assert ["lone surrogates in a string are replaced"] == logged(caplog)


def test_equal_values_of_different_types():
    """1, True and 1.0 under one name keep their types, in any order."""
    values = [1, True, 1.0, "1", 1, True, 1.0, Color.RED, 5, 0, False, -0.0, 0.0]
    spans = [a_span(attributes={"it": value}) for value in values + values[::-1]]

    assert official_bytes(spans) == exact(decoded(spans))


def test_more_names_and_values_than_the_caches_hold():
    """Names and values beyond the size of the caches are encoded correctly."""
    spans = [
        a_span(f"name {n}", attributes={f"key {n}": n, "one": n, "other": f"value {n}"})
        for n in range(5_000)
    ]

    assert official_bytes(spans) == exact(decoded(spans))
    assert official_bytes(spans) == exact(decoded(spans))


ODD_SPANS = {
    "all defaults": ReadableSpan("", context=SpanContext(1, 1, is_remote=False)),
    "no name": a_span(None),
    "a name in bytes": a_span("é".encode()),
    "no status": a_span(status=None),
    "ids of zero": a_span(context=SpanContext(0, 0, False), parent=SpanContext(0, 0, True)),
    "highest ids": a_span(context=SpanContext((1 << 128) - 1, (1 << 64) - 1, True)),
    "remote parent": a_span(parent=SpanContext(1, 2, is_remote=True)),
    "local parent": a_span(parent=SpanContext(1, 2, is_remote=False)),
    "trace state": a_span(
        context=SpanContext(1, 2, False, trace_state=TraceState([("a", "1"), ("b", "2")]))
    ),
    "no trace state": a_span(context=SimpleNamespace(trace_id=1, span_id=2, trace_state=None)),
    "numpy times": a_span(start_time=np.int64(1), end_time=np.uint64((1 << 64) - 1)),
    "odd keys": a_span(attributes={None: 1, b"a": 2, "": 3}),
    "no attributes": a_span(attributes=None),
    "an ok status": a_span(status=Status(StatusCode.OK)),
    "an error without words": a_span(status=Status(StatusCode.ERROR)),
    "an empty scope": a_span(instrumentation_scope=InstrumentationScope("")),
    "a scope without a name": a_span(instrumentation_scope=InstrumentationScope(None)),
}


@pytest.mark.parametrize("span", ODD_SPANS.values(), ids=ODD_SPANS)
def test_an_odd_span(span):
    """A span with missing or extreme fields is encoded as by the official encoder."""
    assert official_bytes([span]) == exact(decoded([span]))


BAD_SPANS = {
    "no context": a_span(context=None),
    "a negative time": a_span(start_time=-1),
    "a late time": a_span(end_time=1 << 64),
    "a broken time": a_span(start_time=math.nan),
    "no kind": a_span(kind=None),
    "a long trace id": a_span(
        context=SimpleNamespace(trace_id=1 << 128, span_id=1, trace_state={})
    ),
    "a name that is not a string": a_span(5),
    "a bad event": a_span(events=[Event("e", timestamp=-1)]),
    "a bad scope": a_span(instrumentation_scope=InstrumentationScope(5)),
    "not a span": object(),
    "an incomplete LeanSpan": SimpleNamespace(_site_attributes=SiteAttributes({})),
}


@pytest.mark.parametrize("bad", BAD_SPANS.values(), ids=BAD_SPANS)
def test_a_span_that_cannot_be_encoded_is_left_out_alone(bad):
    """A span that cannot be encoded is reported, and the other spans are encoded."""
    good = [a_span("before"), a_span("after")]
    skipped = []

    ours = encode_spans([good[0], bad, good[1]], on_skipped=lambda span, _: skipped.append(span))

    assert official_bytes(good) == exact(ExportTraceServiceRequest.FromString(ours))
    assert [bad] == skipped


@pytest.mark.parametrize("spans", [[], [a_span(context=None)]], ids=["no spans", "a bad span"])
def test_nothing_to_send(spans):
    """Without a span to send the request is empty."""
    assert b"" == encode_spans(spans)


@given(
    st.text(max_size=4),
    st.dictionaries(
        st.text(max_size=3),
        ATTRIBUTES | st.integers() | st.text(max_size=4) | st.complex_numbers(),
        max_size=4,
    ),
)
def test_no_span_fails_a_batch(name, attributes):
    """A reader accepts a batch with any names and attributes, with all of its spans."""
    spans = [a_span(name, attributes=attributes), a_span("next")]

    [scope] = decoded(spans).resource_spans[0].scope_spans

    assert 2 == len(scope.spans)


def test_groups_in_order():
    """Resources and scopes are in the order of their first spans, equal ones once."""
    resources = [lambda: Resource({"r": 1}), lambda: Resource({"r": 2})]
    scopes = [lambda: InstrumentationScope("a"), lambda: InstrumentationScope("b"), lambda: None]
    spans = [
        a_span(f"{n}", resource=resources[n % 2](), instrumentation_scope=scopes[n % 3]())
        for n in (1, 5, 0, 3, 2, 4, 1, 0)
    ]

    assert [["1", "1"], ["5"], ["3"], ["0", "0"], ["2"], ["4"]] == [
        [span.name for span in scope.spans]
        for resource in decoded(spans).resource_spans
        for scope in resource.scope_spans
    ]
    assert official_bytes(spans) == exact(decoded(spans))


def test_ids_of_short_lived_resources_and_scopes():
    """Spans whose properties make new resources and scopes at each access are grouped correctly."""

    class Fleeting(ReadableSpan):
        @property
        def resource(self) -> Resource:
            return Resource({"of": self.name})

        @property
        def instrumentation_scope(self) -> InstrumentationScope:
            return InstrumentationScope(self.name)

    spans = [Fleeting(str(n // 2), context=CONTEXT) for n in range(1_000)]

    assert official_bytes(spans) == exact(decoded(spans))


def test_ids_of_resources_of_earlier_batches():
    """A resource with the id of an earlier, freed one is encoded as itself."""
    for n in range(100):
        scope = InstrumentationScope(str(n))
        span = a_span(resource=Resource({"of": n}), instrumentation_scope=scope)

        assert official_bytes([span]) == exact(decoded([span]))


def test_the_caches_are_bounded():
    """The caches of names, values, lengths and resources are bounded."""
    for n in range(3_000):
        name = f"name {n}"
        attributes = {name: n, "one": "x" * n, "other": n}
        encode_spans([a_span(name, attributes=attributes, resource=Resource({"of": n}))])

    attributes = span_encoding._ATTRIBUTES
    assert len(attributes) <= 512
    assert max(map(len, attributes.values())) <= 64
    assert max(len(field) for named in attributes.values() for field in named.values()) <= 128
    assert len(span_encoding._names) <= 2_048
    assert len(wire_format._STRING) <= 2_048
    assert len(request_encoding._encoded) <= 256


def test_the_attributes_of_a_call_site_are_encoded_once():
    """The attributes of a call site are encoded with its first span and reused."""
    site = SiteAttributes({"code.line.number": 5, "code.function.name": "f"})
    span = a_span(attributes={**site.mapping, "a": 1})
    made = lean(span, site, {"a": 1})

    assert official_bytes([span]) == exact(decoded([made]))
    first = site.encoded
    assert official_bytes([span]) == exact(decoded([made]))
    assert first is not None
    assert first is site.encoded


def test_any_mapping_of_attributes():
    """Attributes in a mapping without a `copy` method are encoded the same."""

    class Plain(collections.abc.Mapping):
        def __getitem__(self, key):
            return {"a": 1, "b": "x"}[key]

        def __iter__(self):
            return iter("ab")

        def __len__(self):
            return 2

    class Foreign(ReadableSpan):
        @property
        def attributes(self):
            return Plain()

    span = Foreign("foreign", context=CONTEXT, resource=Resource({}))

    assert official_bytes([span]) == exact(decoded([span]))


def test_no_protocol_buffers_are_needed(run_python):
    """Encoding loads neither the protobuf library nor gRPC."""
    done = run_python(
        "import sys\n"
        "from opentelemetry.sdk.trace import ReadableSpan\n"
        "from opentelemetry.trace import SpanContext\n"
        "from tracekit._otlp.request_encoding import encode_spans\n"
        "assert encode_spans([ReadableSpan('x', context=SpanContext(1, 2, False))])\n"
        "print([m for m in ('google.protobuf', 'grpc') if m in sys.modules])\n"
    )

    assert "[]\n" == done.stdout
