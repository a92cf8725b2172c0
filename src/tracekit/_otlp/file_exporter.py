"""Spans to a file, as one line of OTLP JSON for each batch.

Several threads and processes may append to the file, and it may be rotated meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base import forks
from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log_warning_once
from tracekit._filters.filter import Filter
from tracekit._otlp.json_encoding import encode_traces

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # mypy takes the name for a module only

_LONGEST_WAIT: Final = 5.0
_LONGEST_PAUSE: Final = 0.02
_MOST_REPLACEMENTS: Final = 10
# With this flag, opening a named pipe without a reader fails instead of waiting.
_NONBLOCK: Final[int] = getattr(os, "O_NONBLOCK", 0)
_OPEN_FLAGS: Final[int] = os.O_APPEND | os.O_CREAT | _NONBLOCK | getattr(os, "O_BINARY", 0)


class FileExporter(SpanExporter):
    r"""Appends each batch of spans to a file as one line of OTLP JSON.

    The lines are those of OpenTelemetry's file exporter (JSON lines in UTF-8, one `TracesData`
    each), which a Collector's `otlpjsonfile` receiver reads.

    Any number of processes may write to one file, forked ones and others: each line is appended
    under an advisory lock (`flock`), so that lines of any size do not mix. Without such locks
    (Windows, some network file systems) lines are still appended, and only lines that the system
    writes in pieces can mix.

    The file may be rotated at any time: renamed or removed (the next batch goes to a new file under
    the path), or copied and truncated. A line that a full disk or a killed process cut short is
    removed, or ended before the next one, so that no other line is lost.

    The operating system has the batch when `export` returns. It is not forced to the disk (there is
    no `fsync`): a process that ends loses nothing, a machine that crashes may.

    Args:
        path: The file, which is created if it does not exist; its directory must exist. A relative
            path is relative to the current working directory, whatever that is later. The customary
            suffix is `.jsonl`.

    Raises:
        ConfigurationError: The file cannot be opened for appending.

    Example:
        >>> exporter = FileExporter("traces.jsonl")  # doctest: +SKIP
    """

    own_filter: Filter | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.skipped = 0
        """The number of spans that have no form in OTLP (no identity, impossible times)."""
        # A later change of the working directory must not move the file at the next rotation.
        absolute = os.path.join(Path.cwd(), _parse_path(path))  # noqa: PTH118  # pathlib drops a "/" at the end
        try:
            self._file = _SharedFile(absolute)
        except OSError as error:
            raise ConfigurationError(
                f"path={path!r} cannot be opened for appending: {error.strerror}; "
                "give a file in an existing directory with the right to write"
            ) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._file.path!r})"

    def __reduce__(self) -> tuple[type[FileExporter], tuple[str]]:
        return type(self), (self._file.path,)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append a batch as one line.

        Args:
            spans: Ended spans. A span without a form in OTLP is skipped, counted in `skipped` and
                logged once; the others are written, and the batch is not a failure.

        Returns:
            `SUCCESS` if the whole line is written. `FAILURE` if nothing of it is: the disk is full,
            another process has held the file's lock for 5 seconds, the exporter is shut down, or no
            span has a form in OTLP. Nothing is raised.
        """
        try:
            line = encode_traces(spans, on_skipped=self._note_skipped)
            if line:
                self._file.append(line)
        except Exception as error:
            path = self._file.path
            key = ("file exporter fails", path, type(error))
            log_warning_once(key, "spans cannot be written to %s: %s", path, error, error=error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if line or not spans else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: `export` leaves nothing behind in the process."""
        return True

    def shutdown(self) -> None:
        """Close the file; from now on every `export` fails. A second call does nothing."""
        self._file.close()

    def _note_skipped(self, span: ReadableSpan, error: Exception) -> None:
        path = self._file.path
        self.skipped += 1
        key = ("file exporter skips", path)
        name = getattr(span, "name", span)
        log_warning_once(key, "span %r cannot be written to %s: %s", name, path, error, error=error)


def _parse_path(path: Any) -> str:
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError(
            f"path={path!r} does not name a file; give a str or os.PathLike, such as 'traces.jsonl'"
        )
    return text


class _SharedFile:
    """A file under a path, which is opened again when another file takes the path.

    Raises:
        OSError: The file cannot be opened for appending.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._closed = False
        self._fd: int | None = None
        # Before the file is open: the child of a fork in between has to close it.
        forks.register(self)
        self._open()

    def append(self, line: bytes) -> None:
        """Append a line, with its line break, as a whole.

        Raises:
            OSError: Nothing of the line is in the file: the disk is full, another process has held
                the lock for 5 seconds, or the file is closed.
        """
        deadline = time.monotonic() + _LONGEST_WAIT
        # A signal handler may append while its own thread is in here, and would wait for itself.
        if not self._lock.acquire(timeout=_LONGEST_WAIT):
            raise TimeoutError(errno.ETIMEDOUT, "another export does not end")
        try:
            self._append_locked(line, deadline)
        finally:
            self._lock.release()
            if self._closed:
                self.close()

    def close(self) -> None:
        """Close the file; every `append` fails from now on. A second call does nothing."""
        self._closed = True
        # A thread that is writing a line closes the file after it.
        if self._lock.acquire(blocking=False):
            self._close()
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Replace the lock and close the file, in the child process."""
        # A thread of the parent may hold the lock, and `flock` locks the open file that parent and
        # child share.
        self._lock = threading.Lock()
        self._close()

    def _append_locked(self, line: bytes, deadline: float) -> None:
        for _ in range(_MOST_REPLACEMENTS):
            if self._closed:
                raise OSError(errno.EBADF, "the exporter is shut down")
            fd = self._open() if self._fd is None else self._fd
            self._wait_for_file(fd, deadline)
            try:
                if _write_at(self.path, fd, line):
                    return
            finally:
                _unlock_file(fd)
            self._close()
        raise OSError(errno.ESTALE, "the file is replaced repeatedly")

    def _wait_for_file(self, fd: int, deadline: float) -> None:
        pause = 0.0005
        while not _try_lock_file(fd):
            if self._closed or time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another process keeps the file locked")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _open(self) -> int:
        self._fd = _open_for_append(self.path)
        return self._fd

    def _close(self) -> None:
        # Cleared first: the child of a fork in between must not close a number that is reused.
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


def _open_for_append(path: str) -> int:
    # Open for reading too, to see whether the last line is complete, if the rights allow it. Not a
    # pipe: open for both, it would not notice that its reader is gone.
    try:
        fd = os.open(path, _OPEN_FLAGS | (os.O_RDWR if _is_regular(path) else os.O_WRONLY), 0o666)
    except PermissionError:
        fd = os.open(path, _OPEN_FLAGS | os.O_WRONLY, 0o666)
    if _NONBLOCK:
        os.set_blocking(fd, True)
    return fd


def _is_regular(path: str) -> bool:
    return not Path(path).exists() or Path(path).is_file()


def _is_at(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(fd))
    except OSError:
        return False


def _try_lock_file(fd: int) -> bool:
    if fcntl is not None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # The file system has no locks: lines are appended without.
            return True
    return True


def _unlock_file(fd: int) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)


def _write_at(path: str, fd: int, line: bytes) -> bool:
    if not _is_at(path, fd):
        return False
    _write_line(fd, line)
    # A line in a file that was removed before the write would be lost. Standard output may be a
    # file without a name: it has no link, but the path leads to it.
    return os.fstat(fd).st_nlink > 0 or _is_at(path, fd)


def _write_line(fd: int, line: bytes) -> None:
    before = os.fstat(fd)
    rest = memoryview(line if _ends_with_line_break(fd, before) else b"\n" + line)
    written = 0
    try:
        while written < len(rest):
            written += os.write(fd, rest[written:])
    except OSError:
        _remove_partial_line(fd, before, written)
        raise


def _ends_with_line_break(fd: int, status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode) or not status.st_size or not hasattr(os, "pread"):
        return True
    try:
        return os.pread(fd, 1, status.st_size - 1) in (b"\n", b"")
    except OSError:
        return True


def _remove_partial_line(fd: int, before: os.stat_result, written: int) -> None:
    # Only if nothing else was written: where others append without the lock, or the file was
    # truncated meanwhile, the next write ends the partial line instead.
    with contextlib.suppress(OSError):
        ours = os.fstat(fd).st_size == before.st_size + written
        if fcntl is not None and written and ours and stat.S_ISREG(before.st_mode):
            os.ftruncate(fd, before.st_size)
