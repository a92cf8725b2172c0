"""Processes and threads that write spans to a file, and what they wrote."""

from __future__ import annotations

import collections
import contextlib
import json
import multiprocessing
import os
import select
import signal
import threading
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext

from tracekit._otlp import file_exporter
from tracekit._otlp.file_exporter import FileExporter

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
RESOURCE = Resource({"service.name": "shop"})
DEADLINE = 30.0
real_write = os.write

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
needs_flock = pytest.mark.skipif(file_exporter.fcntl is None, reason="the system has no flock")


def a_span(name: str = "work", size: int = 0, **fields) -> ReadableSpan:
    fields.setdefault("context", SpanContext(1, 2, is_remote=False))
    return ReadableSpan(name, resource=RESOURCE, attributes={"padding": "x" * size}, **fields)


def names_in(*paths: Path) -> list[str]:
    """The names of the spans in files, in order; an incomplete line does not parse."""
    lines = [line for path in paths for line in path.read_bytes().split(b"\n")[:-1]]
    assert all(path.read_bytes()[-1:] in (b"", b"\n") for path in paths)
    return [
        span["name"]
        for line in lines
        for span in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    ]


def write_in_pieces(fd: int, data) -> int:
    """Write only the first 4096 bytes, as `os.write` may do on a slow device."""
    return real_write(fd, bytes(data[:4096]))


def finished(process) -> int:
    process.join(DEADLINE)
    assert process.exitcode is not None
    return process.exitcode


def in_forked_child(function) -> str:
    """The result of a function in a forked child, as text."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            real_write(writer, str(function()).encode())
        os._exit(0)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], DEADLINE)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    answer = os.read(reader, 1000).decode()
    os.close(reader)
    return answer if ready else "the child hangs"


def write_batches(path: str, worker: int, batches: int, write=real_write) -> None:
    os.write = write
    exporter = FileExporter(path)
    for batch in range(batches):
        # Every eighth line is many times longer than what a pipe or a page takes at once.
        size = 100_000 if batch % 8 == 0 else 300
        assert exporter.export([a_span(f"{worker}.{batch}", size)]) is SUCCESS
    exporter.shutdown()


def start_writers(method: str, path: Path, count: int, batches: int, write=real_write) -> list:
    context = multiprocessing.get_context(method)
    writers = [
        context.Process(target=write_batches, args=(str(path), worker, batches, write))
        for worker in range(count)
    ]
    for writer in writers:
        writer.start()
    return writers


def all_names(workers: int, batches: int) -> collections.Counter:
    return collections.Counter(f"{w}.{b}" for w in range(workers) for b in range(batches))


class HeldWrite:
    """A write that waits until the test releases it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.started = threading.Event()
        self.released = threading.Event()

    def __call__(self, fd: int, data) -> int:
        if os.getpid() == self.pid and not self.started.is_set():
            self.started.set()
            assert self.released.wait(DEADLINE)
        return real_write(fd, data)


def start_export(exporter, name: str) -> tuple[threading.Thread, list]:
    results: list = []
    thread = threading.Thread(target=lambda: results.append(exporter.export([a_span(name)])))
    thread.start()
    return thread, results


@contextlib.contextmanager
def locked(path: Path):
    with path.open("a") as holder:
        file_exporter.fcntl.flock(holder, file_exporter.fcntl.LOCK_EX)
        yield
