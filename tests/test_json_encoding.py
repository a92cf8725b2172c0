"""OTLP in JSON equals the official encoder's message, and parses whatever the spans hold."""

from __future__ import annotations

import base64
import collections
import enum
import json
import math
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from tests.span_strategies import CONTEXT, LIMITS, a_span, batches, recorded
from tracekit._otlp.json_encoding import encode_traces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IDS = ("traceId", "spanId", "parentSpanId")


def parsed(spans: Sequence[ReadableSpan]) -> dict:
    return json.loads(encode_traces(spans))


def only_span(line: dict) -> dict:
    [resource] = line["resourceSpans"]
    [scope] = resource["scopeSpans"]
    [span] = scope["spans"]
    return span


def value_of(value: object) -> dict:
    return only_span(parsed([a_span(attributes={"it": value})]))["attributes"][0]["value"]


def with_ids(tree: dict, translate) -> dict:
    """The tree with its ids translated, those of spans and links only."""
    for resource in tree.get("resourceSpans", []):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for holder in (span, *span.get("links", [])):
                    holder.update({key: translate(holder[key]) for key in IDS if key in holder})
    return tree


def official(spans: Sequence[ReadableSpan]) -> dict:
    tree = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    return with_ids(tree, lambda text: base64.b64decode(text).hex())


def read_by_protobuf(line: bytes) -> TracesData:
    tree = with_ids(
        json.loads(line), lambda text: base64.b64encode(bytes.fromhex(text)).decode("ascii")
    )
    return ParseDict(tree, TracesData())


def exact(tree: dict) -> str:
    """A text that differs for 1 and 1.0, and for 0.0 and -0.0, which `==` takes for equal."""
    return json.dumps(tree, sort_keys=True)


@given(batches())
def test_equals_the_official_encoder(spans):
    """Any batch parses to exactly the tree of the official encoder and proto3's JSON."""
    assert exact(official(spans)) == exact(parsed(spans))


def test_equals_the_official_encoder_on_recorded_spans():
    """Spans of the SDK itself, with limits that drop things, read as the official encoder's."""
    spans = recorded(LIMITS)

    ours = parsed(spans)

    assert exact(official(spans)) == exact(ours)
    expected = {"droppedAttributesCount": 2, "droppedEventsCount": 1, "droppedLinksCount": 1}
    assert expected.items() <= ours["resourceSpans"][0]["scopeSpans"][0]["spans"][1].items()


def test_the_tree_by_hand():
    """A span of every kind of field reads as the specification writes it."""
    span = a_span(
        "GET /",
        parent=SpanContext(0xABC, 0x123, is_remote=True),
        kind=SpanKind.CLIENT,
        attributes={"n": 1},
        events=[Event("e", {"b": b"\xff"}, 5)],
        status=Status(StatusCode.ERROR, "why"),
        start_time=1,
        end_time=(1 << 64) - 1,
        instrumentation_scope=InstrumentationScope("lib", "1"),
    )
    expected = {
        "traceId": "00000000000000000000000000000abc",
        "spanId": "0000000000000def",
        "parentSpanId": "0000000000000123",
        "flags": 0x300,
        "name": "GET /",
        "kind": 3,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "18446744073709551615",
        "attributes": [{"key": "n", "value": {"intValue": "1"}}],
        "events": [
            {
                "timeUnixNano": "5",
                "name": "e",
                "attributes": [{"key": "b", "value": {"bytesValue": "/w=="}}],
            }
        ],
        "status": {"code": 2, "message": "why"},
    }
    scope_spans = {"scope": {"name": "lib", "version": "1"}, "spans": [expected]}

    assert {"resourceSpans": [{"resource": {}, "scopeSpans": [scope_spans]}]} == parsed([span])


def test_equal_resources_and_scopes_are_written_once():
    """Spans of equal but distinct resources and scopes share one group."""
    spans = [
        a_span(
            resource=Resource({"service.name": "shop"}),
            instrumentation_scope=InstrumentationScope("lib", "1", None, {"a": 1}),
        )
        for _ in range(3)
    ]

    [resource] = parsed(spans)["resourceSpans"]

    [scope] = resource["scopeSpans"]
    assert len(spans) == len(scope["spans"])


def test_spans_keep_their_order_and_groups_the_order_of_their_first_span():
    """Groups come in the order of their first span, and spans in theirs within a group."""
    one, two = Resource({"r": "1"}), Resource({"r": "2"})
    names = [("a", one), ("b", two), ("c", one), ("d", two)]

    groups = parsed([a_span(name, resource=r) for name, r in names])["resourceSpans"]

    expected = [["a", "c"], ["b", "d"]]
    assert expected == [
        [span["name"] for span in group["scopeSpans"][0]["spans"]] for group in groups
    ]


def test_ids_of_short_lived_resources():
    """A span whose property makes a new resource at each access is grouped under its own."""

    class Fleeting(ReadableSpan):
        @property
        def resource(self) -> Resource:
            return Resource({"of": self.name})

    # Of each pair the second resource is dropped for the first, and its memory free for the next.
    names = [str(i // 2) for i in range(100)]

    groups = parsed([Fleeting(name, context=CONTEXT) for name in names])["resourceSpans"]

    expected = [(str(i), [str(i)] * 2) for i in range(50)]
    assert expected == [
        (
            group["resource"]["attributes"][0]["value"]["stringValue"],
            [span["name"] for span in group["scopeSpans"][0]["spans"]],
        )
        for group in groups
    ]


class Colour(enum.IntEnum):
    RED = 7


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Broken(collections.UserList):
    def __iter__(self):
        raise RuntimeError("no")

    def __str__(self) -> str:
        return "a broken list"


CYCLE: list[object] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", {"stringValue": ""}),
        (False, {"boolValue": False}),
        (0, {"intValue": "0"}),
        ((), {"arrayValue": {}}),
        ({}, {"kvlistValue": {}}),
        (None, {}),
        ((None, 1), {"arrayValue": {"values": [{}, {"intValue": "1"}]}}),
        (math.nan, {"doubleValue": "NaN"}),
        (math.inf, {"doubleValue": "Infinity"}),
        (-math.inf, {"doubleValue": "-Infinity"}),
        ((1 << 63) - 1, {"intValue": "9223372036854775807"}),
        (1 << 63, {"stringValue": "9223372036854775808"}),
        (-(1 << 63) - 1, {"stringValue": "-9223372036854775809"}),
        (1 << 20_000, {"stringValue": "<int>"}),
        (Colour.RED, {"intValue": "7"}),
        (1 + 2j, {"stringValue": "(1+2j)"}),
        ({0: 2}, {"kvlistValue": {"values": [{"key": "0", "value": {"intValue": "2"}}]}}),
        ({"": 2}, {"kvlistValue": {"values": [{"value": {"intValue": "2"}}]}}),
        (Unprintable(), {"stringValue": "<Unprintable>"}),
        (Broken([1]), {"stringValue": "a broken list"}),
        ("\ud800|\udc00", {"stringValue": "\\ud800|\\udc00"}),
        ("\ud83d\ude00", {"stringValue": "\\ud83d\\ude00"}),
        ("\U0001f600 é", {"stringValue": "\U0001f600 é"}),
        ("a\nb\r\0\x85\u2028", {"stringValue": "a\nb\r\0\x85\u2028"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value, expected):
    """Each type of value has its OTLP field, and a value without one becomes a string."""
    assert expected == value_of(value)


def _nested(make, levels: int) -> object:
    value: object = "bottom"
    for _ in range(levels):
        value = make(value)
    return value


@pytest.mark.parametrize("make", [lambda v: [v], lambda v: {"k": v}], ids=["lists", "mappings"])
@pytest.mark.parametrize("levels", [29, 30, 31, 5_000])
def test_depth_is_bounded_where_readers_stop(make, levels):
    """Protobuf parses a line with any nesting, and keeps up to 30 levels."""
    value = _nested(make, levels)
    event = Event("deep", {"it": "placeholder"}, 1)
    event._attributes = {"it": value}

    line = encode_traces([a_span(events=[event])])

    text = str(read_by_protobuf(line))
    assert (levels <= 30) is ('string_value: "bottom"' in text)


def test_a_value_that_holds_itself_ends():
    """A list that contains itself becomes a string at the bound."""
    assert "[[...]]" in json.dumps(value_of(CYCLE))


@pytest.mark.parametrize(
    "text", ["\ud800", "\x85", "\u2028", "\u2029", "\n", "\r\n", "\x0b\x0c\x1c\x1d\x1e", "\\ud800"]
)
def test_one_line_in_utf8(text):
    """With any text, the line is UTF-8, ends in a newline and has no other line boundary."""
    hostile = a_span(f"n{text}", attributes={f"k{text}": f"v{text}"})

    line = encode_traces([hostile]).decode("utf-8")

    assert [line] == line.splitlines(keepends=True)
    assert line.endswith("}\n")


ODD = st.builds(object) | st.builds(Unprintable) | st.complex_numbers()
ANYTHING = st.recursive(
    st.text(max_size=5) | st.integers() | st.floats() | st.binary(max_size=5) | st.none() | ODD,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.text(max_size=8), st.dictionaries(st.text(max_size=5), ANYTHING, max_size=3))
def test_every_line_is_readable(name, attributes):
    """A strict OTLP reader accepts the line with any attributes."""
    line = encode_traces([a_span(name, attributes=attributes)])

    assert len(attributes) == len(
        read_by_protobuf(line).resource_spans[0].scope_spans[0].spans[0].attributes
    )


@pytest.mark.parametrize(
    "bad",
    [
        a_span(context=None),
        a_span(start_time=-1),
        a_span(end_time=1 << 64),
        a_span(start_time=math.nan),
        a_span(kind=None),
        a_span(context=SimpleNamespace(trace_id=1 << 128, span_id=1, trace_state={})),
        None,
    ],
    ids=[
        "no context",
        "negative time",
        "time beyond 64 bits",
        "nan",
        "kind",
        "trace id",
        "no span",
    ],
)
def test_a_span_that_cannot_be_encoded_is_skipped_alone(bad):
    """Only a span without identity, kind or times is skipped and reported."""
    skipped = []

    line = encode_traces(
        [a_span("before"), bad, a_span("after")], on_skipped=lambda *what: skipped.append(what)
    )

    [scope] = json.loads(line)["resourceSpans"][0]["scopeSpans"]
    expected = ["before", "after"]
    assert expected == [span["name"] for span in scope["spans"]]
    [(span, error)] = skipped
    assert bad is span
    assert isinstance(error, Exception)


@pytest.mark.parametrize("spans", [[], [a_span(context=None)]], ids=["no spans", "a bad span"])
def test_nothing_to_write(spans):
    """Without a span to write the result is empty."""
    assert encode_traces(spans) == b""


def test_protocol_buffers_are_not_needed():
    """Encoding a span loads no protocol buffers."""
    program = (
        "import sys\n"
        "from opentelemetry.sdk.trace import ReadableSpan\n"
        "from opentelemetry.trace import SpanContext\n"
        "from tracekit._otlp.json_encoding import encode_traces\n"
        "assert encode_traces([ReadableSpan('x', context=SpanContext(1, 2, False))])\n"
        "print([m for m in sys.modules if m.startswith('google.protobuf')])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_attributes_may_be_any_mapping():
    """Attributes that come as a mapping of another type are read the same."""
    proxied: Mapping[str, object] = collections.ChainMap({"a": 1}, {"b": 2})

    attributes = only_span(parsed([a_span(attributes=proxied)]))["attributes"]

    assert {"a", "b"} == {attribute["key"] for attribute in attributes}
