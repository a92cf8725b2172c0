"""The database file: its tables, its version, who may open it, and how."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from pathlib import Path
from typing import Final

from tracekit._viewer.errors import DatabaseError

if sys.platform != "win32":
    import fcntl

APPLICATION_ID: Final = 0x746B7677
VERSION: Final = 1
CLEARED_TABLES: Final = "trace span detail log condemned name service resource scope lane".split()

# Of SQLite 3.31 on: no RETURNING, no STRICT, no JSON arrows.
_TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Dictionaries: what many spans share.
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE service (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE resource (id INTEGER PRIMARY KEY, raw BLOB NOT NULL UNIQUE, service INTEGER NOT NULL);
CREATE TABLE scope (id INTEGER PRIMARY KEY, raw BLOB NOT NULL UNIQUE, name TEXT NOT NULL,
                    version TEXT NOT NULL);
CREATE TABLE lane (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);

CREATE TABLE trace (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trace_id BLOB NOT NULL UNIQUE,
    start INTEGER NOT NULL,          -- ns; of the earliest span
    end INTEGER NOT NULL,            -- ns; of the span that ended last, or started last
    duration INTEGER NOT NULL,
    root_name INTEGER,               -- name.id of the root, or of the earliest span without one
    root_service INTEGER,
    root_start INTEGER,
    root_rank INTEGER NOT NULL,      -- 2 no parent, 1 parent in another process, 0 any span
    root_status INTEGER NOT NULL,
    root_open INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    open INTEGER NOT NULL,           -- spans that have started and not ended
    errors INTEGER NOT NULL,
    logs INTEGER NOT NULL,
    dropped INTEGER NOT NULL,        -- spans beyond the cap of one trace
    next_row INTEGER NOT NULL,
    services TEXT NOT NULL,          -- JSON array of service.id, in order of arrival
    changed INTEGER NOT NULL         -- ns; when the last span arrived
);
-- Traces that were dropped, and whose rows are being deleted: there is no row in `trace` for them.
CREATE TABLE condemned (trace INTEGER PRIMARY KEY);
CREATE INDEX trace_start ON trace (start);
CREATE INDEX trace_duration ON trace (duration);

-- id: trace.id << 22 | place in the trace. What queries compare is in columns; what a skeleton
-- needs is in `record` (records.py).
CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    start INTEGER NOT NULL,
    duration INTEGER,                -- NULL while the span is open
    name INTEGER NOT NULL,
    service INTEGER NOT NULL,
    status INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    level INTEGER NOT NULL,
    record BLOB NOT NULL
);
-- raw: the OTLP span as it was received.
CREATE TABLE detail (
    id INTEGER PRIMARY KEY,
    resource INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    raw BLOB NOT NULL
);
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    span INTEGER NOT NULL,           -- the span's id as a signed number, 0 for the trace's own
    time INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    raw BLOB NOT NULL
);
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file for the one writer, and make its tables if it is new.

    Raises:
        DatabaseError: The file is not a database of this version of the viewer.
    """
    try:
        with contextlib.suppress(FileExistsError):
            # SQLite gives its own files beside this one the same mode.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.DatabaseError) as error:
        raise DatabaseError(
            f"{path} cannot be used as the viewer's database: {error}. Name another file with --db"
        ) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    application, version = (
        connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        for pragma in ("application_id", "user_version")
    )
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if empty and not application and not version:
        connection.execute("PRAGMA page_size=8192")
        connection.execute("PRAGMA auto_vacuum=NONE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(
            f"BEGIN; {_TABLES} PRAGMA application_id={APPLICATION_ID};"
            f"PRAGMA user_version={VERSION}; COMMIT;"
        )
    elif application != APPLICATION_ID:
        raise DatabaseError(
            f"{path} is not a database of tracekit's viewer. Name another file with --db"
        )
    elif version != VERSION:
        raise DatabaseError(
            f"{path} has version {version} of the viewer's database, and this tracekit reads "
            f"version {VERSION}. Name another file with --db, or delete this one"
        )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-12000")
    connection.execute("PRAGMA journal_size_limit=67108864")
    connection.execute("PRAGMA wal_autocheckpoint=2000")


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the file for reading."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA query_only=1")
    connection.execute("PRAGMA cache_size=-4000")
    return connection


class FileLock:
    """The hold of one viewer on a database file.

    The lock is on a file descriptor, so that the operating system releases it when the process
    ends in whatever way. It does not interfere with SQLite's own locks, which are of another kind.
    """

    def __init__(self, path: Path) -> None:
        """Lock the file, which exists.

        Raises:
            DatabaseError: Another viewer holds it.
        """
        self._descriptor = os.open(path, os.O_RDWR)
        if sys.platform == "win32":
            # There is no flock; two viewers on one file are not recognised.
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise DatabaseError(
                f"{path} is in use by another viewer{_describe_owner(path)}. "
                "Stop that viewer, or name another file with --db"
            ) from None

    def release(self) -> None:
        """Let others lock the file."""
        os.close(self._descriptor)


def _describe_owner(path: Path) -> str:
    try:
        with contextlib.closing(open_reader(path)) as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'process'").fetchone()
    except sqlite3.Error:
        return ""
    return f" (process {row[0]})" if row else ""
