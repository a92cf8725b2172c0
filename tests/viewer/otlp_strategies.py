"""OTLP in JSON as hypothesis makes it up, in the form that the viewer writes."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

MARKUP = "<img src=x onerror=alert(1)>"
texts = st.one_of(
    st.text(st.characters(), max_size=12),
    st.sampled_from([MARKUP, "</script>", "\u2028", "\ud800", "a\udfffb", "\x00", "\r\n", "𝄞"]),
)
uint32 = st.integers(0, 2**32 - 1)
# A fixed64 of protocol buffers, as a string.
times = st.one_of(st.integers(1, 10**19), st.sampled_from([2**63, 2**64 - 1])).map(
    lambda number: str(min(number, 2**64 - 1))
)
int64 = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), 2**63 - 1, 0]))
doubles = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["NaN", "Infinity", "-Infinity"]),
)
trace_ids = st.binary(min_size=16, max_size=16).filter(any).map(bytes.hex)
span_ids = st.binary(min_size=8, max_size=8).filter(any).map(bytes.hex)


def written(of: Any) -> Any:
    """Data of JSON as it is written: lone surrogates in its texts as backslash escapes."""
    match of:
        case str():
            return of.encode("utf-8", "backslashreplace").decode()
        case list():
            return [written(each) for each in of]
        case dict():
            return {key: written(each) for key, each in of.items()}
        case _:
            return of


def present(**fields: Any) -> dict[str, Any]:
    return {name: of for name, of in fields.items() if of or of == {}}


values = st.recursive(
    st.one_of(
        texts.map(lambda text: {"stringValue": text}),
        int64.map(lambda number: {"intValue": str(number)}),
        doubles.map(lambda number: {"doubleValue": number}),
        st.booleans().map(lambda of: {"boolValue": of}),
        st.binary(max_size=8).map(lambda of: {"bytesValue": base64.b64encode(of).decode()}),
        st.just({}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda of: {"arrayValue": {"values": of}}),
        st.lists(st.builds(lambda k, v: {"key": k, "value": v}, texts, inner), max_size=3).map(
            lambda of: {"kvlistValue": {"values": of}}
        ),
    ),
    max_leaves=6,
)
attributes = st.lists(st.builds(lambda k, v: {"key": k, "value": v}, texts, values), max_size=4)
events = st.builds(
    present, timeUnixNano=times, name=texts, attributes=attributes, droppedAttributesCount=uint32
)
links = st.builds(
    present,
    traceId=trace_ids,
    spanId=span_ids,
    traceState=texts,
    attributes=attributes,
    droppedAttributesCount=uint32,
    flags=uint32,
)
spans = st.builds(
    present,
    traceId=trace_ids,
    spanId=span_ids,
    traceState=texts,
    parentSpanId=st.one_of(st.just(""), span_ids),
    flags=uint32,
    name=texts,
    kind=st.integers(0, 5),
    startTimeUnixNano=times,
    endTimeUnixNano=times,
    attributes=attributes,
    droppedAttributesCount=uint32,
    events=st.lists(events, max_size=3),
    droppedEventsCount=uint32,
    links=st.lists(links, max_size=2),
    droppedLinksCount=uint32,
    status=st.builds(present, message=texts, code=st.integers(0, 2)),
)
logs = st.builds(
    present,
    timeUnixNano=times,
    observedTimeUnixNano=times,
    severityNumber=st.integers(0, 24),
    severityText=texts,
    body=values,
    attributes=attributes,
    flags=uint32,
    traceId=trace_ids,
    spanId=st.one_of(st.just(""), span_ids),
    eventName=texts,
)
resources = st.builds(present, attributes=attributes, droppedAttributesCount=uint32)
scopes = st.builds(present, name=texts, version=texts, attributes=attributes)
spans_lines = st.builds(
    lambda resource, scope, url, of: {
        "resourceSpans": [
            {
                "resource": resource,
                "scopeSpans": [{"scope": scope, "spans": of, **present(schemaUrl=url)}],
                **present(schemaUrl=url),
            }
        ]
    },
    resources,
    scopes,
    texts,
    st.lists(spans, min_size=1, max_size=4),
)
logs_lines = st.builds(
    lambda resource, scope, of: {
        "resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": of}]}]
    },
    resources,
    scopes,
    st.lists(logs, min_size=1, max_size=3),
)
# Anything that JSON can hold, often with the names of OTLP.
names = st.sampled_from(
    "resourceSpans scopeSpans spans resource scope attributes key value traceId spanId kind status "
    "events links startTimeUnixNano endTimeUnixNano intValue arrayValue values kvlistValue "
    "resourceLogs scopeLogs logRecords body resourceMetrics doubleValue bytesValue".split()
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, trace_ids, span_ids),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(names, texts), inner, max_size=4)
    ),
    max_leaves=20,
)
