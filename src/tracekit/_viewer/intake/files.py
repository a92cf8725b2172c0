"""Files of OTLP JSON lines, read and followed as they grow."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from tracekit._viewer.errors import ViewerError
from tracekit._viewer.intake.decode import MalformedRequestError
from tracekit._viewer.intake.json_decoding import parse_json
from tracekit._viewer.intake.lines import FileProgress, LineFeed, LineSplitter
from tracekit._viewer.intake.request_queue import RequestQueue

_INTERVAL: Final = 0.2
_READ_AT_ONCE: Final = 256 * 1024
_LOOKED_AT: Final = 4 * 1024 * 1024
_LINES_LOOKED_AT: Final = 20
_MOST_FILES: Final = 100


class FollowedFile:
    """One file: what of it has been read, and where it continues after a rotation."""

    def __init__(self, path: Path, queue: RequestQueue, stopping: threading.Event) -> None:
        self.path = path
        self.progress = FileProgress(str(path))
        self._feed = LineFeed(queue, self.progress, stopping.is_set)
        self._stopping = stopping
        self._file: BinaryIO | None = None
        self._splitter = LineSplitter()

    def read(self) -> None:
        """Read what is there, up to the end of the file."""
        if self.progress.state == "failed":
            return
        try:
            self._read()
        except OSError as error:
            self._fail(f"cannot be read: {error.strerror or error}")
        except zlib.error as error:
            self._fail(f"is not valid gzip: {error}")

    def _read(self) -> None:
        file = self._file or self._open()
        while file is not None:
            self._read_to_end(file)
            if self._stopping.is_set() or not self._is_replaced(file):
                return
            # What was written between the last read and the rotation is read first.
            self._read_to_end(file)
            self.close()
            file = self._open()

    def _open(self) -> BinaryIO | None:
        try:
            self._file = self.path.open("rb")
        except FileNotFoundError:
            self.progress.state = "waiting"
            return None
        self._splitter = LineSplitter()
        self.progress.read = 0
        return self._file

    def _read_to_end(self, file: BinaryIO) -> None:
        progress = self.progress
        while not self._stopping.is_set():
            progress.size = os.fstat(file.fileno()).st_size
            data = file.read(_READ_AT_ONCE)
            if not data:
                break
            progress.state = "reading"
            for lines in self._splitter.split(data):
                self._feed.feed(lines)
            progress.read += len(data)
        last = self._splitter.take_last()
        if last is not None:
            self._feed.feed([last])
        progress.state = "following"

    def _is_replaced(self, file: BinaryIO) -> bool:
        """Return whether the path leads to another file by now, or to a file cut short."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            # Between the two halves of a rotation; the old file may still be written to.
            return False
        ours = os.fstat(file.fileno())
        return (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino) or (now.st_size < file.tell())

    def _fail(self, why: str) -> None:
        self.progress.state, self.progress.error = "failed", f"{self.path} {why}"
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class FileFollower(threading.Thread):
    """Reads files in turn, and looks again for what was added."""

    def __init__(self, paths: Sequence[Path], queue: RequestQueue) -> None:
        super().__init__(name="tracekit-viewer-files", daemon=True)
        self._stopping = threading.Event()
        self.files = [FollowedFile(path, queue, self._stopping) for path in paths]

    def run(self) -> None:
        """Read until `stop`."""
        while not self._stopping.is_set():
            for file in self.files:
                file.read()
            self._stopping.wait(_INTERVAL)
        for file in self.files:
            file.close()

    def stop(self) -> None:
        """End after the lines that are being stored."""
        self._stopping.set()
        self.join(30.0)


class DroppedFiles:
    """Files whose content a page sends."""

    def __init__(self, queue: RequestQueue, files: list[FileProgress]) -> None:
        """Make them.

        Args:
            queue: Where their lines go.
            files: Gets the progress of each.
        """
        self._queue = queue
        self._files = files

    def open(self, name: str, size: int) -> DroppedFile:
        """Begin with a file of a name and a size."""
        progress = FileProgress(name, size, state="reading")
        self._files.append(progress)
        # The list is for what a user looks at now.
        del self._files[:-_MOST_FILES]
        return DroppedFile(progress, self._queue)


class DroppedFile:
    """One file whose content comes in pieces."""

    def __init__(self, progress: FileProgress, queue: RequestQueue) -> None:
        self.progress = progress
        self._feed = LineFeed(queue, progress, lambda: False)
        self._splitter = LineSplitter()

    def write(self, data: bytes) -> None:
        """Store the lines that a piece completes.

        Raises:
            ViewerError: The file began as gzip and is not.
        """
        try:
            for lines in self._splitter.split(data):
                self._feed.feed(lines)
        except zlib.error as error:
            raise self._fail(f"is not valid gzip: {error}") from None
        self.progress.read += len(data)

    def finish(self) -> None:
        """Store a last line without its end.

        Raises:
            ViewerError: The file has lines, and none of them is OTLP.
        """
        rest = self._splitter.take_rest()
        if rest.strip():
            self._feed.feed([rest])
        progress = self.progress
        if progress.bad_lines and progress.bad_lines == progress.lines:
            raise self._fail(
                f"does not hold OTLP as JSON lines; its first line is {progress.error}"
            )
        progress.state = "read"

    def _fail(self, why: str) -> ViewerError:
        self.progress.state, self.progress.error = "failed", f"{self.progress.path} {why}"
        return ViewerError(self.progress.error)


def check_file(path: Path) -> None:
    """Look at the beginning of a file.

    Raises:
        ViewerError: The file cannot be read, or none of its first lines is OTLP in JSON.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LOOKED_AT)
    except OSError as error:
        raise ViewerError(f"{path} cannot be read: {error.strerror or error}") from None
    splitter = LineSplitter()
    lines: list[bytes] = []
    try:
        for some in splitter.split(data):
            lines += [line for line in some if line.strip()]
            if len(lines) >= _LINES_LOOKED_AT:
                break
    except zlib.error as error:
        raise ViewerError(f"{path} is not valid gzip: {error}") from None
    last = splitter.take_last()
    problems: list[str] = []
    for line in [*lines[:_LINES_LOOKED_AT], *([] if last is None else [last])]:
        try:
            parse_json(line, len(line))
        except MalformedRequestError as error:
            problems.append(str(error))
        else:
            return
    if problems:
        raise ViewerError(
            f"{path} does not hold OTLP as JSON lines; its first line is {problems[0]}. "
            'exporter="file:PATH" of tracekit and the file exporter of the Collector '
            "(format: json) write such files"
        )
