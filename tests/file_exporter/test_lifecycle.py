"""What a file exporter does with batches, from construction to shutdown."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.file_exporter.writers import (
    DEADLINE,
    FAILURE,
    RESOURCE,
    SUCCESS,
    a_span,
    locked,
    names_in,
    needs_flock,
    start_export,
)
from tracekit._otlp import file_exporter
from tracekit._otlp.file_exporter import FileExporter

# Forking a process with threads is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def test_a_batch_is_readable_when_export_returns(exporter, path):
    """`export` leaves nothing in the process, and a flush returns True."""
    exporter.export([a_span("x")])

    expected = ["x"]
    assert expected == names_in(path)
    assert exporter.force_flush() is True
    assert exporter.force_flush(timeout_millis=1) is True


def test_after_shutdown_exports_fail(exporter, path):
    """A shut-down exporter has closed its file, fails every export and may be shut down again."""
    fd = exporter._file._fd
    exporter.shutdown()
    exporter.shutdown()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    assert exporter.export([a_span()]) is FAILURE
    assert path.read_bytes() == b""


def test_shutdown_lets_a_line_be_finished(exporter, path, held_write):
    """A shutdown during an export does not cut its line; the file is closed after it."""
    thread, results = start_export(exporter, "x")
    assert held_write.started.wait(DEADLINE)

    exporter.shutdown()
    held_write.released.set()
    thread.join(DEADLINE)

    assert [SUCCESS] == results
    expected = ["x"]
    assert expected == names_in(path)
    assert exporter._file._fd is None


@needs_flock
def test_shutdown_ends_the_wait_for_a_lock(exporter, path, monkeypatch):
    """A shutdown during the wait for another process's lock ends the wait."""
    waiting = threading.Event()
    real_flock = file_exporter.fcntl.flock

    def flock(fd, operation: int) -> None:
        if operation & file_exporter.fcntl.LOCK_NB:
            waiting.set()
        real_flock(fd, operation)

    monkeypatch.setattr(file_exporter, "_LONGEST_WAIT", 2 * DEADLINE)
    with locked(path):
        monkeypatch.setattr(file_exporter.fcntl, "flock", flock)
        thread, results = start_export(exporter, "x")
        assert waiting.wait(DEADLINE)
        started = time.monotonic()
        exporter.shutdown()
        thread.join(DEADLINE)

    assert [FAILURE] == results
    assert time.monotonic() - started < DEADLINE
    assert exporter._file._fd is None


def test_an_empty_batch(exporter, path):
    """An empty batch succeeds and writes nothing."""
    assert exporter.export([]) is SUCCESS
    assert path.read_bytes() == b""


def test_a_span_that_cannot_be_written_is_skipped_alone(exporter, path, caplog):
    """A span without identity is counted and logged once; its batch is written and a success."""
    bad = a_span("bad", context=None)

    results = [exporter.export([a_span(name), bad]) for name in ("a", "b")]

    assert [SUCCESS, SUCCESS] == results
    assert exporter.skipped == 2
    expected = ["a", "b"]
    assert expected == names_in(path)
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "span 'bad' cannot be written" in record.getMessage()


def test_a_batch_without_one_good_span_is_a_failure(exporter, path):
    """An export without a span that can be written fails."""
    assert exporter.export([a_span(context=None)]) is FAILURE
    assert path.read_bytes() == b""


def test_behind_the_sdks_processor(path):
    """With the SDK's batch processor, every span is written to the file."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(FileExporter(path)))
    tracer = provider.get_tracer("test")
    for number in range(1000):
        tracer.start_span(str(number)).end()

    provider.shutdown()

    assert [str(number) for number in range(1000)] == names_in(path)


@pytest.fixture(params=["a pipe", "a file", "a file without a name"])
def standard_output(request, tmp_path):
    """The standard output for a process, and the file to read it from afterwards."""
    if request.param == "a pipe":
        yield subprocess.PIPE, None
    elif request.param == "a file":
        with (tmp_path / "out").open("wb+") as file:
            yield file, file
    else:
        with tempfile.TemporaryFile() as file:
            yield file, file


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="the system has no /dev/stdout")
def test_standard_output_is_a_file_too(standard_output):
    """The path /dev/stdout writes each line once, to a pipe or a file."""
    program = (
        "from tracekit._otlp.file_exporter import FileExporter\n"
        "from opentelemetry.sdk.trace import ReadableSpan\n"
        "from opentelemetry.trace import SpanContext\n"
        "exporter = FileExporter('/dev/stdout')\n"
        "for name in 'ab':\n"
        "    exporter.export([ReadableSpan(name, context=SpanContext(1, 2, False))])\n"
    )
    given, file = standard_output

    done = subprocess.run(
        [sys.executable, "-c", program], stdout=given, check=True, timeout=DEADLINE
    )

    written = done.stdout if file is None else os.pread(file.fileno(), 1_000_000, 0)
    lines = [json.loads(line) for line in written.splitlines()]
    expected = ["a", "b"]
    assert expected == [
        line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in lines
    ]
