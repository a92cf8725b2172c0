"""Processes, threads and forked children append whole lines to one file."""

from __future__ import annotations

import collections
import contextlib
import errno
import multiprocessing
import os
import threading

import pytest

from tests.file_exporter.writers import (
    DEADLINE,
    FAILURE,
    SUCCESS,
    a_span,
    all_names,
    finished,
    in_forked_child,
    locked,
    names_in,
    needs_flock,
    needs_fork,
    real_write,
    start_export,
    start_writers,
    write_in_pieces,
)
from tracekit._otlp import file_exporter

# Forking a process with threads is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@needs_flock
@pytest.mark.parametrize("write", [real_write, write_in_pieces], ids=["at once", "in pieces"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_a_file(path, method, write):
    """Processes that append at the same time write each line once and whole."""
    writers = start_writers(method, path, 4, 200, write)

    assert [finished(writer) for writer in writers] == [0] * 4
    assert all_names(4, 200) == collections.Counter(names_in(path))


@needs_flock
def test_threads_share_an_exporter(exporter, path, monkeypatch):
    """Threads that export at the same time write each line once and whole."""
    monkeypatch.setattr(os, "write", write_in_pieces)
    together = threading.Barrier(4)

    def export_many(worker: int) -> None:
        together.wait(DEADLINE)
        for batch in range(50):
            exporter.export([a_span(f"{worker}.{batch}", 20_000)])

    threads = [threading.Thread(target=export_many, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)

    assert all_names(4, 50) == collections.Counter(names_in(path))


@needs_fork
@needs_flock
def test_forked_children_go_on_with_the_exporter(exporter, path, monkeypatch):
    """Parent and forked children export with one object at the same time; every line is whole."""
    monkeypatch.setattr(os, "write", write_in_pieces)

    def export_many(worker: int) -> None:
        for batch in range(100):
            assert exporter.export([a_span(f"{worker}.{batch}", 20_000)]) is SUCCESS

    context = multiprocessing.get_context("fork")
    children = [context.Process(target=export_many, args=(worker,)) for worker in (1, 2)]
    for child in children:
        child.start()
    export_many(0)

    assert [finished(child) for child in children] == [0, 0]
    assert all_names(3, 100) == collections.Counter(names_in(path))


@needs_fork
def test_a_fork_in_the_middle_of_an_export(exporter, path, held_write):
    """A child that is forked during an export can export, and no line is lost."""
    thread, results = start_export(exporter, "parent")
    assert held_write.started.wait(DEADLINE)
    threading.Timer(0.05, held_write.released.set).start()

    answer = in_forked_child(lambda: exporter.export([a_span("child")]))

    thread.join(DEADLINE)
    assert [str(SUCCESS), SUCCESS] == [answer, *results]
    assert sorted(names_in(path)) == ["child", "parent"]


@needs_fork
@needs_flock
def test_a_child_does_not_keep_the_lock_of_its_parent(exporter, path, held_write):
    """A forked child closes the file that it inherited."""
    thread, _ = start_export(exporter, "parent")
    assert held_write.started.wait(DEADLINE)
    inherited = exporter._file._fd

    def is_closed() -> bool:
        with contextlib.suppress(OSError):
            os.fstat(inherited)
            return False
        return True

    answer = in_forked_child(is_closed)

    held_write.released.set()
    thread.join(DEADLINE)
    assert answer == "True"


def test_a_signal_handler_that_exports_does_not_hang(exporter, path, monkeypatch):
    """An export in a signal handler during another one fails, and the other succeeds."""
    monkeypatch.setattr(file_exporter, "_LONGEST_WAIT", 0.05)
    inner = []

    def interrupted_write(fd: int, data) -> int:
        if not inner:
            inner.append(None)
            inner[0] = exporter.export([a_span("inner")])
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", interrupted_write)

    assert [SUCCESS, FAILURE] == [exporter.export([a_span("outer")]), *inner]
    expected = ["outer"]
    assert expected == names_in(path)


@needs_flock
def test_a_lock_that_is_never_released_is_not_waited_for(exporter, path, monkeypatch):
    """An export fails if another process keeps the lock, and the next one succeeds."""
    monkeypatch.setattr(file_exporter, "_LONGEST_WAIT", 0.05)

    with locked(path):
        during = exporter.export([a_span("during")])
    after = exporter.export([a_span("after")])

    assert [FAILURE, SUCCESS] == [during, after]
    expected = ["after"]
    assert expected == names_in(path)


@needs_flock
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_written(exporter, path, monkeypatch, code):
    """On a file system without locks, lines are appended."""

    def refuse(fd: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(file_exporter.fcntl, "flock", refuse)

    assert exporter.export([a_span("x")]) is SUCCESS
    expected = ["x"]
    assert expected == names_in(path)
