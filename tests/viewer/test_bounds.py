"""The bounds of a store."""

from __future__ import annotations

import dataclasses

import pytest

from tests.viewer.clients import client_of, eventually, make_span, post, request_of
from tracekit._viewer.intake.decode import collect_traces
from tracekit._viewer.server import Settings, Viewer
from tracekit._viewer.store import bounds
from tracekit._viewer.store.limits import Limits
from tracekit._viewer.store.store import Store


@pytest.fixture(autouse=True)
def nothing_is_active(monkeypatch):
    """Traces of a moment ago may be dropped."""
    monkeypatch.setattr(bounds, "_ACTIVE_NS", 0)


def open_store(tmp_path, **limits):
    return Store(tmp_path / "spans.db", Limits(**limits))


def write_trace(store, number, spans, **attributes):
    made = [
        make_span(trace=number, span=n + 1, start=number, attributes=attributes)
        for n in range(spans)
    ]
    store.writer.write([collect_traces(request_of(*made), 65536)])


def prune(store):
    """Prune as the writer's thread does; return in how many steps."""
    steps = 1
    while store.writer.prune():
        steps += 1
    return steps


def traces(store):
    with store.reading() as reader:
        return [(int.from_bytes(each.id, "big"), each.spans) for each in reader.trace_page()][::-1]


def rows(store):
    found = store.writer._connection.execute("SELECT count(*) FROM span").fetchone()
    return found[0]


def test_the_oldest_whole_traces_are_dropped(tmp_path):
    """Beyond the bound of spans the oldest traces go, whole, and they are counted."""
    with open_store(tmp_path, spans=100) as store:
        for number in range(1, 12):
            write_trace(store, number, 10)
            prune(store)
        found = traces(store)
        assert found == [(number, 10) for number in range(3, 12)]
        counts = store.writer.counts
        assert counts.spans == 90
        assert counts.traces == 9
        assert counts.dropped_spans == 20
        assert counts.dropped_traces == 2
        assert counts.dropped_before == 2
        assert rows(store) == 90


def test_traces_that_spans_arrive_for_are_dropped_last(tmp_path, monkeypatch):
    """A long-lived trace is older than others, and is kept while they are idle."""
    with open_store(tmp_path, spans=100) as store:
        write_trace(store, 1, 10)
        for number in range(2, 11):
            write_trace(store, number, 10)
        monkeypatch.setattr(bounds, "_ACTIVE_NS", 3_600_000_000_000)
        # As if the others had ended two hours ago.
        store.writer._connection.execute("UPDATE trace SET changed = 0 WHERE id > 1")
        write_trace(store, 11, 5)
        prune(store)
        assert [number for number, _ in traces(store)][:2] == [1, 3]


def test_the_bound_of_bytes(tmp_path):
    """The file does not grow beyond the bound, whatever the spans hold."""
    with open_store(tmp_path, bytes=3_000_000) as store:
        for number in range(1, 60):
            write_trace(store, number, 4, text="x" * 50_000)
            prune(store)
        assert store.bytes() <= 3_000_000
        assert store.path.stat().st_size < 4_000_000
        assert store.writer.counts.dropped_traces > 30
        assert traces(store)[-1] == (59, 4)


def test_a_large_trace_goes_in_slices(tmp_path):
    """A trace larger than a slice goes from the list at once, and its rows little by little."""
    with open_store(tmp_path, spans=10_000) as store:
        write_trace(store, 1, 9_000)
        write_trace(store, 2, 2_000)
        assert store.writer.prune()
        assert traces(store) == [(2, 2_000)]
        assert rows(store) == 11_000
        steps = prune(store)
        assert steps == 5
        assert rows(store) == 2_000


def test_deletion_goes_on_after_a_restart(tmp_path):
    """What was dropped and not yet deleted is deleted by the next viewer of the file."""
    with open_store(tmp_path, spans=10_000) as store:
        write_trace(store, 1, 9_000)
        write_trace(store, 2, 2_000)
        store.writer.prune()
    with open_store(tmp_path, spans=10_000) as store:
        prune(store)
        assert rows(store) == 2_000
        assert store.writer.counts.dropped_spans == 9_000


def test_the_cap_of_one_trace(tmp_path):
    """Spans beyond the cap are not stored, and are counted with the trace."""
    with open_store(tmp_path, spans=100, trace_spans=20) as store:
        write_trace(store, 1, 30)
        write_trace(store, 2, 5)
        with store.reading() as reader:
            newest, oldest = reader.trace_page()
        assert (oldest.spans, oldest.dropped) == (20, 10)
        assert (newest.spans, newest.dropped) == (5, 0)
        assert store.writer.counts.dropped_spans == 10


def test_names_that_no_span_has_are_deleted(tmp_path, monkeypatch):
    """Names with an id in them do not fill the file in the long run."""
    monkeypatch.setattr(bounds, "_DICTIONARY_ROWS", 50)
    with open_store(tmp_path, spans=100) as store:
        for number in range(1, 60):
            spans = [
                make_span(trace=number, span=n + 1, start=number, name=f"GET /{number}/{n}")
                for n in range(10)
            ]
            store.writer.write([collect_traces(request_of(*spans), 65536)])
            prune(store)
        (names,) = store.writer._connection.execute("SELECT count(*) FROM name").fetchone()
        assert names < 200
        with store.reading() as reader:
            assert {each.root for each in reader.trace_page()} == {
                f"GET /{number}/9" for number in range(51, 60)
            }


def test_values_are_cut(tmp_path):
    """A value beyond 64 KB is cut and says so; shorter ones are untouched."""
    with Store(tmp_path / "spans.db") as store:
        text = "é" * 70_000
        attributes = {"long": text, "short": "x" * 60_000, "list": ["y" * 70_000, 1]}
        span = make_span(attributes=attributes)
        span.events.add(name="exception").attributes.extend(
            make_span(attributes={"exception.stacktrace": text}).attributes
        )
        decoded = collect_traces(request_of(span), store.limits.value_bytes)
        store.writer.write([decoded])
        assert store.writer.counts.cut_values == 3
        stored = decoded.groups[0].spans[0].raw
        assert b"(cut by the viewer: 70,000 characters)" in stored
        assert b"x" * 60_000 in stored
        assert len(stored) < 5 * 65536


def test_what_was_dropped_is_shown():
    """The status says how many, and before which time."""
    limits = Limits(spans=50)
    with Viewer(Settings(port=0, grpc_port=0, http_port=0, limits=limits)) as viewer:
        for number in range(1, 8):
            post(viewer, *(make_span(trace=number, span=n, start=number) for n in range(1, 11)))
        with client_of(viewer) as client:
            status = eventually(
                lambda: client.get("/api/status").json(), lambda status: status["spans"] <= 50
            )
            assert status["dropped"]["spans"] + status["spans"] == 70
            assert status["dropped"]["before"] == str(status["dropped"]["traces"])
            assert status["limits"]["spans"] == 50
            listed = client.get("/api/traces").json()["traces"]
    assert len(listed) == status["traces"]


def test_the_defaults_are_those_of_the_documentation():
    """One million spans, one gigabyte, 64 KB a value."""
    assert dataclasses.asdict(Limits()) == {
        "spans": 1_000_000,
        "bytes": 1_000_000_000,
        "value_bytes": 65_536,
        "trace_spans": 1_000_000,
    }
