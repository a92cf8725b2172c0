"""The skeleton of a trace."""

from __future__ import annotations

import math

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.viewer.clients import make_span, read_skeleton, request_of
from tracekit._viewer.api.skeleton import encode_skeleton
from tracekit._viewer.intake.decode import collect_logs, collect_traces


def write(store, *spans, service="shop"):
    store.writer.write([collect_traces(request_of(*spans, service=service), 65536)])


def skeleton(store):
    with store.reading() as reader:
        (trace,) = reader.trace_page()
        return read_skeleton(b"".join(encode_skeleton(reader, trace)))


def test_columns(store):
    """Rows are in order of start; names, services and lanes are indexes of the header's lists."""
    root = make_span(span=0xFFFFFFFFFFFFFFFF, start=1_000, end=9_000, name="root", kind=2)
    child = make_span(
        span=2,
        parent=0xFFFFFFFFFFFFFFFF,
        start=2_000,
        end=3_000,
        name="child",
        status={"code": 2},
        attributes={"thread.name": "worker-1", "thread.id": 7, "level": "warn"},
    )
    task = make_span(
        span=3,
        parent=2,
        start=2_500,
        end=2_400,
        name="child",
        attributes={"thread.id": 7, "idle_ns": 40, "asyncio.task.name": "Task-1"},
    )
    write(store, task, child)
    write(store, root, service="gateway")
    header, columns = skeleton(store)
    assert header["version"] == 1
    assert header["spans"] == 3
    assert header["start"] == "1000"
    assert columns["id"] == [0xFFFFFFFFFFFFFFFF, 2, 3]
    assert columns["parent"] == [-1, 0, 1]
    assert columns["start"] == [0.0, 1_000.0, 1_500.0]
    assert columns["duration"] == [8_000.0, 1_000.0, -100.0]
    assert [header["names"][n] for n in columns["name"]] == ["root", "child", "child"]
    assert [header["services"][n] for n in columns["service"]] == ["gateway", "shop", "shop"]
    threads = [header["lanes"][n]["thread"] for n in columns["lane"]]
    assert threads == ["", "worker-1", "7 · Task-1"]
    assert columns["kind"] == [2, 0, 0]
    assert columns["status"] == [0, 2, 0]
    assert columns["level"] == [0, 4, 0]
    assert columns["idle"] == [0.0, 0.0, 40.0]


def test_parents_that_are_not_there(store):
    """A missing parent differs from no parent, and from one in another process."""
    write(
        store,
        make_span(span=1, start=1),
        make_span(span=2, parent=77, start=2),
        make_span(span=3, parent=78, start=3, flags=0x300),
        make_span(span=4, parent=1, start=4, flags=0x300),
    )
    _, columns = skeleton(store)
    assert columns["parent"] == [-1, -2, -3, 0]
    assert [flags & 8 for flags in columns["flags"]] == [0, 0, 8, 8]


def test_late_parents(store):
    """A parent that comes later, and started later, is found."""
    write(store, make_span(span=2, parent=1, start=10))
    assert skeleton(store)[1]["parent"] == [-2]
    write(store, make_span(span=1, start=20))
    assert skeleton(store)[1]["parent"] == [1, -1]


def test_events_links_and_logs(store):
    """Events are columns of their own; links and logs are flags."""
    one = make_span(span=1, start=100, attributes={"thread.name": "main"})
    one.events.add(name="note", time_unix_nano=150)
    one.events.add(name="exception", time_unix_nano=90)
    two = make_span(span=2, parent=1, start=110)
    two.links.add(trace_id=bytes(15) + b"\x09", span_id=bytes(7) + b"\x09")
    write(store, one, two, make_span(span=3, parent=1, start=120))
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(
        trace_id=one.trace_id, span_id=(3).to_bytes(8, "big")
    )
    store.writer.write([collect_logs(request, 65536)])
    header, columns = skeleton(store)
    assert header["events"] == 2
    assert columns["event_row"] == [0, 0]
    assert columns["event_time"] == [50.0, -10.0]
    assert columns["event_kind"] == [0, 1]
    assert columns["flags"] == [1, 2, 16]
    assert [header["lanes"][n]["thread"] for n in columns["lane"]] == ["main", "", ""]


def test_open_spans_have_no_duration(store):
    """A span that has not ended has NaN as its duration."""
    write(store, make_span(end=0))
    assert math.isnan(skeleton(store)[1]["duration"][0])


def test_duplicate_ids(store):
    """The first span of an id is the parent of those that name it; the others are marked."""
    write(
        store,
        make_span(span=1, start=10, name="first"),
        make_span(span=1, start=20, name="second"),
        make_span(span=2, parent=1, start=30),
    )
    _, columns = skeleton(store)
    assert columns["parent"] == [-1, -1, 0]
    assert columns["flags"] == [0, 4, 0]


def test_cycles(store):
    """Spans that are each other's parents are rows like others."""
    write(
        store,
        make_span(span=1, parent=2, start=1),
        make_span(span=2, parent=1, start=2),
        make_span(span=3, parent=3, start=3),
    )
    assert skeleton(store)[1]["parent"] == [1, 0, 2]


def test_a_deep_chain(store):
    """Depth does not matter."""
    write(store, *(make_span(span=n, parent=n - 1, start=n) for n in range(1, 5_001)))
    assert skeleton(store)[1]["parent"] == list(range(-1, 4_999))


def test_numbers_at_the_ends_of_their_types(store):
    """Times beyond 63 bits, and the largest kinds, are stored and read."""
    write(
        store, make_span(span=1, start=2**64 - 1, end=2**64 - 1), make_span(span=2, start=0, end=5)
    )
    header, columns = skeleton(store)
    assert header["start"] == "0"
    assert columns["start"] == [0.0, float(2**64 - 1)]
    assert columns["duration"] == [5.0, 0.0]
