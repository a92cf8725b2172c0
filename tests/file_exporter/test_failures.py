"""A line that cannot be written whole costs no other line."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
from pathlib import Path

import pytest

from tests.file_exporter.writers import (
    FAILURE,
    SUCCESS,
    a_span,
    in_forked_child,
    names_in,
    needs_flock,
    needs_fork,
    real_write,
)
from tracekit._otlp import file_exporter
from tracekit._otlp.file_exporter import FileExporter

# Forking a process with threads is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_device_is_a_failure_logged_once(caplog):
    """A full disk makes exports fail without an exception, and is logged once."""
    exporter = FileExporter("/dev/full")

    results = [exporter.export([a_span()]) for _ in range(3)]
    exporter.shutdown()

    assert [FAILURE] * 3 == results
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.name == "tracekit"
    assert "/dev/full: [Errno 28] No space left" in record.getMessage()


@needs_fork
@needs_flock
def test_a_line_that_does_not_fit_is_removed(exporter, path):
    """A line that does not fit is removed, and is written once there is space again."""
    resource = pytest.importorskip("resource")
    exporter.export([a_span("before")])

    def export_with_little_space() -> list[str]:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 1000, hard))
        too_long = exporter.export([a_span("too long", 5000)])
        size = path.stat().st_size
        short = exporter.export([a_span("short")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        again = exporter.export([a_span("too long", 5000)])
        return [too_long.name, size, short.name, again.name]

    before = path.stat().st_size
    answer = in_forked_child(export_with_little_space)

    assert str(["FAILURE", before, "SUCCESS", "SUCCESS"]) == answer
    expected = ["before", "short", "too long"]
    assert expected == names_in(path)


def fail_halfway(between):
    """A write that takes ten bytes, lets something happen, and fails."""
    calls = []

    def write(fd: int, data) -> int:
        if not calls:
            calls.append(fd)
            return real_write(fd, bytes(data[:10]))
        if len(calls) == 1:
            calls.append(fd)
            between()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_write(fd, data)

    return write


def test_lines_of_others_are_never_removed(exporter, path, monkeypatch):
    """Nothing is cut off if another program appended after the partial line."""

    def another_appends() -> None:
        with path.open("ab") as file:
            file.write(b"another's\n")

    monkeypatch.setattr(os, "write", fail_halfway(another_appends))

    assert exporter.export([a_span("x")]) is FAILURE
    assert path.read_bytes() == b"{\"resourceanother's\n"


def test_without_locks_a_half_line_is_ended_instead(exporter, path, monkeypatch):
    """Without locks, a partial line stays, on a line of its own."""
    monkeypatch.setattr(file_exporter, "fcntl", None)
    monkeypatch.setattr(os, "write", fail_halfway(lambda: None))

    assert [FAILURE, SUCCESS] == [exporter.export([a_span(name)]) for name in ("cut", "whole")]
    half, rest = path.read_bytes().split(b"\n", 1)
    assert half == b'{"resource'
    assert b'"name":"whole"' in rest


def test_a_half_line_of_a_killed_process_costs_no_other(exporter, path):
    """An incomplete line is ended before the next one."""
    path.write_bytes(b'{"resourceSpans":[{"res')

    exporter.export([a_span("a")])
    exporter.export([a_span("b")])

    half, *lines, end = path.read_bytes().split(b"\n")
    assert [b'{"resourceSpans":[{"res', b""] == [half, end]
    assert [True, True] == [bool(json.loads(line)["resourceSpans"]) for line in lines]


@needs_fork
def test_a_killed_writer_does_not_stop_the_others(exporter, path):
    """A process killed in the middle of a line releases its lock; later lines are whole."""

    def die_halfway() -> None:
        def write(fd: int, data) -> int:
            real_write(fd, bytes(data[:10]))
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        os.write = write
        exporter.export([a_span("killed")])

    assert in_forked_child(die_halfway) == ""
    assert exporter.export([a_span("next")]) is SUCCESS
    half, line, end = path.read_bytes().split(b"\n")
    assert [b'{"resource', b""] == [half, end]
    assert b'"name":"next"' in line
