"""The bounds of a store: the oldest whole traces are dropped, in slices."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from tracekit._viewer.store.limits import Counts, Limits
from tracekit._viewer.store.records import TRACE_SHIFT

# A slice holds the write lock, and keeps requests waiting, for about 20 ms.
_SLICE_SPANS: Final = 4000
# Below a bound by this share when pruning ends, so that it does not begin with every request.
_SLACK: Final = 0.02
# A trace that spans arrived for in this time is not dropped while there are others.
_ACTIVE_NS: Final = 10_000_000_000


class Bounds:
    """Drops what is beyond the bounds."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._pruning = False
        self._dropped_since_sweep = 0

    def passed(self, counts: Counts) -> bool:
        """Return whether the store is beyond a bound, or not yet far enough below it."""
        share = 1 - _SLACK if self._pruning else 1.0
        self._pruning = (
            counts.spans > self._limits.spans * share
            or counts.logs > self._limits.spans * share
            or self.bytes() > self._limits.bytes * share
        )
        return self._pruning

    def bytes(self) -> int:
        """Return the size of what is stored."""
        return used_bytes(self._connection)

    def drop_slice(self, counts: Counts) -> set[int]:
        """Delete the oldest traces, about 4,000 spans of them; return their numbers."""
        dropped: set[int] = set()
        spans = 0
        for number, trace_spans, logs, start in self._oldest():
            if spans and spans + trace_spans > _SLICE_SPANS:
                break
            spans += trace_spans
            dropped.add(number)
            delete_trace(self._connection, number)
            counts.spans -= trace_spans
            counts.logs -= logs
            counts.traces -= 1
            counts.dropped_spans += trace_spans
            counts.dropped_logs += logs
            counts.dropped_traces += 1
            counts.dropped_before = max(counts.dropped_before, start)
        self._dropped_since_sweep += spans
        return dropped

    def _oldest(self) -> list[tuple[int, int, int, int]]:
        select = "SELECT id, spans, logs, start FROM trace {} ORDER BY id LIMIT 500"
        idle = self._connection.execute(
            select.format("WHERE changed < ?"), (time.time_ns() - _ACTIVE_NS,)
        ).fetchall()
        return idle or self._connection.execute(select.format("")).fetchall()


def delete_trace(connection: sqlite3.Connection, number: int) -> None:
    """Delete a trace and all that belongs to it."""
    first = number << TRACE_SHIFT
    last = first + (1 << TRACE_SHIFT) - 1
    for table in ("span", "detail", "log"):
        connection.execute(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", (first, last))
    connection.execute("DELETE FROM trace WHERE id = ?", (number,))


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of the pages in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        for pragma in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
