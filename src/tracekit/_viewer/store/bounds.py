"""The bounds of a store: the oldest whole traces are dropped, in slices."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from tracekit._viewer.store.limits import Counts, Limits
from tracekit._viewer.store.records import rows_of

# A slice holds the write lock, and keeps requests waiting, for about 20 ms.
_SLICE_ROWS: Final = 4000
# Below a bound by this share when pruning ends, so that it does not begin with every request.
_SLACK: Final = 0.02
# A trace that spans arrived for in this time is not dropped while there are others.
_ACTIVE_NS: Final = 10_000_000_000
_TABLES: Final = ("span", "detail", "log")
# Texts that no span has any more stay until there are this many.
_DICTIONARY_ROWS: Final = 20_000
_DICTIONARIES: Final = (
    ("name", "SELECT name FROM span UNION SELECT root_name FROM trace"),
    ("resource", "SELECT resource FROM detail UNION SELECT resource FROM log"),
    ("scope", "SELECT scope FROM detail UNION SELECT scope FROM log"),
)


class Bounds:
    """Drops what is beyond the bounds."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._pruning = False
        self._dropped_since_sweep = 0

    def passed(self, counts: Counts) -> bool:
        """Return whether there is something to delete."""
        if self._first_condemned() is not None:
            return True
        share = 1 - _SLACK if self._pruning else 1.0
        self._pruning = bool(counts.traces) and (
            counts.spans > self._limits.spans * share
            or counts.logs > self._limits.spans * share
            or used_bytes(self._connection) > self._limits.bytes * share
        )
        return self._pruning

    def drop_slice(self, counts: Counts) -> set[int]:
        """Delete about 4,000 rows of the oldest traces; return the numbers of those dropped.

        A larger trace goes from the list at once, and its rows in slices.
        """
        condemned = self._first_condemned()
        if condemned is not None:
            self._delete_rows(condemned)
            return set()
        dropped: set[int] = set()
        rows = 0
        wanted = self._rows_beyond(counts)
        for number, spans, logs, start in self._oldest():
            if rows >= wanted or (rows and rows + spans + logs > _SLICE_ROWS):
                break
            rows += spans + logs
            dropped.add(number)
            self._connection.execute("DELETE FROM trace WHERE id = ?", (number,))
            self._connection.execute("INSERT INTO condemned VALUES (?)", (number,))
            if rows <= _SLICE_ROWS:
                self._delete_rows(number)
            counts.spans -= spans
            counts.logs -= logs
            counts.traces -= 1
            counts.dropped_spans += spans
            counts.dropped_logs += logs
            counts.dropped_traces += 1
            counts.dropped_before = max(counts.dropped_before, start)
        self._dropped_since_sweep += rows
        return dropped

    def _rows_beyond(self, counts: Counts) -> int:
        """Return how many rows are to go; by bytes, that is an estimate."""
        share = 1 - _SLACK
        rows = counts.spans + counts.logs
        used = used_bytes(self._connection)
        beyond_bytes = (used - self._limits.bytes * share) * rows / max(used, 1)
        most = self._limits.spans * share
        return max(1, int(max(counts.spans - most, counts.logs - most, beyond_bytes)))

    def _oldest(self) -> list[tuple[int, int, int, int]]:
        select = "SELECT id, spans, logs, start FROM trace {} ORDER BY id LIMIT 500"
        idle = self._connection.execute(
            select.format("WHERE changed < ?"), (time.time_ns() - _ACTIVE_NS,)
        ).fetchall()
        return idle or self._connection.execute(select.format("")).fetchall()

    def _first_condemned(self) -> int | None:
        row = self._connection.execute("SELECT trace FROM condemned LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def _delete_rows(self, trace: int) -> None:
        first, last = rows_of(trace)
        for table in _TABLES:
            deleted = self._connection.execute(
                f"DELETE FROM {table} WHERE id IN "
                f"(SELECT id FROM {table} WHERE id BETWEEN ? AND ? LIMIT {_SLICE_ROWS})",
                (first, last),
            ).rowcount
            if deleted == _SLICE_ROWS:
                return
        self._connection.execute("DELETE FROM condemned WHERE trace = ?", (trace,))

    def sweep(self) -> bool:
        """Delete texts that no span has any more, now and then; return whether any may be gone.

        Without this, names that hold an id or an address would fill the file in the long run.
        """
        if self._dropped_since_sweep < self._limits.spans // 2:
            return False
        self._dropped_since_sweep = 0
        swept = False
        for table, used in _DICTIONARIES:
            (rows,) = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            if rows > _DICTIONARY_ROWS:
                self._connection.execute(f"DELETE FROM {table} WHERE id NOT IN ({used})")
                swept = True
        return swept


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of the pages in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        for pragma in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
