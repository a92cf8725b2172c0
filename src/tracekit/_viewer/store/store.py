"""A store of spans: its file, its writer and its readers."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from tracekit._viewer.errors import DatabaseError
from tracekit._viewer.store.limits import Limits
from tracekit._viewer.store.reader import Reader
from tracekit._viewer.store.schema import FileLock, open_database, open_reader
from tracekit._viewer.store.writer import Writer

_FILE_NAME: Final = "spans.db"
_PREFIX: Final = "tracekit-view-"
# A directory that is younger may belong to a viewer that is about to lock its file.
_LEFTOVER_SECONDS: Final = 3600


class Store:
    """One database file, held by this process.

    One thread at a time may use `writer`; any thread may borrow a reader.

    Example:
        ```python
        from tracekit._viewer.store.store import Store

        with Store() as store, store.reading() as reader:
            assert reader.trace_count() == 0
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
            remove_leftovers(Path(tempfile.gettempdir()))
            directory = tempfile.TemporaryDirectory(prefix=_PREFIX)
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


def remove_leftovers(directory: Path) -> None:
    """Remove temporary databases of viewers that were killed; nothing else deletes them."""
    for leftover in directory.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, DatabaseError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_SECONDS:
                # Whoever holds the file is alive; other users' files cannot be opened.
                FileLock(leftover / _FILE_NAME).release()
                shutil.rmtree(leftover)
