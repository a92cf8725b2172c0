"""Spans to a file, one line of OTLP JSON a batch, which many processes may share."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base import forks
from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log_warning_once
from tracekit._otlp.json import encode_traces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from tracekit._filters.filter import Filter

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # mypy takes the name for a module only

_LONGEST_WAIT: Final = 5.0
_LONGEST_PAUSE: Final = 0.02
_MOST_REPLACEMENTS: Final = 10
# Where there is such a flag: a named pipe that nobody reads is refused instead of waited for.
_NONBLOCK: Final[int] = getattr(os, "O_NONBLOCK", 0)
_OPEN_FLAGS: Final[int] = os.O_APPEND | os.O_CREAT | _NONBLOCK | getattr(os, "O_BINARY", 0)


class FileExporter(SpanExporter):
    r"""Appends each batch of spans to a file as one line of OTLP JSON.

    The lines are those of OpenTelemetry's file exporter (JSON lines in UTF-8, one `TracesData`
    each), which a Collector's `otlpjsonfile` receiver reads.

    Any number of processes may write to one file, forked ones and others: each line is appended
    in one write under an advisory lock (`flock`), so that no two lines mix, of whatever size.
    Where there are no such locks (Windows, some network file systems) lines are still appended,
    and only lines that the system writes in pieces can mix.

    The file may be rotated at any time, renamed or removed (the next batch goes to a new file
    under the path) or copied and truncated. A line that a full disk or a killed process cut short
    is taken back, or else ended before the next one, so that it is the only one lost.

    A batch is with the operating system when `export` returns. It is not forced to the disk
    (there is no `fsync`): the end of the process loses nothing, the end of the machine may.

    Args:
        path: The file, made if it is not there; its directory must be. A relative path is meant
            from the working directory of now. `.jsonl` is the customary ending.

    Raises:
        ConfigurationError: The file cannot be opened for appending.

    Example:
        >>> exporter = FileExporter("traces.jsonl")  # doctest: +SKIP
    """

    own_filter: Filter | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._skipped = 0
        try:
            self._file = _SharedFile(_absolute(_checked(path)))
        except OSError as error:
            raise ConfigurationError(_cannot_open(path, error)) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._file.path!r})"

    def __reduce__(self) -> tuple[type[FileExporter], tuple[str]]:
        return type(self), (self._file.path,)

    @property
    def skipped(self) -> int:
        """How many spans could not be put into OTLP (no identity, impossible times)."""
        return self._skipped

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append a batch as one line.

        Args:
            spans: Ended spans. One that cannot be put into OTLP is skipped, counted in `skipped`
                and logged once; the others are written, and it does not make the batch a failure.

        Returns:
            SUCCESS when the line is written whole. FAILURE when nothing of it was: the disk is
            full, another process has held the file's lock for 5 seconds, the exporter is shut
            down, or not one span could be put into OTLP. Never an exception.
        """
        try:
            line = encode_traces(spans, on_skipped=self._note_skipped)
            if line:
                self._file.append(line)
        except Exception as error:
            self._warn(error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if line or not spans else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: `export` leaves nothing behind in the process.

        Args:
            timeout_millis: Not needed.

        Returns:
            True.
        """
        return True

    def shutdown(self) -> None:
        """Close the file; from now on every `export` fails. A second call does nothing."""
        self._file.close()

    def _note_skipped(self, span: ReadableSpan, error: Exception) -> None:
        path = self._file.path
        self._skipped += 1
        key = ("file exporter skips", path)
        name = getattr(span, "name", span)
        log_warning_once(key, "span %r cannot be written to %s: %s", name, path, error, error=error)

    def _warn(self, error: Exception) -> None:
        path = self._file.path
        key = ("file exporter fails", path, type(error))
        log_warning_once(key, "spans cannot be written to %s: %s", path, error, error=error)


class _SharedFile:
    """A file that other threads and processes append to as well, and that may be rotated."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._closed = False
        self._fd: int | None = None
        # Before the file is open: a fork in between must find what it has to close.
        forks.register(self)
        self._open()

    def append(self, line: bytes) -> None:
        deadline = time.monotonic() + _LONGEST_WAIT
        # A signal handler may export while its own thread is in here: it must not wait for ever.
        if not self._lock.acquire(timeout=_LONGEST_WAIT):
            raise TimeoutError(errno.ETIMEDOUT, "another export does not come to its end")
        try:
            self._append_locked(line, deadline)
        finally:
            self._lock.release()
            if self._closed:
                self.close()

    def close(self) -> None:
        self._closed = True
        # Where a line is being written, its thread comes by here when it is done.
        if self._lock.acquire(blocking=False):
            self._close()
            self._lock.release()

    def after_fork_in_child(self) -> None:
        # The lock may be held by a thread that is not here, and the file's lock belongs to the
        # open file, which the parent shares: a child needs both of its own.
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
        raise OSError(errno.ESTALE, "the file is replaced again and again")

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
        # Forgotten first: a fork in between must not close a number that is another file's by then.
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


def _checked(path: object) -> str:
    try:
        text = os.fspath(path)  # type: ignore[call-overload]  # whatever was given
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError(
            f"path={path!r} names no file; give a path as text or os.PathLike, "
            "for example 'traces.jsonl'"
        )
    return text


def _absolute(path: str) -> str:
    # A later change of the working directory must not move the file at the next rotation.
    return os.path.join(Path.cwd(), path)  # noqa: PTH118  # pathlib drops a "/" at the end


def _cannot_open(path: object, error: OSError) -> str:
    return (
        f"path={path!r} cannot be opened for appending: {error.strerror}; "
        "give a file in a directory that is there and may be written"
    )


def _open_for_append(path: str) -> int:
    # Reading serves to see whether the last line was ended. It is given up where only appending
    # is allowed, and left alone for a pipe, which open for both would never notice its reader go.
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
            # A file system without locks: appending alone is all there is.
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
    # Removed between the look and the write, nobody would ever read that line. (Standard output
    # may well be a file without a name: it has no link, but is what the path leads to.)
    return os.fstat(fd).st_nlink > 0 or _is_at(path, fd)


def _write_line(fd: int, line: bytes) -> None:
    before = os.fstat(fd)
    rest = memoryview(line if _ends_whole(fd, before) else b"\n" + line)
    written = 0
    try:
        while written < len(rest):
            written += os.write(fd, rest[written:])
    except OSError:
        _take_back(fd, before, written)
        raise


def _ends_whole(fd: int, status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode) or not status.st_size or not hasattr(os, "pread"):
        return True
    try:
        return os.pread(fd, 1, status.st_size - 1) in (b"\n", b"")
    except OSError:
        return True


def _take_back(fd: int, before: os.stat_result, written: int) -> None:
    # Only what is certainly ours: where others append without the lock, or the file was truncated
    # meanwhile, the next write ends the half line instead.
    with contextlib.suppress(OSError):
        ours = os.fstat(fd).st_size == before.st_size + written
        if fcntl is not None and written and ours and stat.S_ISREG(before.st_mode):
            os.ftruncate(fd, before.st_size)
