"""The HTTP API."""

from __future__ import annotations

import contextlib

import httpx
import pytest

from tests.viewer.clients import make_span, post, read_skeleton
from tests.viewer.traffic import Trace, order, send_trace, value
from tracekit._viewer.server import Settings, Viewer


def test_status(viewer: Viewer, client):
    """The status names what is stored, the bounds, and where to send to."""
    post(viewer, make_span())
    status = client.get("/api/status").json()
    assert status["spans"] == 1
    assert status["traces"] == 1
    assert status["bytes"] > 0
    assert status["queue"] == {"bytes": 0, "limit": 32 * 1024 * 1024}
    assert status["dropped"] == {"spans": 0, "traces": 0, "logs": 0, "before": None}
    assert status["endpoints"]["grpc"] == f"http://127.0.0.1:{viewer.grpc_port}"
    assert status["endpoints"]["http"] == f"http://127.0.0.1:{viewer.http_port}"


def test_a_trace_as_the_list_shows_it(viewer, client):
    """A summary with ids in hexadecimal and times as strings."""
    post(viewer, make_span(name="root", start=10**18, end=10**18 + 500, status={"code": 2}))
    answer = client.get("/api/traces").json()
    assert answer["total"] == 1
    assert answer["done"]
    assert answer["traces"] == [
        {
            "id": f"{1:032x}",
            "start": str(10**18),
            "duration": 500,
            "service": "shop",
            "root": "root",
            "spans": 1,
            "open": 0,
            "errors": 1,
            "logs": 0,
            "services": ["shop"],
            "status": "error",
            "complete": True,
            "dropped_spans": 0,
        }
    ]
    assert client.get(f"/api/traces/{1:032x}").json() == answer["traces"][0]


def test_pages(viewer, client):
    """A cursor leads to the next page; the last page has none."""
    post(viewer, *(make_span(trace=n, start=n) for n in range(1, 8)))
    found, cursor = [], ""
    while True:
        page = client.get("/api/traces", params={"limit": 3, "cursor": cursor}).json()
        found += [int(trace["id"], 16) for trace in page["traces"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == [7, 6, 5, 4, 3, 2, 1]


def test_a_time_range(viewer, client):
    """`start` and `end` narrow the list and the points by the start of traces."""
    post(viewer, *(make_span(trace=n, start=n * 10, end=n * 10 + n) for n in range(1, 8)))
    between = {"start": 20, "end": 50}
    traces = client.get("/api/traces", params=between).json()["traces"]
    assert [int(trace["id"], 16) for trace in traces] == [4, 3, 2]
    assert client.get("/api/durations", params=between).json() == {
        "start": ["40", "30", "20"],
        "duration": [4, 3, 2],
        "error": [0, 0, 0],
        "id": [f"{n:032x}" for n in (4, 3, 2)],
    }


def test_a_span_with_all_that_belongs_to_it(viewer, client):
    """Attributes keep their types and order; events, links, resource and scope are there."""
    attributes = {
        "text": "<b>x</b>",
        "int": 2**63 - 1,
        "double": float("inf"),
        "bool": True,
        "bytes": b"\x00\xff",
        "list": [1, "two"],
        "map": {"a": {"b": 1.5}},
    }
    span = make_span(span=5, parent=4, start=10, end=30, attributes=attributes, kind=3)
    span.attributes.add(key="empty")
    span.status.code, span.status.message = 2, "it failed"
    span.trace_state = "a=b"
    span.events.add(name="exception", time_unix_nano=20).attributes.add(
        key="exception.type", value=value("ValueError")
    )
    span.links.add(trace_id=(1).to_bytes(16, "big"), span_id=(5).to_bytes(8, "big"))
    span.links.add(trace_id=(9).to_bytes(16, "big"), span_id=(5).to_bytes(8, "big"))
    span.dropped_attributes_count = 7
    post(viewer, span)
    found = client.get(f"/api/traces/{1:032x}/spans/{5:016x}").json()
    assert found["id"] == f"{5:016x}"
    assert found["parent"] == f"{4:016x}"
    assert found["kind"] == 3
    assert found["status"] == {"code": 2, "message": "it failed"}
    assert found["start"] == "10"
    assert found["duration"] == 20
    assert found["trace_state"] == "a=b"
    assert found["attributes"] == [
        {"key": "text", "type": "string", "value": "<b>x</b>"},
        {"key": "int", "type": "int", "value": "9223372036854775807"},
        {"key": "double", "type": "double", "value": "Infinity"},
        {"key": "bool", "type": "bool", "value": True},
        {"key": "bytes", "type": "bytes", "value": "AP8="},
        {
            "key": "list",
            "type": "array",
            "value": [{"type": "int", "value": "1"}, {"type": "string", "value": "two"}],
        },
        {
            "key": "map",
            "type": "kvlist",
            "value": [
                {
                    "key": "a",
                    "type": "kvlist",
                    "value": [{"key": "b", "type": "double", "value": 1.5}],
                }
            ],
        },
        {"key": "empty", "type": "empty", "value": None},
    ]
    assert found["events"] == [
        {
            "name": "exception",
            "time": "20",
            "attributes": [{"key": "exception.type", "type": "string", "value": "ValueError"}],
            "dropped_attributes": 0,
        }
    ]
    assert [link["stored"] for link in found["links"]] == [True, False]
    assert found["resource"] == [{"key": "service.name", "type": "string", "value": "shop"}]
    assert found["dropped"] == {"attributes": 7, "events": 0, "links": 0}


def test_spans_with_the_same_id(viewer, client):
    """The start tells them apart."""
    post(viewer, make_span(start=10, name="one"), make_span(start=20, name="two"))
    path = f"/api/traces/{1:032x}/spans/{1:016x}"
    assert client.get(path).json()["name"] == "one"
    assert client.get(path, params={"start": 20}).json()["name"] == "two"
    assert client.get(path, params={"start": 30}).status_code == 404


def test_a_realistic_trace(viewer, client):
    """What real programs send is shown whole."""
    trace = Trace(10**18, seed=1)
    order(trace)
    send_trace(f"http://127.0.0.1:{viewer.http_port}", trace)
    response = client.get(f"/api/traces/{trace.id.hex()}/skeleton")
    assert response.headers["content-type"] == "application/octet-stream"
    assert int(response.headers["content-length"]) == len(response.content)
    header, columns = read_skeleton(response.content)
    assert header["spans"] == len(trace.spans)
    assert sum(flags >> 4 & 1 for flags in columns["flags"]) == 2
    assert sorted(header["services"]) == ["mailer", "payments", "shop"]


def test_deletion(viewer, client):
    """Everything that is stored can be deleted."""
    post(viewer, make_span())
    assert client.delete("/api/traces").status_code == 204
    assert client.get("/api/traces").json()["traces"] == []
    assert client.get("/api/status").json()["spans"] == 0
    post(viewer, make_span(name="again"))
    assert [trace["root"] for trace in client.get("/api/traces").json()["traces"]] == ["again"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/traces/xyz", 400, "32 hexadecimal digits"),
        ("/api/traces/00", 400, "32 hexadecimal digits"),
        (f"/api/traces/{9:032x}", 404, "the trace is not stored"),
        (f"/api/traces/{9:032x}/skeleton", 404, "the trace is not stored"),
        (f"/api/traces/{1:032x}/spans/{9:016x}", 404, "the span is not stored"),
        (f"/api/traces/{1:032x}/spans/9", 400, "16 hexadecimal digits"),
        ("/api/traces?sort=size", 400, "time, duration, spans or errors"),
        ("/api/traces?limit=many", 400, "not a number: 'many'"),
        ("/api/traces?limit=-1", 400, "at least 1"),
        ("/api/traces?cursor=x", 400, "the cursor is not one of this list"),
        ("/api/traces?cursor=99999999999999999999.1", 400, "the cursor is not one of this list"),
        ("/api/other", 404, "no such address"),
    ],
)
def test_errors(viewer, client, path, status, message):
    """An error is JSON that says what is wrong."""
    post(viewer, make_span())
    response = client.get(path)
    assert response.status_code == status
    assert message in response.json()["error"]["message"]


def test_numbers_beyond_64_bits(viewer, client):
    """A range that no time is in is an empty one."""
    post(viewer, make_span())
    assert client.get("/api/traces", params={"start": 10**30}).json()["traces"] == []
    assert len(client.get("/api/traces", params={"end": 10**30}).json()["traces"]) == 1


@pytest.fixture
def page(tmp_path):
    """A built page."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>page</title>")
    (tmp_path / "assets" / "main-1a2b.js").write_text("start()")
    (tmp_path / "THIRD_PARTY.txt").write_text("licences")
    (tmp_path / "standalone.html").write_text("template")
    return tmp_path


@pytest.fixture
def visit():
    """Visit a viewer with a page that is built in a directory."""

    @contextlib.contextmanager
    def start(directory):
        with (
            Viewer(Settings(port=0, grpc_port=0, http_port=0, page=directory)) as viewer,
            httpx.Client(base_url=f"http://127.0.0.1:{viewer.port}") as client,
        ):
            yield client

    return start


def test_the_page(page, visit):
    """Every address that is not a file or the API is the page; assets are kept for ever."""
    with visit(page) as client:
        for path in ("/", f"/trace/{1:032x}", "/standalone.html"):
            response = client.get(path)
            assert response.text == "<title>page</title>"
            assert response.headers["cache-control"] == "no-cache"
        response = client.get("/assets/main-1a2b.js")
        assert response.text == "start()"
        assert "immutable" in response.headers["cache-control"]
        assert client.get("/THIRD_PARTY.txt").text == "licences"
        assert client.get("/assets/other.js").status_code == 404
        assert client.post("/").status_code == 405


def test_a_page_that_is_not_built(tmp_path, visit):
    """A checkout without the page says how to build it."""
    with visit(tmp_path) as client:
        response = client.get("/")
    assert response.status_code == 503
    assert "make page" in response.text
