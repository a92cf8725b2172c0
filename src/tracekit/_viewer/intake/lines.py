"""Lines of OTLP JSON on their way from a file to the queue."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from tracekit._viewer.intake.decode import MalformedRequestError
from tracekit._viewer.intake.request_queue import (
    QueueFullError,
    Request,
    RequestQueue,
    StoreFailedError,
)

LONGEST_LINE: Final = 32 * 1024 * 1024
GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP: Final = 31
_DECOMPRESSED_AT_ONCE: Final = 1024 * 1024
_WAIT: Final = 0.05

FileState = Literal["waiting", "reading", "following", "read", "failed"]


@dataclass(slots=True)
class FileProgress:
    """How far a file has been read.

    Attributes:
        path: The file's path, or the name that a page gave.
        size: Its size in bytes; of a compressed file, compressed.
        read: Bytes of it that have been read.
        lines: Lines that have been read.
        spans: Spans and log records that were accepted from them.
        bad_lines: Lines that are not OTLP, and were skipped.
        first_bad_line: The number of the first of them, from 1.
        error: What was wrong with it, or why the file cannot be read.
        state: `waiting` for the file to appear, `reading`, `following` at its end, `read` to the
            end of a file that does not grow, or `failed`.
    """

    path: str
    size: int = 0
    read: int = 0
    lines: int = 0
    spans: int = 0
    bad_lines: int = 0
    first_bad_line: int | None = None
    error: str = ""
    state: FileState = "waiting"


class LineFeed:
    """Puts lines into the queue, waits until they are committed, and counts."""

    def __init__(
        self, queue: RequestQueue, progress: FileProgress, stopped: Callable[[], bool]
    ) -> None:
        self._queue = queue
        self._progress = progress
        self._stopped = stopped

    def feed(self, lines: Iterable[bytes]) -> None:
        """Store lines; those that are not OTLP are counted and skipped."""
        sent: list[tuple[int, Request]] = []
        for line in lines:
            self._progress.lines += 1
            if not line.strip():
                continue
            if len(line) > LONGEST_LINE:
                self._skip(self._progress.lines, f"longer than {LONGEST_LINE} bytes")
                continue
            sent.append((self._progress.lines, self._put(line)))
        for number, request in sent:
            self._await(number, request)

    def _put(self, line: bytes) -> Request:
        while True:
            request = Request(None, "json", line)
            try:
                self._queue.put(request)
            except QueueFullError:
                if self._stopped():
                    request.outcome.set_exception(StoreFailedError("the viewer ends"))
                else:
                    # Other senders have filled the queue; a file can wait.
                    time.sleep(_WAIT)
                    continue
            return request

    def _await(self, number: int, request: Request) -> None:
        while True:
            try:
                outcome = request.outcome.result()
            except MalformedRequestError as error:
                self._skip(number, str(error))
            except StoreFailedError:
                if not self._stopped():
                    time.sleep(_WAIT)
                    request = self._put(request.body)
                    continue
            else:
                self._progress.spans += outcome.accepted
                if outcome.rejected:
                    self._skip(number, outcome.message)
            return

    def _skip(self, number: int, why: str) -> None:
        progress = self._progress
        progress.bad_lines += 1
        if progress.first_bad_line is None:
            progress.first_bad_line, progress.error = number, why


class LineSplitter:
    """Splits bytes into lines, whatever pieces they come in, compressed or not."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._decompressor: _Members | None = None
        self._begun = b""
        self._known = False

    def split(self, data: bytes) -> Iterable[list[bytes]]:
        """Yield the lines that are complete, in batches of bounded size.

        Raises:
            zlib.error: The data began as gzip and is not.
        """
        if not self._known:
            self._begun += data
            if len(self._begun) < len(GZIP_MAGIC) and GZIP_MAGIC.startswith(self._begun):
                return
            self._known = True
            if self._begun.startswith(GZIP_MAGIC):
                self._decompressor = _Members()
            data, self._begun = self._begun, b""
        if self._decompressor is None:
            yield self._lines(data)
        else:
            for piece in self._decompressor.decompress(data):
                yield self._lines(piece)

    def _lines(self, data: bytes) -> list[bytes]:
        *lines, rest = data.split(b"\n")
        if lines and self._rest:
            lines[0] = bytes(self._rest + lines[0])
            self._rest.clear()
        # Of a line that is too long, no more is kept than shows that it is.
        if len(self._rest) <= LONGEST_LINE:
            self._rest += rest
        return lines

    def take_last(self) -> bytes | None:
        """Return and forget a last line that lacks its end but is whole, or None.

        A torn line is not whole: no object of JSON begins with another.
        """
        rest = bytes(self._rest)
        if not rest.rstrip().endswith(b"}"):
            return None
        try:
            json.loads(rest)
        except (ValueError, RecursionError):
            return None
        self._rest.clear()
        return rest

    def take_rest(self) -> bytes:
        """Return and forget what follows the last line feed."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


class _Members:
    """Decompresses gzip with one member or several, which may grow."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(_GZIP)

    def decompress(self, data: bytes) -> Iterable[bytes]:
        while data:
            if self._decompressor.eof:
                # Zeros may follow a member as padding.
                data = data.lstrip(b"\0")
                self._decompressor = zlib.decompressobj(_GZIP)
                continue
            yield self._decompressor.decompress(data, _DECOMPRESSED_AT_ONCE)
            while self._decompressor.unconsumed_tail:
                yield self._decompressor.decompress(
                    self._decompressor.unconsumed_tail, _DECOMPRESSED_AT_ONCE
                )
            data = self._decompressor.unused_data
