"""What goes in comes out, and nothing that comes in does harm."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.viewer import otlp_strategies as otlp
from tests.viewer.clients import make_span, read_skeleton, request_of
from tracekit._viewer.api.details import describe_span
from tracekit._viewer.api.skeleton import encode_skeleton
from tracekit._viewer.intake.decode import MalformedRequestError, decode_logs, decode_traces
from tracekit._viewer.intake.json_decoding import parse_json
from tracekit._viewer.intake.lines import LineSplitter
from tracekit._viewer.json_lines import encode_log_lines, encode_span_lines
from tracekit._viewer.store.store import Store

LIMIT = 65_536
fuzz = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=40)


pieces_of_lines = st.binary(max_size=20).map(lambda of: of.replace(b"\n", b""))


def flat(lines, of_resource, of_scope, records):
    """Every record with its resource and scope, counted."""
    return Counter(
        json.dumps(
            otlp.written(
                [
                    resource["resource"],
                    resource.get("schemaUrl"),
                    scope["scope"],
                    scope.get("schemaUrl"),
                    record,
                ]
            ),
            sort_keys=True,
        )
        for line in lines
        for resource in line[of_resource]
        for scope in resource[of_scope]
        for record in scope[records]
    )


def flat_spans(lines):
    return flat(lines, "resourceSpans", "scopeSpans", "spans")


def flat_logs(lines):
    return flat(lines, "resourceLogs", "scopeLogs", "logRecords")


def dump(line):
    return json.dumps(line).encode()


def read_back(store):
    with store.reading() as reader:
        traces = reader.trace_page(limit=1000)
        spans = [json.loads(s) for t in traces for s in encode_span_lines(reader.spans(t))]
        logs = [json.loads(s) for t in traces for s in encode_log_lines(reader.logs(t))]
    return spans, logs


@fuzz
@given(st.lists(otlp.spans_lines, min_size=1, max_size=4))
def test_spans_come_out_as_they_went_in(lines):
    """OTLP JSON lines, stored and written again, are the same spans."""
    seen = set()
    for line in lines:
        for span in line["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            # A span that is sent twice is stored once.
            span["spanId"] = f"{len(seen) + 1:016x}"
            seen.add(span["spanId"])
    with Store() as store:
        store.writer.write([parse_json(dump(line), LIMIT) for line in lines])
        assert flat_spans(read_back(store)[0]) == flat_spans(lines)
        assert store.writer.counts.spans == len(seen)


@fuzz
@given(st.lists(otlp.logs_lines, min_size=1, max_size=3))
def test_logs_come_out_as_they_went_in(lines):
    """The same holds for log records; a trace that has a span shows them."""
    records = [r for line in lines for r in line["resourceLogs"][0]["scopeLogs"][0]["logRecords"]]
    spans = [make_span(trace=int(record["traceId"], 16)) for record in records]
    with Store() as store:
        store.writer.write([parse_json(dump(line), LIMIT) for line in lines])
        store.writer.write([decode_traces(request_of(*spans).SerializeToString(), LIMIT)])
        assert flat_logs(read_back(store)[1]) == flat_logs(lines)


@fuzz
@given(st.lists(otlp.spans_lines, min_size=1, max_size=4))
def test_every_trace_can_be_shown(lines):
    """Skeleton and details of any trace can be made, and agree with what was stored."""
    with Store() as store:
        store.writer.write([parse_json(dump(line), LIMIT) for line in lines])
        with store.reading() as reader:
            for trace in reader.trace_page(limit=1000):
                header, columns = read_skeleton(b"".join(encode_skeleton(reader, trace)))
                assert header["spans"] == trace.spans
                assert columns["start"] == sorted(columns["start"])
                for span_id in columns["id"]:
                    details = describe_span(reader, trace, span_id.to_bytes(8, "big"))
                    json.dumps(details, allow_nan=False).encode()


@fuzz
@given(otlp.anything)
@example({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0" * 32}]}]}]})
@example({"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": 10**30}]}]}]})
@example({"resourceSpans": [{"resource": {"droppedAttributesCount": -1}}]})
def test_any_json_is_accepted_or_malformed(data):
    """Whatever JSON holds, it is decoded, or refused as malformed."""
    try:
        decoded = parse_json(dump(data), LIMIT)
    except MalformedRequestError:
        return
    with Store() as store:
        store.writer.write([decoded])


@fuzz
@given(st.binary(max_size=300))
def test_any_bytes_are_accepted_or_malformed(data):
    """Whatever the bytes are, they are decoded, or refused as malformed."""
    for decode in (decode_traces, decode_logs, parse_json):
        try:
            decoded = decode(data, LIMIT)
        except MalformedRequestError:
            continue
        with Store() as store:
            store.writer.write([decoded])


@fuzz
@given(st.data())
def test_a_damaged_request_is_accepted_or_malformed(data):
    """A request with a few bytes changed is decoded, or refused as malformed."""
    body = bytearray(
        request_of(
            make_span(attributes={"thread.name": "main", "list": [1, {"a": b"x"}]}),
            make_span(span=2, attributes={"level": "info", "idle_ns": 4}),
        ).SerializeToString()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_traces(bytes(body), LIMIT)
    except MalformedRequestError:
        return
    with Store() as store:
        store.writer.write([decoded])
        read_back(store)


@fuzz
@given(
    st.lists(st.binary(max_size=20).map(lambda of: of.replace(b"\n", b"")), max_size=8), st.data()
)
def test_lines_do_not_depend_on_the_pieces(lines, data):
    """Lines are the same whatever pieces they come in."""
    whole = b"".join(line + b"\n" for line in lines)
    # A line that begins like gzip would be taken for it.
    if whole.startswith(b"\x1f"):
        return
    splitter = LineSplitter()
    found = []
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        for some in splitter.split(whole[:size]):
            found += some
        whole = whole[size:]
    assert found == lines


@pytest.mark.parametrize("count", [10_000])
def test_ten_thousand_attributes(store, count):
    """A span with very many attributes is stored whole."""
    span = make_span(attributes={f"key.{n}": n for n in range(count)})
    store.writer.write([decode_traces(request_of(span).SerializeToString(), LIMIT)])
    with store.reading() as reader:
        (trace,) = reader.trace_page()
        details = describe_span(reader, trace, span.span_id)
    assert len(details["attributes"]) == count
