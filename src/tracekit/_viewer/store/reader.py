"""What can be asked of a store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tracekit._viewer.store.bounds import used_bytes
from tracekit._viewer.store.records import LARGEST, TRACE_SHIFT, rows_of

ORDERS: Final = {"time": "start", "duration": "duration", "spans": "spans", "errors": "errors"}
_SELECT_TRACES: Final = (
    "SELECT id, trace_id, start, duration, root_name, root_service, root_rank, root_status, "
    "root_open, spans, open, errors, logs, dropped, services FROM trace"
)
_64_BITS: Final = (1 << 64) - 1
_CHUNK: Final = 2000


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """A trace, as a list shows it.

    Attributes:
        number: The trace's number in the store.
        id: The trace id, 16 bytes.
        start: Start of its earliest span, in nanoseconds since the epoch.
        duration: From there to the end of the span that ends last, in nanoseconds.
        service: Service of the root.
        root: Name of the root, or of the earliest span of those nearest to it.
        status: Status code of the root.
        complete: Whether the root is there and no span is open.
        spans: Number of stored spans.
        open: How many of them have not ended.
        errors: How many of them failed.
        logs: Number of stored log records.
        dropped: Number of spans that were not stored because of the cap of one trace.
        services: The services that are involved, in order of arrival.
    """

    number: int
    id: bytes
    start: int
    duration: int
    service: str
    root: str
    status: int
    complete: bool
    spans: int
    open: int
    errors: int
    logs: int
    dropped: int
    services: Sequence[str]


@dataclass(frozen=True, slots=True)
class SpanData:
    """A span as it was received.

    Attributes:
        raw: The encoded OTLP `Span`.
        resource: An encoded `ResourceSpans` that holds its resource and schema URL alone.
        scope: An encoded `ScopeSpans` that holds its scope and schema URL alone.
    """

    raw: bytes
    resource: bytes
    scope: bytes


class Reader:
    """One consistent view of a store, for one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._services: dict[int, str] = {}

    def trace_page(
        self,
        *,
        sort: str = "time",
        descending: bool = True,
        start: int | None = None,
        end: int | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[TraceSummary]:
        """Return traces that have spans, in an order.

        Args:
            sort: `time`, `duration`, `spans` or `errors`.
            descending: Whether the newest or largest come first.
            start: Only traces that start at this time or later, in nanoseconds.
            end: Only traces that start before this time.
            after: Value and number of the trace that the page follows.
            limit: How many at most.
        """
        column = ORDERS[sort]
        direction, beyond = ("DESC", "<") if descending else ("ASC", ">")
        conditions, values = ["spans > 0"], list[int]()
        if start is not None:
            conditions.append("start >= ?")
            values.append(start)
        if end is not None:
            conditions.append("start < ?")
            values.append(end)
        if after is not None:
            conditions.append(f"({column}, id) {beyond} (?, ?)")
            values.extend(after)
        rows = self.connection.execute(
            f"{_SELECT_TRACES} WHERE {' AND '.join(conditions)} "
            f"ORDER BY {column} {direction}, id {direction} LIMIT ?",
            (*values, limit),
        )
        return [self._summary(row) for row in rows]

    def trace(self, trace_id: bytes) -> TraceSummary | None:
        """Return one trace, or None if it is not stored."""
        row = self.connection.execute(
            f"{_SELECT_TRACES} WHERE trace_id = ? AND spans > 0", (trace_id,)
        ).fetchone()
        return self._summary(row) if row else None

    def traces(self, numbers: Sequence[int]) -> list[TraceSummary]:
        """Return traces by their numbers in the store, in the order of these."""
        rows = self.connection.execute(
            f"{_SELECT_TRACES} WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        found = {row[0]: self._summary(row) for row in rows}
        return [found[number] for number in numbers if number in found]

    def _summary(self, row: tuple[Any, ...]) -> TraceSummary:
        (number, trace_id, start, duration, name, service, rank, status, is_open) = row[:9]
        spans, still_open, errors, logs, dropped, services = row[9:]
        return TraceSummary(
            number=number,
            id=trace_id,
            start=start,
            duration=duration,
            service=self._service(service),
            root=self.texts("name", [name])[name],
            status=status,
            complete=rank > 0 and not is_open and not still_open,
            spans=spans,
            open=still_open,
            errors=errors,
            logs=logs,
            dropped=dropped,
            services=[self._service(each) for each in json.loads(services)],
        )

    def _service(self, number: int) -> str:
        if number not in self._services:
            self._services.update(self.texts("service", [number]))
        return self._services[number]

    def texts(self, dictionary: str, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the texts of numbers of the dictionary `name`, `service`, `lane` or `scope`."""
        column = {"lane": "key", "scope": "name || char(0) || version"}.get(dictionary, "text")
        found: dict[int, str] = {}
        for begin in range(0, len(numbers), 500):
            some = numbers[begin : begin + 500]
            places = ", ".join("?" * len(some))
            found.update(
                self.connection.execute(
                    f"SELECT id, {column} FROM {dictionary} WHERE id IN ({places})", some
                )
            )
        return found

    def records(self, trace: TraceSummary) -> Iterator[list[tuple[bytes]]]:
        """Return the records of a trace's spans in order of start, in chunks of rows."""
        cursor = self.connection.execute(
            "SELECT record FROM span WHERE id BETWEEN ? AND ? ORDER BY start, id",
            rows_of(trace.number),
        )
        while rows := cursor.fetchmany(_CHUNK):
            yield rows

    def spans_with_logs(self, trace: TraceSummary) -> set[int]:
        """Return the ids of spans that log records of the trace belong to."""
        rows = self.connection.execute(
            "SELECT DISTINCT span FROM log WHERE id BETWEEN ? AND ?", rows_of(trace.number)
        )
        return {number & _64_BITS for (number,) in rows}

    def span(
        self, trace: TraceSummary, span_id: bytes, start: int | None = None
    ) -> SpanData | None:
        """Return a span by its id (8 bytes) and its start, or the first with that id."""
        begin = b"" if start is None else (start & _64_BITS).to_bytes(8, "little")
        row = self.connection.execute(
            "SELECT d.raw, r.raw, s.raw FROM detail d JOIN resource r ON r.id = d.resource "
            "JOIN scope s ON s.id = d.scope WHERE d.id = (SELECT id FROM span "
            "WHERE id BETWEEN ? AND ? AND substr(record, 17, 8) = ? "
            "AND substr(record, 1, ?) = ? LIMIT 1)",
            (*rows_of(trace.number), span_id[::-1], len(begin), begin),
        ).fetchone()
        return SpanData(*row) if row else None

    def spans(self, trace: TraceSummary, *, in_order: bool = False) -> Iterator[SpanData]:
        """Return the spans of a trace as they were received.

        Args:
            trace: The trace.
            in_order: Whether they come in order of start, the longest of several first; otherwise
                they come in order of arrival.
        """
        first, last = rows_of(trace.number)
        join, order = "", "d.id"
        if in_order:
            join = "JOIN span ON span.id = d.id "
            order = f"span.start, ifnull(span.duration, {LARGEST}) DESC, d.id"
        cursor = self.connection.execute(
            "SELECT d.raw, r.raw, s.raw FROM detail d JOIN resource r ON r.id = d.resource "
            f"JOIN scope s ON s.id = d.scope {join}WHERE d.id BETWEEN ? AND ? ORDER BY {order}",
            (first, last),
        )
        return (SpanData(*row) for row in cursor)

    def logs(self, trace: TraceSummary, span_id: bytes | None = None) -> Iterator[SpanData]:
        """Return log records of a trace, or of one of its spans, in order of time.

        `raw` is an encoded OTLP `LogRecord`.
        """
        condition, values = "", list(rows_of(trace.number))
        if span_id is not None:
            condition = " AND l.span = ?"
            values.append(int.from_bytes(span_id, "big", signed=True))
        cursor = self.connection.execute(
            "SELECT l.raw, r.raw, s.raw FROM log l JOIN resource r ON r.id = l.resource "
            f"JOIN scope s ON s.id = l.scope WHERE l.id BETWEEN ? AND ?{condition} "
            "ORDER BY l.time, l.id",
            values,
        )
        return (SpanData(*row) for row in cursor)

    def is_stored(self, trace_id: bytes) -> bool:
        """Return whether any span of a trace is stored."""
        row = self.connection.execute(
            "SELECT 1 FROM trace WHERE trace_id = ? AND spans > 0", (trace_id,)
        ).fetchone()
        return row is not None

    def first_spans(self, trace: TraceSummary, most: int) -> list[SpanData]:
        """Return the spans of a trace that were received first."""
        return [span for span, _ in zip(self.spans(trace), range(most), strict=False)]

    def scope_names(self) -> list[tuple[int, str]]:
        """Return the numbers and names of all scopes."""
        return self.connection.execute("SELECT id, name FROM scope").fetchall()

    def count_spans(self, name: str, scopes: Sequence[int]) -> int:
        """Return the number of spans that have a name and one of the scopes."""
        row = self.connection.execute(
            "SELECT count(*) FROM span s CROSS JOIN detail d ON d.id = s.id "
            "WHERE s.name = (SELECT id FROM name WHERE text = ?) "
            "AND d.scope IN (SELECT value FROM json_each(?)) "
            f"AND EXISTS (SELECT 1 FROM trace WHERE id = s.id >> {TRACE_SHIFT})",
            (name, json.dumps(list(scopes))),
        ).fetchone()
        return int(row[0])

    def span_count(self) -> int:
        """Return the number of spans."""
        row = self.connection.execute("SELECT ifnull(sum(spans), 0) FROM trace").fetchone()
        return int(row[0])

    def trace_count(self) -> int:
        """Return the number of traces that have spans."""
        row = self.connection.execute("SELECT count(*) FROM trace WHERE spans > 0").fetchone()
        return int(row[0])

    def bytes(self) -> int:
        """Return the size of the pages in use."""
        return used_bytes(self.connection)

    def durations(
        self, *, start: int | None = None, end: int | None = None, limit: int = 20_000
    ) -> dict[str, list[object]]:
        """Return start, duration, error and id of the newest traces, in columns."""
        return self._durations(
            "spans > 0 AND start >= ? AND start < ? ORDER BY start DESC LIMIT ?",
            (start or 0, LARGEST if end is None else end, limit),
        )

    def durations_of(self, numbers: Sequence[int]) -> dict[str, list[object]]:
        """Return start, duration, error and id of traces, the newest first, in columns."""
        return self._durations(
            "id IN (SELECT value FROM json_each(?)) ORDER BY start DESC",
            (json.dumps(list(numbers)),),
        )

    def _durations(self, condition: str, values: Sequence[object]) -> dict[str, list[object]]:
        rows = self.connection.execute(
            f"SELECT start, duration, errors > 0, trace_id FROM trace WHERE {condition}", values
        ).fetchall()
        return {
            "start": [str(row[0]) for row in rows],
            "duration": [row[1] for row in rows],
            "error": [row[2] for row in rows],
            "id": [row[3].hex() for row in rows],
        }
