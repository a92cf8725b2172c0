"""`tracekit show`: traces in the terminal."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

import tracekit
from tests.viewer.clients import make_span, post, request_of
from tracekit import exporters
from tracekit._viewer.addresses import announced, find_address
from tracekit._viewer.command import main
from tracekit._viewer.intake.decode import collect_traces
from tracekit._viewer.json_lines import encode_span_lines
from tracekit._viewer.store.store import Store


@pytest.fixture(autouse=True)
def runtime_directory(tmp_path, monkeypatch):
    """Viewers of this machine's other users and tests are not found."""
    directory = tmp_path / "run"
    directory.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def spans() -> list:
    return [
        make_span(1, 1, name="fast", start=1_000, end=2_000),
        make_span(2, 1, name="slow", start=5_000, end=5_000 + 10**9),
        make_span(2, 2, 1, name="query", start=6_000, end=7_000, attributes={"rows": 7}),
        make_span(0xABC, 1, name="broken", start=9_000, end=9_500, status={"code": 2}),
    ]


@pytest.fixture
def file(tmp_path, spans) -> Path:
    path = tmp_path / "spans.jsonl"
    path.write_bytes(lines_of(*spans))
    return path


def lines_of(*spans) -> bytes:
    with Store() as store:
        store.writer.write([collect_traces(request_of(*spans), 1000)])
        with store.reading() as reader:
            traces = reader.trace_page(descending=False)
            return b"".join(
                line for trace in traces for line in encode_span_lines(reader.spans(trace))
            )


def shown(capsys) -> list[str]:
    """The names of the traces' roots, in the order of the output."""
    blocks = capsys.readouterr().out.strip().split("\n\n")
    roots = [block.splitlines()[1].split("%  ")[1].split("  ")[0] for block in blocks if block]
    return [root.removeprefix("✗ ") for root in roots]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["fast", "slow", "broken"]),
        (["--errors"], ["broken"]),
        (["--slower-than", "50ms"], ["slow"]),
        (["--slower-than", "0.5"], ["slow"]),
        (["--trace", f"{0xABC:032x}"[:31]], ["broken"]),
        (["--query", "rows=7"], ["slow"]),
        (["--query", "fast or slow", "--slower-than", "1ms"], ["slow"]),
        (["--limit", "2"], ["slow", "broken"]),
    ],
)
def test_what_is_shown(file, capsys, arguments, expected):
    assert main(["show", str(file), *arguments]) == 0
    assert shown(capsys) == expected


def test_the_tree_is_the_consoles(tmp_path, capsys):
    """What a program printed and what its file shows are the same."""
    path = tmp_path / "spans.jsonl"
    stream = (tmp_path / "console.txt").open("w+", encoding="utf-8")
    builder = tracekit.TelemetryBuilder("shop")
    builder = builder.with_exporter(exporters.console(stream=stream, width=100))
    with stream, builder.with_exporter(f"file:{path}").build() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("shop")
        with pytest.raises(ValueError, match="no tea"):
            with tracer.start_as_current_span("place", attributes={"items": ["a", "b"]}):
                for _ in range(4):
                    with tracer.start_as_current_span("query", attributes={"rows": 3}):
                        pass
                with tracer.start_as_current_span("charge"):
                    raise ValueError("no tea")
        telemetry.flush()
        assert main(["show", str(path)]) == 0
        stream.seek(0)
        assert capsys.readouterr().out == stream.read()


def test_no_match(file, capsys):
    assert main(["show", str(file), "--query", "nothing"]) == 1
    assert capsys.readouterr().out == ""


def test_json(file, capsys):
    assert main(["show", str(file), "--json"]) == 0
    traces = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [trace["root"] for trace in traces] == ["fast", "slow", "broken"]
    assert traces[1]["spans"][1]["attributes"] == [{"key": "rows", "type": "int", "value": "7"}]


def test_lines_of_otlp_are_those_of_the_file(file, capsys):
    assert main(["show", str(file), "--format", "otlp"]) == 0
    assert capsys.readouterr().out.encode() == file.read_bytes()


def test_a_form_of_one_trace(file, capsys):
    assert main(["show", str(file), "--format", "chrome"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Narrow them with --trace, --query or --limit 1" in captured.err
    assert main(["show", str(file), "--format", "chrome", "--errors"]) == 0
    assert json.loads(capsys.readouterr().out)["displayTimeUnit"] == "ms"


def test_compressed_and_damaged_files(tmp_path, file, capsys):
    """Files may be compressed; lines that are not OTLP are skipped and told of."""
    packed = tmp_path / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(lines_of(make_span(9, 1, name="packed", start=1))))
    file.write_bytes(file.read_bytes() + b"{}\nnot JSON\n")
    assert main(["show", str(file), str(packed)]) == 0
    captured = capsys.readouterr()
    assert "packed" in captured.out
    assert "lines that are not OTLP were skipped: 2. The first is line 4" in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file or directory"),
        (["FILE", "--query", "a (b"], "this `(` has no `)` after it\n  a (b\n    ^"),
        (["FILE", "--trace", "xyz"], "'xyz' is not the beginning of a trace id"),
        (["FILE", "--url", "http://x"], "Name files, or a trace or --url of a running viewer"),
        (["FILE", "--json", "--format", "text"], "--json and --format text exclude each other"),
        ([], "No viewer of yours runs on this machine"),
        (["--url", "http://127.0.0.1:1"], "No viewer answers at http://127.0.0.1:1"),
        (["--url", "ftp://x"], "ftp://x is not an address of a viewer"),
    ],
)
def test_errors_say_what_to_do(file, capsys, arguments, message):
    named = [str(file) if each == "FILE" else each for each in arguments]
    try:
        status = main(["show", *named])
    except SystemExit as error:
        status = error.code
    assert status == 2
    assert message in capsys.readouterr().err


def test_a_running_viewer(viewer, spans, capsys):
    """By its address with the token, and with the same options."""
    post(viewer, *spans)
    assert main(["show", "--url", viewer.url]) == 0
    assert shown(capsys) == ["fast", "slow", "broken"]
    assert main(["show", "--url", viewer.url, "--errors"]) == 0
    assert shown(capsys) == ["broken"]
    assert main(["show", "--url", viewer.url, "--limit", "2"]) == 0
    assert shown(capsys) == ["slow", "broken"]
    assert main(["show", "--url", viewer.url, "--query", "nothing"]) == 1


def test_the_token_is_found_by_its_user_alone(viewer, spans, capsys, tmp_path):
    """A viewer of the same user needs no token; the file with it is not readable for others."""
    post(viewer, *spans)
    address = f"http://127.0.0.1:{viewer.port}"
    assert main(["show", "--url", address]) == 2
    assert "wants its token" in capsys.readouterr().err
    with announced(viewer.port, viewer.url):
        (path,) = (tmp_path / "run").rglob("*.url")
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert main(["show", "--url", address, f"{2:032x}"]) == 0
        assert shown(capsys) == ["slow"]
        path.parent.chmod(0o755)
        assert find_address(address) is None
        path.parent.chmod(0o700)
    assert not path.exists()


@pytest.fixture
def follow() -> Iterator:
    """Start `tracekit show --follow`; its lines come in a queue."""
    processes = []

    def start(*arguments: str) -> Queue[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tracekit._viewer.command", "show", "--follow", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        processes.append(process)
        lines: Queue[str] = Queue()

        def read() -> None:
            for line in process.stdout:
                lines.put(line)

        threading.Thread(target=read, daemon=True).start()
        return lines

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        process.stdout.close()


def wait_for(lines: Queue[str], name: str) -> None:
    while name not in lines.get(timeout=40):
        pass


def test_a_file_is_followed(file, follow):
    """Traces that match are printed when they are complete."""
    lines = follow(str(file), "--query", "name:*o*")
    wait_for(lines, "slow")
    wait_for(lines, "broken")
    child = make_span(7, 2, 1, name="first", start=10)
    root = make_span(7, 1, name="done later", start=5)
    with file.open("ab") as writing:
        writing.write(lines_of(child))
        writing.flush()
        writing.write(lines_of(make_span(8, 1, name="fast", start=20), root))
    wait_for(lines, "2 spans")
    wait_for(lines, "done later")


def test_a_viewer_is_followed(viewer, spans, follow):
    post(viewer, *spans)
    lines = follow("--url", viewer.url)
    wait_for(lines, "broken")
    post(viewer, make_span(7, 1, name="new one", start=20))
    wait_for(lines, "new one")


def test_a_reader_that_ends_early(file):
    """As with `| head`: no traceback."""
    file.write_bytes(
        file.read_bytes() * 1
        + b"".join(lines_of(make_span(100 + n, 1, name="x" * 500, start=n)) for n in range(300))
    )
    command = f"'{sys.executable}' -m tracekit._viewer.command show '{file}' | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
