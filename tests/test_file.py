"""The file exporter writes whole lines, whoever else writes, rotates, forks or fills the disk."""

from __future__ import annotations

import collections
import contextlib
import errno
import json
import logging
import multiprocessing
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanContext

from tracekit._base.errors import ConfigurationError
from tracekit._otlp import file_exporter as _file
from tracekit._otlp.file_exporter import FileExporter

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
RESOURCE = Resource({"service.name": "shop"})
DEADLINE = 30.0
real_write = os.write

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
needs_flock = pytest.mark.skipif(_file.fcntl is None, reason="the system has no flock")
# The tests fork on purpose where threads run: that is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "traces.jsonl"


@pytest.fixture
def exporter(path):
    exporter = FileExporter(path)
    yield exporter
    exporter.shutdown()


def a_span(name: str = "work", size: int = 0, **fields) -> ReadableSpan:
    fields.setdefault("context", SpanContext(1, 2, is_remote=False))
    return ReadableSpan(name, resource=RESOURCE, attributes={"padding": "x" * size}, **fields)


def names_in(*paths: Path) -> list[str]:
    """The span of each line, in order; a line that is not whole does not parse."""
    lines = [line for path in paths for line in path.read_bytes().split(b"\n")[:-1]]
    assert all(path.read_bytes()[-1:] in (b"", b"\n") for path in paths)
    return [
        span["name"]
        for line in lines
        for span in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    ]


def write_in_pieces(fd: int, data) -> int:
    """As `os.write` may do on a slow device: it takes a part and leaves the rest to the caller."""
    return real_write(fd, bytes(data[:4096]))


def finished(process) -> int:
    process.join(DEADLINE)
    assert process.exitcode is not None
    return process.exitcode


def in_forked_child(function) -> str:
    """What the function returns in a forked child, which must answer before the deadline."""
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


# Opening


def test_each_batch_is_one_line(exporter, path):
    """A batch of spans becomes one line, after what the file held before."""
    exporter.export([a_span("a"), a_span("b")])
    exporter.export([a_span("c")])

    assert path.read_bytes().count(b"\n") == 2
    expected = ["a", "b", "c"]
    assert expected == names_in(path)


def test_what_is_there_stays(path):
    """An exporter for a file that exists appends to it."""
    for name in ("first", "second"):
        exporter = FileExporter(str(path))
        exporter.export([a_span(name)])
        exporter.shutdown()

    expected = ["first", "second"]
    assert expected == names_in(path)


def test_the_file_is_made_at_once_with_the_usual_rights(path):
    """The file is there after construction, with the rights that `open` would give it."""
    umask = os.umask(0o027)
    try:
        FileExporter(path).shutdown()
    finally:
        os.umask(umask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def make_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def make_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    return tmp_path / "file" / "traces.jsonl"


@pytest.mark.parametrize(
    "make_path",
    [
        lambda tmp_path: "",
        lambda tmp_path: tmp_path,
        lambda tmp_path: tmp_path / "missing" / "traces.jsonl",
        lambda tmp_path: f"{tmp_path / 'new'}/",
        make_below_a_file,
        lambda tmp_path: tmp_path / ("n" * 300),
        lambda tmp_path: "a\0b",
        make_pipe,
        lambda tmp_path: None,
        lambda tmp_path: 1,
        lambda tmp_path: b"traces.jsonl",
    ],
    ids=[
        "empty",
        "a directory",
        "no such directory",
        "meant as a directory",
        "below a file",
        "too long",
        "a null character",
        "a pipe that nobody reads",
        "None",
        "a number",
        "bytes",
    ],
)
def test_a_wrong_path_fails_at_construction(tmp_path, make_path):
    """What cannot be appended to is refused at once; the text names the argument and its value."""
    wrong = make_path(tmp_path)

    with pytest.raises(ConfigurationError) as caught:
        FileExporter(wrong)

    assert str(caught.value).startswith(f"path={wrong!r} ")
    assert "; give a " in str(caught.value)
    assert str(caught.value).isprintable()


def run_as_nobody(program: str, *arguments: str) -> str:
    """What a program prints that has no rights beyond those of other users."""
    prelude = """
        import os, sys
        from tracekit._otlp.file_exporter import FileExporter
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext
        span = ReadableSpan("x", context=SpanContext(1, 2, False))
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
    """
    source = textwrap.dedent(prelude) + textwrap.dedent(program)
    command = [sys.executable, "-c", source, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE)
    return done.stdout


@pytest.fixture
def open_directory():
    """A directory that every user may reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="the system has no users")
def test_a_file_without_the_right_to_write_fails_at_construction(open_directory):
    """A file that the user may only read is refused at once."""
    path = open_directory / "traces.jsonl"
    path.touch(0o444)
    path.chmod(0o444)
    program = """
        try:
            FileExporter(sys.argv[1])
        except ValueError as error:
            print(type(error).__name__, error)
    """

    printed = run_as_nobody(program, str(path))

    assert printed.startswith("ConfigurationError path='")
    assert "Permission denied" in printed


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="the system has no users")
def test_the_right_to_read_is_not_needed(open_directory):
    """A file that the user may write but not read is written."""
    path = open_directory / "traces.jsonl"
    path.touch()
    path.chmod(0o222)
    program = "print(FileExporter(sys.argv[1]).export([span]).name)"

    assert run_as_nobody(program, str(path)) == "SUCCESS\n"


def test_a_relative_path_is_meant_from_the_directory_of_construction(tmp_path, monkeypatch):
    """A change of the working directory does not move the file, not even at a rotation."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    exporter = FileExporter("traces.jsonl")
    monkeypatch.chdir("elsewhere")
    (tmp_path / "traces.jsonl").unlink()

    exporter.export([a_span("x")])
    exporter.shutdown()

    expected = ["x"]
    assert expected == names_in(tmp_path / "traces.jsonl")


def test_the_text_of_an_exporter_names_its_file(exporter, path):
    """An exporter shows which file it writes."""
    assert f"FileExporter({str(path)!r})" == repr(exporter)


# Many writers


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


class HeldWrite:
    """A write that begins, and ends when it is let go."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, fd: int, data) -> int:
        if os.getpid() == self.pid and not self.begun.is_set():
            self.begun.set()
            assert self.let_go.wait(DEADLINE)
        return real_write(fd, data)


@pytest.fixture
def held_write(monkeypatch):
    held = HeldWrite()
    monkeypatch.setattr(os, "write", held)
    yield held
    held.let_go.set()


def start_export(exporter, name: str) -> tuple[threading.Thread, list]:
    results: list = []
    thread = threading.Thread(target=lambda: results.append(exporter.export([a_span(name)])))
    thread.start()
    return thread, results


@needs_fork
def test_a_fork_in_the_middle_of_an_export(exporter, path, held_write):
    """A child forked while another thread exports can export itself, and no line is lost."""
    thread, results = start_export(exporter, "parent")
    assert held_write.begun.wait(DEADLINE)
    threading.Timer(0.05, held_write.let_go.set).start()

    answer = in_forked_child(lambda: exporter.export([a_span("child")]))

    thread.join(DEADLINE)
    assert [str(SUCCESS), SUCCESS] == [answer, *results]
    assert sorted(names_in(path)) == ["child", "parent"]


@needs_fork
@needs_flock
def test_a_child_does_not_keep_the_lock_of_its_parent(exporter, path, held_write):
    """A child holds nothing of the file that it inherited until it exports itself."""
    thread, _ = start_export(exporter, "parent")
    assert held_write.begun.wait(DEADLINE)
    inherited = exporter._file._fd

    def is_closed() -> bool:
        with contextlib.suppress(OSError):
            os.fstat(inherited)
            return False
        return True

    answer = in_forked_child(is_closed)

    held_write.let_go.set()
    thread.join(DEADLINE)
    assert answer == "True"


def test_a_signal_handler_that_exports_does_not_hang(exporter, path, monkeypatch):
    """An export that interrupts another of its own thread fails, and the other goes on."""
    monkeypatch.setattr(_file, "_LONGEST_WAIT", 0.05)
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


@contextlib.contextmanager
def locked(path: Path):
    with path.open("a") as holder:
        _file.fcntl.flock(holder, _file.fcntl.LOCK_EX)
        yield


@needs_flock
def test_a_lock_that_is_never_let_go_is_not_waited_for(exporter, path, monkeypatch):
    """Where another process keeps the file locked, an export fails after its time, no later one."""
    monkeypatch.setattr(_file, "_LONGEST_WAIT", 0.05)

    with locked(path):
        during = exporter.export([a_span("during")])
    after = exporter.export([a_span("after")])

    assert [FAILURE, SUCCESS] == [during, after]
    expected = ["after"]
    assert expected == names_in(path)


@needs_flock
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_written(exporter, path, monkeypatch, code):
    """Where the file system knows no locks, lines are appended all the same."""

    def refuse(fd: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(_file.fcntl, "flock", refuse)

    assert exporter.export([a_span("x")]) is SUCCESS
    expected = ["x"]
    assert expected == names_in(path)


# Rotation


@needs_flock
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_renaming_under_many_writers_loses_nothing(path, method):
    """Whoever renames the file while processes write: each line is in one of the files, whole."""
    writers = start_writers(method, path, 3, 150, write_in_pieces)
    rotated = []
    while any(writer.is_alive() for writer in writers):
        # The first ones at once, so that a busy machine gets round to them as well.
        writers[len(rotated) % 3].join(0 if len(rotated) < 4 else 0.003)
        if path.exists() and path.stat().st_size:
            rotated.append(path.rename(path.with_suffix(f".{len(rotated)}")))

    assert [writer.exitcode for writer in writers] == [0] * 3
    assert len(rotated) > 3
    left = [path] if path.exists() else []
    assert all_names(3, 150) == collections.Counter(names_in(*rotated, *left))


def replace_by_rename(path: Path) -> None:
    path.rename(path.with_suffix(".1"))


def replace_by_rename_and_create(path: Path) -> None:
    path.rename(path.with_suffix(".1"))
    path.touch()


@pytest.mark.parametrize(
    "replace", [replace_by_rename, replace_by_rename_and_create, Path.unlink, os.unlink]
)
def test_a_replaced_file_is_followed(exporter, path, replace):
    """After the file was renamed, renamed and made anew, or removed, a new one is written."""
    exporter.export([a_span("before")])
    old = exporter._file._fd

    replace(path)
    exporter.export([a_span("after")])

    expected = ["after"]
    assert expected == names_in(path)
    assert old == exporter._file._fd  # closed, so that its number was free for the new file


def test_a_symbolic_link_that_moves_is_followed(tmp_path):
    """Where the path is a link that is turned to another file, the next batch goes there."""
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "monday")
    exporter = FileExporter(link)
    exporter.export([a_span("a")])

    link.unlink()
    link.symlink_to(tmp_path / "tuesday")
    exporter.export([a_span("b")])
    exporter.shutdown()

    expected = [["a"], ["b"]]
    assert expected == [names_in(tmp_path / "monday"), names_in(tmp_path / "tuesday")]


def test_a_copied_and_truncated_file_starts_at_its_beginning(exporter, path):
    """After the file was truncated in place, the next line is its first, with no gap before it."""
    exporter.export([a_span("before", 5000)])

    os.truncate(path, 0)
    exporter.export([a_span("after")])

    expected = ["after"]
    assert expected == names_in(path)


def test_a_file_removed_at_the_last_moment_is_written_again(exporter, path, monkeypatch):
    """A line written to a file that was removed just before is written to the new one."""
    moments = []

    def remove_then_write(fd: int, data) -> int:
        if not moments:
            moments.append(path.unlink())
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", remove_then_write)

    assert exporter.export([a_span("x")]) is SUCCESS
    expected = ["x"]
    assert expected == names_in(path)


def test_a_file_that_is_always_replaced_is_given_up(exporter, path, monkeypatch):
    """Where the file is never the one under the path, the export fails instead of going round."""
    monkeypatch.setattr(_file, "_is_at", lambda path, fd: False)

    assert exporter.export([a_span()]) is FAILURE


def test_a_directory_that_comes_back_is_written_again(tmp_path):
    """While the directory is gone exports fail; once it is back they succeed."""
    directory = tmp_path / "logs"
    directory.mkdir()
    exporter = FileExporter(directory / "traces.jsonl")
    (directory / "traces.jsonl").unlink()
    directory.rmdir()

    gone = exporter.export([a_span("gone")])
    directory.mkdir()
    back = exporter.export([a_span("back")])
    exporter.shutdown()

    assert [FAILURE, SUCCESS] == [gone, back]
    expected = ["back"]
    assert expected == names_in(directory / "traces.jsonl")


# Failures


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_device_is_a_failure_logged_once(caplog):
    """A full disk makes exports fail without an exception, and is said once."""
    exporter = FileExporter("/dev/full")

    results = [exporter.export([a_span()]) for _ in range(3)]
    exporter.shutdown()

    assert [FAILURE] * 3 == results
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.name == "tracekit"
    assert "/dev/full: [Errno 28] No space left" in record.getMessage()


@needs_fork
@needs_flock
def test_a_line_that_does_not_fit_is_taken_back(exporter, path):
    """A line cut short by the end of space leaves no trace, and fits once there is space again."""
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


def test_lines_of_others_are_never_taken_back(exporter, path, monkeypatch):
    """Where another program appended after the half line, nothing is cut off."""

    def another_appends() -> None:
        with path.open("ab") as file:
            file.write(b"another's\n")

    monkeypatch.setattr(os, "write", fail_halfway(another_appends))

    assert exporter.export([a_span("x")]) is FAILURE
    assert path.read_bytes() == b"{\"resourceanother's\n"


def test_without_locks_a_half_line_is_ended_instead(exporter, path, monkeypatch):
    """Where the system has no locks, a half line stays, on a line of its own."""
    monkeypatch.setattr(_file, "fcntl", None)
    monkeypatch.setattr(os, "write", fail_halfway(lambda: None))

    assert [FAILURE, SUCCESS] == [exporter.export([a_span(name)]) for name in ("cut", "whole")]
    half, rest = path.read_bytes().split(b"\n", 1)
    assert half == b'{"resource'
    assert b'"name":"whole"' in rest


def test_a_half_line_of_a_killed_process_costs_no_other(exporter, path):
    """A line that its writer did not end is ended before the next one."""
    path.write_bytes(b'{"resourceSpans":[{"res')

    exporter.export([a_span("a")])
    exporter.export([a_span("b")])

    half, *lines, end = path.read_bytes().split(b"\n")
    assert [b'{"resourceSpans":[{"res', b""] == [half, end]
    assert [True, True] == [bool(json.loads(line)["resourceSpans"]) for line in lines]


@needs_fork
def test_a_killed_writer_does_not_stop_the_others(exporter, path):
    """A process killed in the middle of a line takes its lock with it; later lines are whole."""

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


# The life of an exporter


def test_a_batch_is_readable_when_export_returns(exporter, path):
    """Nothing waits in the process: a flush has nothing to do and says so."""
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
    assert held_write.begun.wait(DEADLINE)

    exporter.shutdown()
    held_write.let_go.set()
    thread.join(DEADLINE)

    assert [SUCCESS] == results
    expected = ["x"]
    assert expected == names_in(path)
    assert exporter._file._fd is None


@needs_flock
def test_shutdown_ends_the_wait_for_a_lock(exporter, path, monkeypatch):
    """A shutdown during the wait for another process's lock ends the wait."""
    waiting = threading.Event()
    real_flock = _file.fcntl.flock

    def flock(fd, operation: int) -> None:
        if operation & _file.fcntl.LOCK_NB:
            waiting.set()
        real_flock(fd, operation)

    monkeypatch.setattr(_file, "_LONGEST_WAIT", 2 * DEADLINE)
    with locked(path):
        monkeypatch.setattr(_file.fcntl, "flock", flock)
        thread, results = start_export(exporter, "x")
        assert waiting.wait(DEADLINE)
        begun = time.monotonic()
        exporter.shutdown()
        thread.join(DEADLINE)

    assert [FAILURE] == results
    assert time.monotonic() - begun < DEADLINE
    assert exporter._file._fd is None


def test_no_spans_are_no_line(exporter, path):
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
    """Where no span of a batch can be written, the export fails."""
    assert exporter.export([a_span(context=None)]) is FAILURE
    assert path.read_bytes() == b""


def test_it_serves_the_sdk(path):
    """Behind the SDK's batch processor, every span ends up in the file."""
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(FileExporter(path)))
    tracer = provider.get_tracer("test")
    for number in range(1000):
        tracer.start_span(str(number)).end()

    provider.shutdown()

    assert [str(number) for number in range(1000)] == names_in(path)


# Standard output


@pytest.fixture(params=["a pipe", "a file", "a file without a name"])
def standard_output(request, tmp_path):
    """Something to give a process as its standard output, and how to read it afterwards."""
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
    """The path /dev/stdout writes each line once to the standard output, whatever that is."""
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
