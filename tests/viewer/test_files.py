"""Files of OTLP JSON lines."""

from __future__ import annotations

import gzip
import json
import os

import pytest

from tests.viewer.clients import client_of, eventually, make_span
from tracekit._viewer.errors import ViewerError
from tracekit._viewer.intake.files import check_file
from tracekit._viewer.server import Settings, Viewer


def line(number, name="work"):
    span = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": name,
        "startTimeUnixNano": str(1_000_000 * number),
        "endTimeUnixNano": str(1_000_000 * number + 500),
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode() + b"\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spans.jsonl"


@pytest.fixture
def open_viewer():
    """Start a viewer with files; it ends with the test."""
    running = []

    def start(*paths):
        viewer = Viewer(Settings(port=0, grpc_port=0, http_port=0, files=paths))
        running.append(viewer.__enter__())
        return viewer

    yield start
    for viewer in running:
        viewer.__exit__(None, None, None)


def status_when(viewer, wanted):
    return eventually(viewer.status, wanted)


def spans(count):
    return lambda status: status["spans"] >= count


def test_a_file_is_read_and_followed(open_viewer, path):
    """Lines that are appended are stored."""
    path.write_bytes(line(1) + line(2))
    viewer = open_viewer(path)
    status = status_when(viewer, spans(2))
    with path.open("ab") as file:
        file.write(line(3))
    status_when(viewer, spans(3))
    status = status_when(viewer, lambda status: status["files"][0]["state"] == "following")
    size = path.stat().st_size
    assert status["files"][0] == {
        "path": str(path),
        "size": size,
        "read": size,
        "lines": 3,
        "spans": 3,
        "bad_lines": 0,
        "first_bad_line": None,
        "error": "",
        "state": "following",
    }


def test_a_torn_line_waits_for_its_end(open_viewer, path):
    """A line is stored when its end has been written."""
    whole = line(2)
    path.write_bytes(line(1) + whole[:40])
    viewer = open_viewer(path)
    status_when(viewer, spans(1))
    with path.open("ab") as file:
        file.write(whole[40:])
    assert status_when(viewer, spans(2))["files"][0]["bad_lines"] == 0


def test_a_last_line_without_its_end(open_viewer, path):
    """A whole last line is stored without its line feed, and is not torn by what follows."""
    path.write_bytes(line(1) + line(2).rstrip())
    viewer = open_viewer(path)
    status_when(viewer, spans(2))
    with path.open("ab") as file:
        file.write(b"\n" + line(3))
    assert status_when(viewer, spans(3))["files"][0]["bad_lines"] == 0


def test_a_rotated_file_is_followed(open_viewer, path):
    """What was written before a rotation, and after it, is stored."""
    path.write_bytes(line(1))
    viewer = open_viewer(path)
    status_when(viewer, spans(1))
    with path.open("ab") as file:
        path.rename(path.with_suffix(".1"))
        file.write(line(2))
        file.flush()
        status_when(viewer, spans(2))
        file.write(line(3))
    path.write_bytes(line(4))
    status_when(viewer, spans(4))
    with path.open("ab") as file:
        file.write(line(5))
    status_when(viewer, spans(5))


def test_a_file_that_is_cut_short_is_read_anew(open_viewer, path):
    """A rotation that copies the file and truncates it is followed too."""
    path.write_bytes(line(1) + line(2))
    viewer = open_viewer(path)
    status_when(viewer, spans(2))
    os.truncate(path, 0)
    with path.open("ab") as file:
        file.write(line(3))
    status_when(viewer, spans(3))
    assert viewer.status()["duplicates"] == 0


@pytest.mark.parametrize("members", [1, 3])
def test_gzip(open_viewer, path, members):
    """A compressed file is recognised by its content, in one member or several."""
    parts = [line(3 * n + 1) + line(3 * n + 2) + line(3 * n + 3) for n in range(members)]
    path.write_bytes(b"".join(map(gzip.compress, parts)))
    viewer = open_viewer(path)
    assert status_when(viewer, spans(3 * members))["files"][0]["bad_lines"] == 0


def test_gzip_that_grows(open_viewer, path):
    """A compressed file that is still being written is followed."""
    with path.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb") as writing:
        writing.write(line(1))
        writing.flush()
        file.flush()
        viewer = open_viewer(path)
        status_when(viewer, spans(1))
        writing.write(line(2))
        writing.flush()
        file.flush()
        status_when(viewer, spans(2))


def test_bad_lines_are_counted_and_skipped(open_viewer, path):
    """The first bad line is named by its number, and why it is bad."""
    path.write_bytes(
        line(1) + b"\n" + b"not json\n" + b'{"other": 1}\n' + line(2) + b"[]\n" + line(3)
    )
    viewer = open_viewer(path)
    status_when(viewer, spans(3))
    progress = status_when(viewer, lambda status: status["files"][0]["lines"] == 7)["files"][0]
    assert progress["bad_lines"] == 3
    assert progress["first_bad_line"] == 3
    assert "not JSON" in progress["error"]


def test_a_file_that_appears_later(open_viewer, path):
    """A file that another removes and writes again is waited for."""
    path.write_bytes(line(1))
    viewer = open_viewer(path)
    status_when(viewer, spans(1))
    path.unlink()
    path.write_bytes(line(2))
    status_when(viewer, spans(2))


def test_files_of_the_collector(open_viewer, path):
    """Lines of the Collector's file exporter hold any signal."""
    spans_line = json.loads(line(1))
    span = spans_line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    record = {
        "timeUnixNano": "5",
        "body": {"stringValue": "hello"},
        "traceId": span["traceId"],
        "spanId": span["spanId"],
    }
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m"}]}]}]}
    lines = [json.dumps(each).encode() + b"\n" for each in (spans_line, logs, metrics)]
    path.write_bytes(b"".join(lines))
    viewer = open_viewer(path)
    status = status_when(viewer, lambda status: status["metrics_not_kept"])
    assert status["spans"] == 1
    assert status["logs"] == 1


def test_files_of_tracekit(open_viewer, path):
    """The file exporter's output can be opened."""
    from tracekit import TelemetryBuilder, exporters

    telemetry = TelemetryBuilder("shop").with_exporter(exporters.file(path)).build()
    with telemetry:
        tracer = telemetry.tracer_provider.get_tracer("test")
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            pass
    viewer = open_viewer(path)
    status_when(viewer, spans(2))
    with client_of(viewer) as client:
        (trace,) = client.get("/api/traces").json()["traces"]
    assert trace["root"] == "outer"
    assert trace["service"] == "shop"
    assert trace["complete"]


def test_a_dropped_file(viewer, client):
    """A page can hand in a file, compressed or not; its progress is listed."""
    body = gzip.compress(line(1) + b"nonsense\n" + line(2).rstrip())
    response = client.post("/api/files", content=body, headers={"X-File-Name": "a%20b.gz"})
    assert response.status_code == 200
    progress = response.json()
    assert progress["path"] == "a b.gz"
    assert progress["spans"] == 2
    assert progress["first_bad_line"] == 2
    assert progress["state"] == "read"
    status = client.get("/api/status").json()
    assert status["spans"] == 2
    assert status["files"] == [progress]


def test_a_dropped_file_that_is_not_otlp(client):
    """A file without any line of OTLP is answered with what is wrong."""
    response = client.post("/api/files", content=b"hello\n", headers={"X-File-Name": "x.txt"})
    assert response.status_code == 400
    assert "x.txt does not hold OTLP" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello\nworld\n", "first line is not JSON"),
        (b'{"a": 1}\n', "none of resourceSpans"),
        (b'{\n  "resourceSpans": []\n}\n', "first line is not JSON"),
        (b"\x1f\x8bnot gzip", "not valid gzip"),
    ],
)
def test_files_that_are_not_otlp(path, content, message):
    """A file that is something else is refused with what it should be."""
    path.write_bytes(content)
    with pytest.raises(ViewerError, match=message):
        check_file(path)


def test_files_that_cannot_be_read(path):
    """A missing file is refused by its name."""
    with pytest.raises(ViewerError, match=r"spans\.jsonl cannot be read: No such file"):
        check_file(path)


@pytest.mark.parametrize("content", [b"", b"\n", line(1), line(1)[:30], b"junk\n" + line(1)])
def test_files_that_may_become_otlp(path, content):
    """An empty file, a torn line and a bad line before a good one are accepted."""
    path.write_bytes(content)
    check_file(path)


def test_spans_are_not_read_twice(open_viewer, path):
    """The same file opened twice adds nothing."""
    assert make_span()
    path.write_bytes(line(1) + line(2))
    copy = path.with_name("copy.jsonl")
    copy.write_bytes(path.read_bytes())
    viewer = open_viewer(path, copy)
    status = status_when(viewer, lambda status: status["duplicates"] == 2)
    assert status["spans"] == 2
