"""The command `tracekit view`."""

from __future__ import annotations

import contextlib
import io
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tests.viewer.clients import eventually, make_span, post, request_of
from tests.viewer.test_files import line
from tracekit._viewer.command import _parser, main
from tracekit._viewer.errors import PortError
from tracekit._viewer.file_progress import FileReports
from tracekit._viewer.intake.lines import FileProgress
from tracekit._viewer.ports import find_owner, listen
from tracekit._viewer.server import Settings, Viewer

FREE_PORTS = ("--port", "0", "--grpc-port", "0", "--http-port", "0")


@contextlib.contextmanager
def run(*arguments):
    """Run the command; gives the process and what it printed until it was ready."""
    command = [sys.executable, "-m", "tracekit._viewer.command", "view", "--no-open", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            printed = ""
            while "Ctrl-C" not in printed:
                read = process.stdout.readline()
                assert read, process.stderr.read()
                printed += read
            yield process, printed
        finally:
            process.kill()


def address(printed, name):
    return re.search(rf"{name}\s+(http://\S+)", printed)[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_from_start_to_end(number):
    """The command prints where it listens, serves, and ends by Ctrl-C or SIGTERM with 0."""
    with run(*FREE_PORTS) as (process, printed):
        otlp = address(printed, "OTLP/HTTP")
        assert address(printed, "OTLP/gRPC").startswith("http://127.0.0.1:")
        with httpx.Client(verify=False, follow_redirects=True) as client:
            page = address(printed, "page")
            client.get(page)
            base = page.partition("/?")[0]
            assert client.get(f"{base}/api/status").json()["spans"] == 0
            body = request_of(make_span()).SerializeToString()
            headers = {"Content-Type": "application/x-protobuf"}
            assert client.post(f"{otlp}/v1/traces", content=body, headers=headers).is_success
            database = client.get(f"{base}/api/status").json()["database"]
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    with pytest.raises(FileNotFoundError):
        open(database)  # noqa: PTH123 - it is not there


def test_files_and_a_database(tmp_path):
    """Files are read, and what is kept in a database is there the next time."""
    spans = tmp_path / "spans.jsonl"
    spans.write_bytes(line(1) + line(2))
    database = tmp_path / "kept.db"
    with run(*FREE_PORTS, "--db", str(database), str(spans)) as (process, printed):
        with httpx.Client(verify=False, follow_redirects=True) as client:
            page = address(printed, "page")
            client.get(page)
            url = page.partition("/?")[0] + "/api/status"
            status = eventually(lambda: client.get(url).json(), lambda status: status["spans"] == 2)
        assert status["files"][0]["path"] == str(spans)
        assert process.stdout.readline() == f"  {spans}: 2 spans\n"
        process.terminate()
        assert process.wait(20) == 0
    settings = Settings(port=0, grpc_port=0, http_port=0, database=database)
    with Viewer(settings) as viewer:
        assert viewer.status()["spans"] == 2


def refused(capsys, *arguments):
    assert main(["view", "--no-open", *arguments]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("option", ["--port", "--grpc-port", "--http-port"])
def test_a_port_that_is_taken(capsys, option):
    """The error names the port, the process that has it, and the option to choose another."""
    program = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        port = int(other.stdout.readline())
        ports = dict(zip(FREE_PORTS[::2], FREE_PORTS[1::2], strict=True)) | {option: str(port)}
        error = refused(capsys, *(word for pair in ports.items() for word in pair))
        assert error.startswith(f"tracekit: Port {port} of 127.0.0.1 is taken by ")
        assert f"(process {other.pid})" in error
        assert f"choose another with {option}" in error
        other.kill()


def test_the_owner_of_a_port():
    """A port that nobody listens on has no owner; this process is found by its id."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        import os

        port = server.getsockname()[1]
        assert f"(process {os.getpid()})" in find_owner(port)
    assert find_owner(port) is None


def test_an_address_that_is_not_this_machines():
    """An address that cannot be listened on is not called taken by another."""
    with pytest.raises(PortError, match="Cannot assign requested address"):
        listen("203.0.113.7", 0, "--port")


def test_nothing_stays_after_a_failure(tmp_path, capsys):
    """A port that is taken leaves no other port open, and no database behind."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        database = tmp_path / "spans.db"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        ports = ("--port", port, "--http-port", "0", "--grpc-port", taken)
        refused(capsys, *ports, "--db", str(database))
        with socket.create_server(("127.0.0.1", int(port))):
            pass
        assert not database.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("hello\n", "does not hold OTLP as JSON lines"), (None, "No such file or directory")],
)
def test_files_that_cannot_be_opened(tmp_path, capsys, content, message):
    """A file that is not OTLP is refused before anything is opened."""
    path = tmp_path / "spans.jsonl"
    if content is not None:
        path.write_text(content)
    assert message in refused(capsys, *FREE_PORTS, str(path))


def test_a_database_in_use(tmp_path, capsys):
    """The second viewer of a file names the first."""
    database = tmp_path / "spans.db"
    with run(*FREE_PORTS, "--db", str(database)) as (process, _):
        error = refused(capsys, *FREE_PORTS, "--db", str(database))
        assert f"in use by another viewer (process {process.pid})" in error
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize(
    ("text", "number"),
    [("200000", 200_000), ("200k", 200_000), ("1.5M", 1_500_000), ("2G", 2 * 10**9)],
)
def test_numbers_with_units(text, number):
    """Bounds may be written with units."""
    options = _parser().parse_args(["view", "--max-spans", text, "--max-bytes", text])
    assert options.max_spans == number
    assert options.max_bytes == number


@pytest.mark.parametrize("text", ["many", "", "k", "0", "-5", "nan", "1e999"])
def test_numbers_that_are_none(capsys, text):
    """A bound that is not a positive number is refused with an example."""
    with pytest.raises(SystemExit) as caught:
        main(["view", "--max-spans", text])
    assert caught.value.code == 2
    assert "write it like 200000, 200k, 1M or 2G" in capsys.readouterr().err


WITHOUT_THE_EXTRA = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
from tracekit._viewer.command import _parser, main
sys.exit(main(["view", "--no-open"]))
"""


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_without_the_extra(package):
    """Without a package of the extra, the command says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'otel-tracekit[viewer]'" in done.stderr


def test_the_viewer_is_not_traced(monkeypatch):
    """Spans of instrumented libraries are suppressed within the viewer."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    with Viewer(Settings(port=0, grpc_port=0, http_port=0)) as viewer:
        post(viewer, make_span())
    assert exporter.get_finished_spans() == ()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_progress_of_files():
    """A terminal shows how far a large file is; what was found is printed once for each file."""
    large = FileProgress("big.jsonl", 100_000_000, 34_000_000, 10, 410_000, state="reading")
    small = FileProgress("small.jsonl", 100, 50, 1, 1, state="reading")
    stream = Terminal()
    reports = FileReports([small, large], stream)
    reports.print_news()
    assert stream.getvalue() == "  big.jsonl: 34 % read, 410,000 spans"
    small.state = "following"
    large.state, large.bad_lines, large.first_bad_line = "read", 2, 17
    large.error = "not JSON: \x1b[31m"
    reports.print_news()
    assert stream.getvalue().partition("\r\x1b[K")[2] == (
        "  small.jsonl: 1 spans\n"
        "  big.jsonl: 410,000 spans; 2 lines skipped, the first is line 17: not JSON: \\x1b[31m\n"
    )
    assert reports.unfinished == []
