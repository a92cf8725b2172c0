"""The console exporter: when it prints, where, and how it handles failures."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from tests.finished_spans import make_span
from tracekit._base.errors import ConfigurationError
from tracekit._base.log import forget_logged_warnings
from tracekit._console.exporter import ConsoleExporter

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Remove the variables that decide about colour and width, and forget logged warnings."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    forget_logged_warnings()
    yield
    forget_logged_warnings()


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class Recorder(io.StringIO):
    """A stream that records the calls of `write` and `flush`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def write(self, text: str) -> int:
        self.calls.append(text)
        return len(text)

    def flush(self) -> None:
        self.calls.append("flush")


def printed(exporter_options: dict[str, Any] | None = None, **span: Any) -> str:
    stream = io.StringIO()
    ConsoleExporter(stream=stream, **exporter_options or {}).export([make_span(1, **span)])
    return stream.getvalue()


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "tracekit" and record.levelno == logging.WARNING
    ]


def test_is_an_exporter() -> None:
    """It is an exporter of the SDK."""
    assert isinstance(ConsoleExporter(), SpanExporter)


@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_with_the_sdk(processor: type[SimpleSpanProcessor | BatchSpanProcessor]) -> None:
    """Spans of the SDK's provider are printed as one tree, through each of its processors."""
    stream = io.StringIO()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(processor(ConsoleExporter(stream=stream)))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("outer"):
        with tracer.start_as_current_span("inner", attributes={"n": 1}):
            pass
        with contextlib.suppress(KeyError), tracer.start_as_current_span("broken"):
            raise KeyError("k")
    provider.shutdown()
    text = re.sub(r"(?m)^[ \d.]+ (ns|µs|ms|s ) [ <\d]+%  ", "", stream.getvalue())
    header, rest = text.split("\n", 1)
    assert re.fullmatch(r"shop  [0-9a-f]{32}  [\d.]+ .s  3 spans  1 error", header)
    assert "outer\n├─ inner  n=1\n└─ ✗ broken  KeyError: 'k'\n\n" == rest


def test_one_write_for_each_trace() -> None:
    """A block is written by one call when the root has ended, then flushed."""
    stream = Recorder()
    exporter = ConsoleExporter(stream=stream)
    assert SUCCESS is exporter.export([make_span(2, 1)])
    assert [] == stream.calls
    assert SUCCESS is exporter.export([make_span(1)])
    block, flushed = stream.calls
    assert 4 == block.count("\n")
    assert "flush" == flushed


def test_threads_do_not_mix_blocks() -> None:
    """Blocks that are written at the same time do not mix."""
    stream = Recorder()
    exporter = ConsoleExporter(stream=stream)
    barrier = threading.Barrier(8)

    def run(number: int) -> None:
        barrier.wait(10)
        for n in range(20):
            trace_id = 100 * number + n
            exporter.export([make_span(2, 1, trace_id=trace_id)])
            exporter.export([make_span(1, trace_id=trace_id)])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    blocks, flushes = stream.calls[::2], stream.calls[1::2]
    assert {"flush"} == set(flushes)
    assert 160 == len({block.split()[1] for block in blocks}) == len(blocks)


def test_the_default_stream_is_the_current_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream, the exporter writes to `sys.stderr` as it is at the time of writing."""
    exporter = ConsoleExporter()
    redirected = io.StringIO()
    with contextlib.redirect_stderr(redirected):
        exporter.export([make_span(1, trace_id=5)])
    exporter.export([make_span(1, trace_id=6)])
    assert f"{5:032x}" in redirected.getvalue()
    captured = capsys.readouterr()
    assert f"{6:032x}" in captured.err
    assert "" == captured.out


@pytest.mark.parametrize("end", [ConsoleExporter.force_flush, ConsoleExporter.shutdown])
def test_flush_and_shutdown_print_waiting_spans(end: Any) -> None:
    """`force_flush` and `shutdown` print spans whose root has not ended."""
    stream = io.StringIO()
    exporter = ConsoleExporter(stream=stream)
    exporter.export([make_span(3, 2)])
    assert end(exporter) in (True, None)
    assert "(part: root still open)" in stream.getvalue()
    assert "work  (parent 0000000000000002 not seen)" in stream.getvalue()


def test_the_rest_of_a_trace_follows_its_part() -> None:
    """The spans after a part are printed when the root ends."""
    stream = io.StringIO()
    exporter = ConsoleExporter(stream=stream)
    exporter.export([make_span(2, 1, "early")])
    exporter.force_flush()
    exporter.export([make_span(1, name="root")])
    part, rest, end = stream.getvalue().split("\n\n")
    assert "early" in part
    assert "(continued)" in rest
    assert "early" not in rest
    assert "" == end


def test_bounds() -> None:
    """At most 10,000 spans and 1,000 traces wait."""
    stream = io.StringIO()
    exporter = ConsoleExporter(stream=stream)
    exporter.export([make_span(n, 1) for n in range(2, 10_002)])
    assert "" == stream.getvalue()
    exporter.export([make_span(2, 1, trace_id=5)])
    assert "10,000 spans" in stream.getvalue()
    exporter.export([make_span(2, 1, trace_id=trace_id) for trace_id in range(5, 1_004)])
    assert 1 == stream.getvalue().count("part: ")
    exporter.export([make_span(2, 1, trace_id=trace_id) for trace_id in range(1_004, 1_006)])
    assert 2 == stream.getvalue().count("part: ")


def test_after_shutdown() -> None:
    """After `shutdown` nothing is printed, an export fails, and a second shutdown does nothing."""
    stream = io.StringIO()
    exporter = ConsoleExporter(stream=stream)
    exporter.shutdown()
    exporter.shutdown()
    assert FAILURE is exporter.export([make_span(1)])
    assert "" == stream.getvalue()
    assert not stream.closed


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("stream", "stderr"),
        ("stream", 2),
        ("colour", "always"),
        ("colour", 1),
        ("width", 39),
        ("width", 80.0),
        ("width", "80"),
        ("width", True),
        ("verbose", None),
        ("verbose", 1),
    ],
)
def test_bad_arguments(argument: str, value: object) -> None:
    """The error for an invalid argument has its name, its value and valid values."""
    with pytest.raises(ConfigurationError, match=rf"^{argument}={value!r} .*; give ") as caught:
        ConsoleExporter(**{argument: value})  # type: ignore[arg-type]  # wrong on purpose
    assert isinstance(caught.value, ValueError)


NO, YES = False, True


@pytest.mark.parametrize(
    ("argument", "terminal", "environment", "expected"),
    [
        (None, YES, {}, YES),
        (None, NO, {}, NO),
        (None, YES, {"NO_COLOR": "1"}, NO),
        (None, YES, {"NO_COLOR": ""}, YES),
        (None, NO, {"FORCE_COLOR": "1"}, YES),
        (None, NO, {"FORCE_COLOR": ""}, NO),
        (None, YES, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, NO),
        (None, YES, {"TERM": "dumb"}, NO),
        (None, YES, {"TERM": "dumb", "FORCE_COLOR": "1"}, YES),
        (True, NO, {"NO_COLOR": "1", "TERM": "dumb"}, YES),
        (False, YES, {"FORCE_COLOR": "1"}, NO),
    ],
)
def test_colour(
    argument: bool | None,
    terminal: bool,
    environment: dict[str, str],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The argument decides about colour, then NO_COLOR, FORCE_COLOR, the terminal and TERM."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    ConsoleExporter(stream=stream, colour=argument).export([make_span(1)])
    assert expected is ("\x1b[" in stream.getvalue())


def longest_line(stream: io.StringIO, width: int | None = None) -> int:
    exporter = ConsoleExporter(stream=stream, width=width, colour=False)
    exporter.export([make_span(1, attributes={"k": "x" * 1_000})])
    return max(map(len, stream.getvalue().split("\n")))


@pytest.mark.parametrize(
    ("argument", "terminal", "columns", "expected"),
    [
        (None, NO, None, 100),
        (None, NO, "60", 60),
        (None, YES, None, 80),
        (None, YES, "120", 120),
        (None, YES, "wide", 80),
        (None, YES, "7", 40),
        (66, YES, "120", 66),
        (66, NO, None, 66),
    ],
)
def test_width(
    argument: int | None,
    terminal: bool,
    columns: str | None,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The argument decides about the width, then COLUMNS and the terminal, 100 for a file."""
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert expected == longest_line(Terminal() if terminal else io.StringIO(), argument)


def test_width_of_its_own_terminal() -> None:
    """The width is that of the stream's terminal, not that of standard output."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, os.fdopen(ours, "rb", 0) as screen:
        ConsoleExporter(stream=terminal, colour=False).export(
            [make_span(1, attributes={"k": "x" * 1_000})]
        )
        lines = screen.read(4_096).decode().split("\r\n")
    assert 72 == max(map(len, lines))


def test_verbose() -> None:
    """A verbose exporter prints standard attributes."""
    attributes = {"code.line.number": 7}
    assert "code.line.number=7" in printed({"verbose": True}, attributes=attributes)
    assert "code.line.number" not in printed(attributes=attributes)


def test_stream_of_ascii() -> None:
    """A stream that encodes as ASCII gets ASCII guides and escaped letters."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    exporter = ConsoleExporter(stream=stream)
    assert SUCCESS is exporter.export([make_span(2, 1, "山"), make_span(1)])
    assert rb"`- \u5c71" in raw.getvalue()


def test_stream_with_a_wrong_encoding() -> None:
    """A stream whose `encoding` is wrong gets an escaped block."""

    class WrongEncoding(io.StringIO):
        def write(self, text: str) -> int:
            text.encode("ascii")
            return super().write(text)

    stream = WrongEncoding()
    exporter = ConsoleExporter(stream=stream)
    assert SUCCESS is exporter.export([make_span(2, 1, "山"), make_span(1)])
    assert r"\u2514\u2500 \u5c71" in stream.getvalue()


class Failing(io.StringIO):
    """A stream whose `write` raises an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "full"), RuntimeError("odd")]
)
def test_stream_that_fails(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that fails makes the export a failure, is logged once, and raises nothing."""
    exporter = ConsoleExporter(stream=Failing(error))
    results = [exporter.export([make_span(1, trace_id=n)]) for n in (5, 6, 7)]
    assert [FAILURE] * 3 == results
    assert [f"spans cannot be shown: {error!r}"] == warnings_of(caplog)


def test_closed_stream(caplog: pytest.LogCaptureFixture) -> None:
    """A closed stream makes the export a failure, and is logged once."""
    stream = io.StringIO()
    exporter = ConsoleExporter(stream=stream)
    stream.close()
    assert FAILURE is exporter.export([make_span(1)])
    exporter.export([make_span(2, 1, trace_id=5)])
    assert not exporter.force_flush()
    exporter.shutdown()
    assert 1 == len(warnings_of(caplog))


def test_no_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process without standard error, such as a Windows service, nothing is raised."""
    monkeypatch.setattr(sys, "stderr", None)
    assert FAILURE is ConsoleExporter().export([make_span(1)])


def test_a_failed_block_does_not_stop_the_others() -> None:
    """The other blocks of a batch are written after a block whose write failed."""

    class Once(io.StringIO):
        failed = False

        def write(self, text: str) -> int:
            if not self.failed:
                self.failed = True
                raise OSError("once")
            return super().write(text)

    stream = Once()
    exporter = ConsoleExporter(stream=stream)
    assert FAILURE is exporter.export([make_span(1, trace_id=5), make_span(1, trace_id=6)])
    assert f"{6:032x}" in stream.getvalue()


def test_an_object_that_is_not_a_span(caplog: pytest.LogCaptureFixture) -> None:
    """An object that is not a span makes the export a failure, and raises nothing."""
    exporter = ConsoleExporter(stream=io.StringIO())
    assert FAILURE is exporter.export([object()])  # type: ignore[list-item]  # wrong on purpose
    assert 1 == len(warnings_of(caplog))


def test_flush_in_a_signal_handler() -> None:
    """A flush during an export in the same thread, as in a signal handler, does not hang."""

    class Interrupted(io.StringIO):
        exporter: ConsoleExporter | None = None

        def write(self, text: str) -> int:
            exporter, self.exporter = self.exporter, None
            if exporter:
                exporter.shutdown()
            return super().write(text)

    stream = Interrupted()
    stream.exporter = exporter = ConsoleExporter(stream=stream)
    exporter.export([make_span(2, 1, trace_id=5)])
    thread = threading.Thread(target=exporter.export, args=([make_span(1)],), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert 2 == stream.getvalue().count("1 span")


FORK = """
import os, sys, threading
from tests.finished_spans import make_span
from tracekit._console.exporter import ConsoleExporter

exporter = ConsoleExporter(stream=sys.stdout)
exporter.export([make_span(2, 1, "waits in the parent")])
if sys.argv[1] == "held":
    held, done = threading.Event(), threading.Event()
    def hold():
        with exporter._write_lock, exporter._buffer_lock:
            held.set()
            done.wait(30)
    threading.Thread(target=hold, daemon=True).start()
    held.wait(30)
child = os.fork()
if not child:
    exporter.export([make_span(1, name="made in the child", trace_id=5)])
    exporter.shutdown()
    os._exit(0)
os.waitpid(child, 0)
if sys.argv[1] == "held":
    done.set()
exporter.shutdown()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("lock", ["free", "held"])
def test_fork(lock: str) -> None:
    """A forked child prints its own spans and not its parent's, even if a lock was held."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, lock],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert "" == done.stderr
    assert 1 == done.stdout.count("waits in the parent")
    assert 1 == done.stdout.count("made in the child")


def test_broken_pipe_in_a_program() -> None:
    """A program whose standard error is closed ends with its own status."""
    code = (
        "import sys\n"
        "from tests.finished_spans import make_span\n"
        "from tracekit._console.exporter import ConsoleExporter\n"
        "exporter = ConsoleExporter()\n"
        "sys.stdin.readline()\n"
        "for n in range(1, 50): exporter.export([make_span(1, trace_id=n)])\n"
        "exporter.shutdown()\n"
        "sys.exit(7)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stderr
    program.stderr.close()
    assert program.stdin
    with program.stdin:
        program.stdin.write(b"go\n")
    assert 7 == program.wait(60)
