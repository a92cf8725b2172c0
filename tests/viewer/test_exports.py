"""Exports of a trace hold what was stored, in forms that others read."""

from __future__ import annotations

import base64
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.viewer.clients import make_span, post, request_of
from tests.viewer.traffic import Trace, order, send_trace
from tracekit._console.render import Page
from tracekit._viewer.exports.chrome import encode_chrome_trace
from tracekit._viewer.exports.formats import export_trace
from tracekit._viewer.exports.readable import Readable
from tracekit._viewer.exports.text import render_text
from tracekit._viewer.intake.decode import collect_traces
from tracekit._viewer.store.store import Store

ID = f"{1:032x}"
THREADS = st.sampled_from([{}, {"thread.name": "a"}, {"thread.name": "b"}, {"thread.id": 7}])


def chrome(store: Store) -> list[dict]:
    with store.reading() as reader:
        trace = reader.trace((1).to_bytes(16, "big"))
        text = b"".join(encode_chrome_trace(trace, reader.spans(trace, in_order=True)))
    return json.loads(text, parse_float=Decimal)["traceEvents"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 50), st.integers(0, 50), st.integers(0, 8), THREADS, st.booleans()
        ),
        min_size=1,
        max_size=12,
    )
)
def test_slices_of_a_thread_lie_within_each_other(tmp_path_factory, spans):
    """Chrome's format: every span once, with its times, and no overlap within a thread."""
    with Store(tmp_path_factory.mktemp("store") / "spans.db") as store:
        made = [
            make_span(
                span=number,
                parent=parent,
                start=1_000_000 + start,
                end=1_000_000 + start + length if ended else 0,
                attributes=attributes,
            )
            for number, (start, length, parent, attributes, ended) in enumerate(spans, 1)
        ]
        store.writer.write([collect_traces(request_of(*made), 1000)])
        events = chrome(store)
    first = min(span.start_time_unix_nano for span in made)
    last = max(max(span.end_time_unix_nano, span.start_time_unix_nano) for span in made)
    slices = [event for event in events if event["ph"] == "X"]
    assert sorted(
        (event["args"]["span_id"], event["ts"] * 1000, event["dur"] * 1000) for event in slices
    ) == sorted(
        (
            span.span_id.hex(),
            span.start_time_unix_nano - first,
            (span.end_time_unix_nano or last) - span.start_time_unix_nano,
        )
        for span in made
    )
    by_thread: dict[tuple[int, int], list[tuple[Decimal, Decimal]]] = {}
    for event in slices:
        by_thread.setdefault((event["pid"], event["tid"]), []).append(
            (event["ts"], event["ts"] + event["dur"])
        )
    for lane in by_thread.values():
        for begin, end in lane:
            for other_begin, other_end in lane:
                crosses = begin < other_begin < end < other_end
                assert not crosses
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    assert named == {event["tid"] for event in slices}


def test_overlapping_coroutines_get_threads_beside_each_other(store):
    """Two overlapping children of one thread stand side by side; arrows lead to them."""
    thread = {"thread.name": "MainThread"}
    store.writer.write(
        [
            collect_traces(
                request_of(
                    make_span(span=1, start=1000, end=9000, name="gather", attributes=thread),
                    make_span(span=2, parent=1, start=2000, end=6000, attributes=thread),
                    make_span(span=3, parent=1, start=3000, end=8000, attributes=thread),
                ),
                1000,
            )
        ]
    )
    events = chrome(store)
    names = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    assert names == ["MainThread", "MainThread (2)"]
    arrows = [(event["ph"], event["tid"], event["ts"]) for event in events if event["ph"] in "sf"]
    assert arrows == [("s", 1, 2), ("f", 2, 2)]


def test_lines_can_be_read_again(viewer, client, tmp_path):
    """OTLP lines of an export, stored by another viewer, are the same trace."""
    trace = Trace(7)
    order(trace)
    send_trace(f"http://127.0.0.1:{viewer.http_port}", trace)
    trace_id = client.get("/api/traces").json()["traces"][0]["id"]
    answer = client.get(f"/api/traces/{trace_id}/export?format=otlp")
    assert answer.headers["content-disposition"].endswith(f'"trace-{trace_id}.jsonl"')
    other = client.get(f"/api/traces/{trace_id}").json()
    assert client.post("/api/files", content=answer.content).json()["bad_lines"] == 0
    assert client.get(f"/api/traces/{trace_id}").json()["spans"] == other["spans"]


def test_a_text_has_the_errors_first(viewer, client):
    """The path to where an error began and its stack trace stand before the tree."""
    trace = Trace(7)
    order(trace)
    send_trace(f"http://127.0.0.1:{viewer.http_port}", trace)
    found = client.get("/api/traces", params={"query": "error"}).json()["traces"]
    if not found:
        post(viewer, make_span(name="root", status={"code": 2, "message": "broken\x1b[31m"}))
        found = client.get("/api/traces", params={"query": "error"}).json()["traces"]
    text = client.get(f"/api/traces/{found[0]['id']}/export?format=text").text
    head, _, tree = text.partition("\n\n\n")
    assert "failed" in text.splitlines()[0]
    assert "✗ " in head
    assert found[0]["root"] in text
    assert "\x1b" not in text
    assert tree or text


def test_errors_are_told_where_they_began():
    readable = Readable()
    from tracekit._viewer.store.reader import SpanData

    failed = {"code": 2, "message": "ValueError: no\x1b"}
    spans = [
        readable.span(SpanData(span.SerializeToString(), b"", b""))
        for span in (
            make_span(span=1, name="root", status=failed),
            make_span(span=2, parent=1, name="inner", status=failed),
            make_span(span=3, parent=1, name="fine"),
        )
    ]
    lines = render_text(spans, Page(width=80)).splitlines()
    assert lines[:4] == ["2 spans failed", "", "✗ root › inner", r"    ValueError: no\x1b"]
    assert lines[5].startswith("unknown_service")


def test_a_file_of_html_holds_the_trace(viewer, client, tmp_path, monkeypatch):
    """The template gets the skeleton and all details, packed, in the place of its marker."""
    page = tmp_path / "page"
    page.mkdir()
    (page / "standalone.html").write_text("<script>@@TRACEKIT_DATA@@</script>")
    post(viewer, make_span(name="</script>", attributes={"k": "v"}), make_span(span=2, parent=1))
    with viewer.store.reading() as reader:
        trace = reader.trace((1).to_bytes(16, "big"))
        (html,) = export_trace(reader, trace, "html", page)
    packed = html.decode().removeprefix("<script>").removesuffix("</script>")
    data = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert data["trace"] == client.get(f"/api/traces/{ID}").json()
    for span in (1, 2):
        one = client.get(f"/api/traces/{ID}/spans/{span:016x}").json()
        assert data["spans"][f"{span:016x}"] == one
    skeleton = client.get(f"/api/traces/{ID}/skeleton").content
    assert base64.b64decode(data["skeleton"]) == skeleton


def test_what_cannot_be_exported_says_why(viewer, client, monkeypatch):
    post(viewer, make_span())
    monkeypatch.setattr("tracekit._viewer.exports.html._MOST_SPANS", 0)
    answer = client.get(f"/api/traces/{ID}/export?format=html")
    assert answer.status_code == 409
    assert "Export it as OTLP" in answer.json()["error"]["message"]
    assert client.get(f"/api/traces/{ID}/export?format=pdf").status_code == 400
    assert client.get(f"/api/traces/{2:032x}/export").status_code == 404


@pytest.mark.parametrize("form", ["otlp", "chrome", "text"])
def test_formats_over_http(viewer, client, form):
    post(viewer, make_span(attributes={"x": float("nan"), "b": b"\0", "l": [1, {"a": 2}]}))
    answer = client.get(f"/api/traces/{ID}/export", params={"format": form})
    assert answer.status_code == 200
    assert answer.content


def test_the_template_has_one_marker():
    """The built page, where it is built."""
    template = Path(__file__).parents[2] / "src/tracekit/_viewer/page/standalone.html"
    if not template.is_file():
        pytest.skip("the page is not built")
    assert template.read_text().count("@@TRACEKIT_DATA@@") == 1
