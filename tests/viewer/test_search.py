"""A search answers what the reference answers, whatever is stored and asked."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.viewer.clients import make_span, request_of
from tests.viewer.otlp_strategies import written
from tracekit._viewer.intake.decode import collect_traces
from tracekit._viewer.intake.json_decoding import parse_json
from tracekit._viewer.query.matching import Candidate, matches
from tracekit._viewer.query.nodes import Node
from tracekit._viewer.query.syntax import parse_query
from tracekit._viewer.store.search import Position, Search
from tracekit._viewer.store.store import Store

NOW = 1_000_000_000_000_000
texts = st.sampled_from(
    ["shop", "Shop", "GET /users", "café", "7", "500", "true", "x*y", 'a"b', ""]
)
keys = st.sampled_from(["http.route", "n", "level", "service", "Ключ", ""])
values = st.recursive(
    st.one_of(
        texts.map(lambda text: {"stringValue": text}),
        st.sampled_from(["INFO", "WARN", "error"]).map(lambda text: {"stringValue": text}),
        st.sampled_from([0, 7, -7, 500, 2**63 - 1]).map(lambda of: {"intValue": str(of)}),
        st.sampled_from([0.5, 7.0, -0.0, "NaN", "-Infinity", 1e300]).map(
            lambda of: {"doubleValue": of}
        ),
        st.booleans().map(lambda of: {"boolValue": of}),
        st.just({"bytesValue": "c2hvcA=="}),
        st.just({}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda of: {"arrayValue": {"values": of}}),
        st.lists(st.builds(lambda k, v: {"key": k, "value": v}, keys, inner), max_size=2).map(
            lambda of: {"kvlistValue": {"values": of}}
        ),
    ),
    max_leaves=3,
)
attributes = st.lists(st.builds(lambda k, v: {"key": k, "value": v}, keys, values), max_size=3)
spans = st.builds(
    lambda trace, span, parent, start, duration, **others: {
        "traceId": f"{trace:032x}",
        "spanId": f"{span:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(max(start + duration, 0)) if duration is not None else "0",
        **others,
    },
    trace=st.integers(1, 4),
    span=st.integers(1, 40),
    parent=st.integers(0, 3),
    start=st.sampled_from([1, NOW - 10**10, NOW, 2**63 + 5, 2**64 - 10**10]),
    duration=st.sampled_from([None, -5, 0, 1, 10**6, 5 * 10**7, 10**9]),
    name=texts,
    kind=st.integers(0, 7),
    attributes=attributes,
    status=st.builds(
        lambda code, message: {"code": code, "message": message}, st.integers(0, 2), texts
    ),
    events=st.lists(
        st.builds(
            lambda name, of: {"name": name, "timeUnixNano": "5", "attributes": of},
            texts,
            attributes,
        ),
        max_size=2,
    ),
)
lines = st.builds(
    lambda service, scope, of: {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [
                        {"key": "service.name", "value": service},
                        {"key": "n", "value": {"intValue": "500"}},
                    ]
                },
                "scopeSpans": [{"scope": {"name": scope}, "spans": of}],
            }
        ]
    },
    values,
    texts,
    st.lists(spans, min_size=1, max_size=5),
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


patterns = st.one_of(
    texts.map(quoted), st.sampled_from(["*", "s*", "*o*", "G*s", "*7*", "5*0", "t*", "*hop", "un*"])
)
conditions = st.one_of(
    st.builds(
        lambda field, operator, value: f"{field}{operator}{value}",
        st.sampled_from(
            'service name scope event root http.route n resource.n "service" "level" Ключ'.split()
        ),
        st.sampled_from([":", "=", "!="]),
        patterns,
    ),
    st.builds(
        lambda field, operator, value: f"{field}{operator}{value}",
        st.sampled_from(["duration", "trace.duration"]),
        st.sampled_from(["<", "<=", ">", ">=", "=", "!="]),
        st.sampled_from(["0ns", "1ns", "1ms", "50ms", "1s", "1h"]),
    ),
    st.builds(
        lambda field, operator, value: f"{field}{operator}{value}",
        st.sampled_from(["trace.spans", "trace.errors", "n", "resource.n", "http.route"]),
        st.sampled_from(["<", "<=", ">", ">=", "=", "!="]),
        st.sampled_from(["0", "1", "2", "7", "500"]),
    ),
    st.builds(
        lambda field, value: f"{field}={value}",
        st.sampled_from(["n", "resource.n", "http.route"]),
        st.sampled_from("-7 7.0 0.5 -0.0 1e300 9223372036854775807 9e999 true nan -inf".split()),
    ),
    st.builds(
        lambda operator, value: f"level{operator}{value}",
        st.sampled_from(["<", ">=", "=", "!="]),
        st.sampled_from(["info", "warn", "error"]),
    ),
    st.sampled_from(
        "error status:ok status!=error kind:server kind:unspecified is:open is:root since:1s "
        "until:1s since:10m span:000000000000000* span=0000000000000003 trace:*2".split()
    ),
    texts.map(quoted),
    st.sampled_from(["shop", "USERS", "7", "500", "s*p", "é"]),
)
queries = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds("({} {})".format, inner, inner),
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not {}".format, inner),
        st.builds("-({})".format, inner),
    ),
    max_leaves=4,
)


def brute_force(store: Store, query: Node) -> dict[bytes, set[int]]:
    """The rows that match, for each trace that has any, by looking at every span."""
    found: dict[bytes, set[int]] = {}
    with store.reading() as reader:
        for trace in reader.trace_page(limit=1000):
            spans = [Candidate.of(trace, data) for data in reader.spans(trace)]
            # Rows of the skeleton: in order of start, which the store cuts to 63 bits.
            spans.sort(key=lambda one: min(one.span.start_time_unix_nano, 2**63 - 1))
            rows = {row for row, span in enumerate(spans) if matches(query, span)}
            if rows:
                found[trace.id] = rows
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(lines, min_size=1, max_size=3), st.lists(queries, min_size=1, max_size=6))
def test_a_search_equals_brute_force(tmp_path_factory, stored, asked):
    """Traces and rows are those that a look at every span finds."""
    with Store(tmp_path_factory.mktemp("store") / "spans.db") as store:
        store.writer.write(
            [parse_json(json.dumps(written(line)).encode(), 1000) for line in stored]
        )
        for text in asked:
            query = parse_query(text, NOW)
            expected = brute_force(store, query)
            with store.reading() as reader:
                search = Search(reader, query)
                found = search.traces(limit=1000, seconds=60)
                assert {each.id for each in reader.traces(found.numbers)} == set(expected), text
                for trace in reader.trace_page(limit=1000):
                    assert set(search.rows(trace).rows) == expected.get(trace.id, set()), text


@pytest.fixture
def many(store: Store) -> Store:
    """Three hundred traces of three spans; every tenth failed."""
    store.writer.write(
        [
            collect_traces(
                request_of(
                    *(
                        make_span(
                            trace=trace,
                            span=span,
                            parent=span - 1,
                            start=trace * 1000,
                            end=trace * 1000 + trace,
                            status={"code": 2 if trace % 10 == 0 and span == 2 else 0},
                            attributes={"n": trace},
                        )
                        for span in (1, 2, 3)
                    )
                ),
                1000,
            )
            for trace in range(1, 301)
        ]
    )
    return store


@pytest.mark.parametrize("sort", ["time", "duration", "spans", "errors"])
@pytest.mark.parametrize("descending", [True, False])
def test_pages_of_a_search_follow_each_other(many, sort, descending):
    """All matching traces come once, in the order, whatever the limit."""
    found: list[int] = []
    position: Position | None = None
    with many.reading() as reader:
        while True:
            page = Search(reader, parse_query("error")).traces(
                sort=sort, descending=descending, after=position, limit=7, seconds=60
            )
            found += page.numbers
            position = page.position
            if position is None:
                break
        ids = [int.from_bytes(trace.id, "big") for trace in reader.traces(found)]
    assert ids == sorted(range(10, 301, 10), reverse=descending)


def test_a_search_ends_at_its_deadline_and_goes_on(many, monkeypatch):
    """Without time it looks at one slice, says so, and continues behind it."""
    monkeypatch.setattr("tracekit._viewer.store.search._FIRST_SLICE", 30)
    monkeypatch.setattr("tracekit._viewer.store.search._LARGEST_SLICE", 30)
    found, position, looked_at, turns = [], None, 0, 0
    with many.reading() as reader:
        while True:
            page = Search(reader, parse_query("n=40")).traces(after=position, limit=7, seconds=0)
            found += page.numbers
            looked_at += page.looked_at
            turns += 1
            if page.position is None:
                break
            assert not page.done
            position = page.position
        assert [trace.id[-1] for trace in reader.traces(found)] == [40]
    assert looked_at == 300
    assert turns >= 30


def test_a_large_trace_is_searched_in_parts(store, monkeypatch):
    """The position leads into a trace of more spans than a deadline allows."""
    monkeypatch.setattr("tracekit._viewer.store.search._FIRST_SLICE", 10)
    monkeypatch.setattr("tracekit._viewer.store.search._LARGEST_SLICE", 10)
    spans = [make_span(span=n, start=100 - n, attributes={"n": n}) for n in range(1, 100)]
    store.writer.write([collect_traces(request_of(*spans, make_span(trace=2)), 1000)])
    position, turns = None, 0
    with store.reading() as reader:
        while True:
            page = Search(reader, parse_query("n=95")).traces(after=position, limit=1, seconds=0)
            turns += 1
            if page.done:
                break
            position = page.position
        assert page.numbers == [1]
        assert turns >= 11
        search = Search(reader, parse_query("n>=95"))
        trace = reader.trace((1).to_bytes(16, "big"))
        assert search.rows(trace).rows == [0, 1, 2, 3, 4]
        partial = search.rows(trace, seconds=-1)
    assert (partial.done, partial.looked_at) == (False, 0)
