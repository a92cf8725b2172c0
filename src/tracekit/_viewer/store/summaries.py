"""The summary of a trace, kept up to date as its spans come in."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import OrderedDict
from typing import Final

from tracekit._viewer.store.records import (
    LARGEST,
    REMOTE_PARENT,
    SPAN_RECORD,
    STATUS_ERROR,
    rows_of,
)
from tracekit._viewer.store.span_set import SpanSet, fingerprint

_COLUMNS: Final = (
    "id trace_id start end root_name root_service root_start root_rank root_status root_open "
    "spans open errors logs dropped next_row services"
).split()
_SAVED: Final = [column for column in _COLUMNS if column not in {"id", "trace_id"}]
_ROOT_START: Final = _SAVED.index("root_start")
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM trace WHERE trace_id = ?"
_INSERT: Final = (
    f"INSERT INTO trace ({', '.join(_SAVED)}, duration, changed, id, trace_id) "
    f"VALUES ({', '.join('?' * (len(_SAVED) + 4))})"
)
_UPDATE: Final = (
    f"UPDATE trace SET {', '.join(f'{column} = ?' for column in _SAVED)}, "
    "duration = ?, changed = ? WHERE id = ?"
)

# Ranks of candidates for the root.
_ANY, _REMOTE_PARENT, _NO_PARENT = range(3)


class Summary:
    """One trace in the writer's memory. Its attributes are the columns of the table `trace`."""

    __slots__ = (
        *_COLUMNS,
        "known",
        "new",
        "open_rows",
    )

    def __init__(self, number: int, trace_id: bytes) -> None:
        self.id = number
        self.trace_id = trace_id
        self.start = LARGEST
        self.end = 0
        self.root_name: int | None = None
        self.root_service: int | None = None
        self.root_start: int | None = None
        self.root_rank = -1
        self.root_status = 0
        self.root_open = 0
        self.spans = 0
        self.open = 0
        self.errors = 0
        self.logs = 0
        self.dropped = 0
        self.next_row = 0
        self.services: list[int] = []
        self.new = True
        # The rows of spans that have not ended, by their ids.
        self.open_rows: dict[int, int] = {}
        self.known = SpanSet()

    def add(
        self,
        start: int,
        duration: int | None,
        parent: int,
        flags: int,
        status: int,
        name: int,
        service: int,
    ) -> None:
        """Take a span into account, which is new or replaces an open one."""
        end = start if duration is None else start + duration
        self.start = min(self.start, start)
        self.end = max(self.end, end)
        if status == STATUS_ERROR:
            self.errors += 1
        if service not in self.services:
            self.services.append(service)
        rank = (_REMOTE_PARENT if flags & REMOTE_PARENT else _ANY) if parent else _NO_PARENT
        if rank < self.root_rank:
            return
        if rank > self.root_rank or self.root_start is None or start <= self.root_start:
            self.root_rank = rank
            self.root_name, self.root_service, self.root_start = name, service, start
            self.root_status = status
            self.root_open = int(duration is None)

    def _values(self) -> list[object]:
        saved = [getattr(self, column) for column in _SAVED]
        saved[-1] = json.dumps(self.services)
        start, end = min(self.start, LARGEST), min(self.end, LARGEST)
        if not self.spans:
            start = end = 0
        root_start = None if self.root_start is None else min(self.root_start, LARGEST)
        saved[:2] = start, end
        saved[_ROOT_START] = root_start
        return [*saved, max(end - start, 0), time.time_ns()]


class Summaries:
    """The traces that spans arrived for last."""

    def __init__(self, connection: sqlite3.Connection, *, most_traces: int = 4000) -> None:
        self._connection = connection
        self._most_traces = most_traces
        self._cached: OrderedDict[bytes, Summary] = OrderedDict()
        self._changed: dict[bytes, Summary] = {}
        row = connection.execute("SELECT max(id) FROM trace").fetchone()
        self._next_number: int = (row[0] or 0) + 1

    def get(self, trace_id: bytes) -> Summary:
        """Return a trace's summary to change, from memory, from the file, or a new one."""
        summary = self._changed.get(trace_id)
        if summary is None:
            summary = self._cached.get(trace_id)
            if summary is None:
                summary = self._load(trace_id) or self._make(trace_id)
                self._cached[trace_id] = summary
            else:
                self._cached.move_to_end(trace_id)
            self._changed[trace_id] = summary
        return summary

    def _make(self, trace_id: bytes) -> Summary:
        self._next_number += 1
        return Summary(self._next_number - 1, trace_id)

    def _load(self, trace_id: bytes) -> Summary | None:
        row = self._connection.execute(_SELECT, (trace_id,)).fetchone()
        if row is None:
            return None
        summary = Summary(row[0], trace_id)
        for column, value in zip(_COLUMNS, row, strict=True):
            setattr(summary, column, value)
        summary.services = json.loads(row[-1])
        if not summary.spans:
            summary.start = LARGEST
        summary.new = False
        spans = self._connection.execute(
            "SELECT id, record, duration FROM span WHERE id BETWEEN ? AND ?", rows_of(summary.id)
        )
        for number, record, duration in spans:
            start, _, span_id, *_ = SPAN_RECORD.unpack_from(record)
            summary.known.add(fingerprint(span_id, start))
            if duration is None:
                summary.open_rows[span_id] = number
        return summary

    def changed(self) -> list[Summary]:
        """Return the summaries that were got since the last save."""
        return list(self._changed.values())

    def save(self) -> None:
        """Write the changed summaries."""
        changed = self.changed()
        self._connection.executemany(
            _INSERT, [[*each._values(), each.id, each.trace_id] for each in changed if each.new]
        )
        self._connection.executemany(
            _UPDATE, [[*each._values(), each.id] for each in changed if not each.new]
        )
        for each in changed:
            each.new = False
        self._changed = {}
        while len(self._cached) > self._most_traces:
            self._cached.popitem(last=False)

    def forget(self, numbers: set[int] | None = None) -> None:
        """Forget traces that were deleted, or after a rollback all."""
        self._changed = {}
        if numbers is None:
            self._cached.clear()
            return
        for trace_id in [key for key, each in self._cached.items() if each.id in numbers]:
            del self._cached[trace_id]
