"""A store of spans: its file, its writer and its readers."""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tracekit._viewer.store.limits import Limits
from tracekit._viewer.store.reader import Reader
from tracekit._viewer.store.schema import FileLock, open_database, open_reader
from tracekit._viewer.store.writer import Writer

_FILE_NAME = "spans.db"


class Store:
    """One database file, held by this process.

    One thread at a time may use `writer`; any thread may borrow a reader.

    Example:
        ```python
        with Store() as store:
            store.writer.write([decode_traces(body, 65536)])
            with store.reading() as reader:
                print(reader.trace_page().traces)
        ```
    """

    def __init__(self, path: Path | None = None, limits: Limits | None = None) -> None:
        """Open a database file, or a temporary one that is deleted at the end.

        Raises:
            DatabaseError: The file cannot be used; the message says why and what to do.
        """
        self.limits = limits or Limits()
        self._closing = contextlib.ExitStack()
        if path is None:
            directory = tempfile.TemporaryDirectory(prefix="tracekit-view-")
            self._closing.enter_context(directory)
            path = Path(directory.name) / _FILE_NAME
        self.path = path
        try:
            connection = open_database(path)
            self._closing.callback(connection.close)
            lock = FileLock(path)
            self._closing.callback(lock.release)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('process', ?)", (os.getpid(),))
            self.writer = Writer(connection, self.limits)
        except BaseException:
            self._closing.close()
            raise
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._closing.callback(self._close_readers)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reader]:
        """Borrow a reader, which sees the store as it is now until it is given back."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = open_reader(self.path)
        try:
            connection.execute("BEGIN")
            yield Reader(connection)
        except BaseException:
            connection.close()
            raise
        connection.execute("ROLLBACK")
        self._idle.put(connection)

    def bytes(self) -> int:
        """Return the size of what is stored, without the free pages of the file."""
        with self.reading() as reader:
            return reader.bytes()

    def _close_readers(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def close(self) -> None:
        """Close the file."""
        self._closing.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
