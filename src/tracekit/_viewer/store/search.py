"""Searches: traces and spans that a query matches, newest first and with a deadline."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tracekit._viewer.query.nodes import Node
from tracekit._viewer.store.reader import ORDERS, Reader, TraceSummary
from tracekit._viewer.store.records import TRACE_SHIFT, rows_of
from tracekit._viewer.store.translation import Translation

# Spans that one statement looks at: at first, and so many that it takes about this long.
_FIRST_SLICE: Final = 4000
_LARGEST_SLICE: Final = 64_000
_SLICE_SECONDS: Final = 0.04
_MOST_TRACES_A_SLICE: Final = 2000


class Position(NamedTuple):
    """How far a search has come in an order of traces.

    Attributes:
        value: What the order compares, of the trace that was looked at last.
        number: That trace's number in the store.
        row: The first of its rows that was not looked at; 0 if all of them were.
    """

    value: int
    number: int
    row: int = 0


@dataclass(slots=True)
class Found:
    """What a search has found.

    Attributes:
        numbers: Numbers of the traces in the store, in order.
        looked_at: How many traces were looked at.
        done: Whether the search has ended, by the end of the list or by the limit.
        position: Where it goes on, or None at the end of the list.
    """

    numbers: list[int] = field(default_factory=list[int])
    looked_at: int = 0
    done: bool = False
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class FoundRows:
    """Spans of one trace that a query matches.

    Attributes:
        rows: Their rows in the trace's skeleton.
        looked_at: How many spans were looked at.
        done: Whether these are all.
    """

    rows: Sequence[int]
    looked_at: int
    done: bool


class _Listed(NamedTuple):
    number: int
    value: int
    spans: int
    next_row: int
    possible: int


class Search:
    """Searches with one query, in one view of the store."""

    def __init__(self, reader: Reader, query: Node) -> None:
        self._connection = reader.connection
        self._translation = Translation(reader.connection, query)
        detail = "CROSS JOIN detail d ON d.id = s.id" if self._translation.needs_detail else ""
        # CROSS JOIN keeps the order: details are read for the spans that pass the rest.
        self._from_spans = f"FROM span s {detail} WHERE s.id BETWEEN"
        self._slice = _FIRST_SLICE

    def traces(
        self,
        *,
        sort: str = "time",
        descending: bool = True,
        start: int | None = None,
        end: int | None = None,
        after: Position | None = None,
        limit: int = 100,
        seconds: float = 0.3,
    ) -> Found:
        """Return traces of which a span matches.

        Args:
            sort: `time`, `duration`, `spans` or `errors`.
            descending: Whether the newest or largest come first.
            start: Only traces that start at this time or later, in nanoseconds.
            end: Only traces that start before this time.
            after: Where an earlier search ended.
            limit: How many at most.
            seconds: After so many seconds it ends with what was found.
        """
        deadline = time.monotonic() + seconds
        listed = self._list(ORDERS[sort], descending, start, end, after)
        found = Found(position=after)
        row = after.row if after is not None else 0
        for slice_ in self._slices(listed):
            first = slice_[0]
            if self._is_large(first):
                place = self._find_in(first, row, deadline)
                if place is not None and place > 0:
                    found.position = Position(first.value, first.number, place)
                    return found
                matching = {first.number} if place == 0 else set[int]()
            else:
                matching = self._matching(slice_)
            row = 0
            for trace in slice_:
                found.looked_at += 1
                found.position = Position(trace.value, trace.number)
                if trace.number in matching:
                    found.numbers.append(trace.number)
                    if len(found.numbers) == limit:
                        found.done = True
                        return found
            if time.monotonic() >= deadline:
                return found
        found.done, found.position = True, None
        return found

    def _list(
        self,
        column: str,
        descending: bool,
        start: int | None,
        end: int | None,
        after: Position | None,
    ) -> Iterator[_Listed]:
        direction, beyond = ("DESC", "<") if descending else ("ASC", ">")
        conditions = ["t.spans > 0"]
        values: dict[str, object] = dict(self._translation.values)
        if start is not None:
            conditions.append("t.start >= :from_time")
            values["from_time"] = start
        if end is not None:
            conditions.append("t.start < :to_time")
            values["to_time"] = end
        if after is not None:
            inclusive = "=" if after.row else ""
            conditions.append(f"(t.{column}, t.id) {beyond}{inclusive} (:value, :number)")
            values["value"], values["number"] = after.value, after.number
        rows = self._connection.execute(
            f"SELECT t.id, t.{column}, t.spans, t.next_row, {self._translation.trace} "
            f"FROM trace t WHERE {' AND '.join(conditions)} "
            f"ORDER BY t.{column} {direction}, t.id {direction}",
            values,
        )
        return map(_Listed._make, rows)

    def _is_large(self, trace: _Listed) -> bool:
        return bool(trace.possible) and trace.next_row > _LARGEST_SLICE

    def _slices(self, listed: Iterator[_Listed]) -> Iterator[list[_Listed]]:
        """Return traces together that one statement looks at; a large one comes alone."""
        slice_: list[_Listed] = []
        spans = 0
        for trace in listed:
            large = self._is_large(trace)
            if slice_ and (large or spans >= self._slice or len(slice_) >= _MOST_TRACES_A_SLICE):
                yield slice_
                slice_, spans = [], 0
            slice_.append(trace)
            spans += trace.spans if trace.possible else 0
            if large:
                yield slice_
                slice_, spans = [], 0
        if slice_:
            yield slice_

    def _find_in(self, trace: _Listed, row: int, deadline: float) -> int | None:
        """Look for a span in a large trace, in parts.

        Returns:
            0 if one matches, None if none does, or the row where the search goes on.
        """
        begin = rows_of(trace.number)[0]
        while row <= trace.next_row:
            size = self._slice
            began = time.monotonic()
            spans = self._matching_spans(trace.number, begin + row, begin + row + size - 1)
            if next(spans, None) is not None:
                return 0
            row += size
            self._adapt(time.monotonic() - began)
            if time.monotonic() >= deadline and row <= trace.next_row:
                return row
        return None

    def _matching(self, slice_: Sequence[_Listed]) -> set[int]:
        numbers = [trace.number for trace in slice_ if trace.possible]
        if not numbers:
            return set()
        began = time.monotonic()
        first = f"(t.id << {TRACE_SHIFT})"
        rows = self._connection.execute(
            "SELECT t.id FROM json_each(:numbers) j CROSS JOIN trace t ON t.id = j.value "
            f"WHERE EXISTS (SELECT 1 {self._from_spans} {first} AND "
            f"{first} + {(1 << TRACE_SHIFT) - 1} AND {self._translation.span})",
            {**self._translation.values, "numbers": json.dumps(numbers)},
        )
        matching = {number for (number,) in rows}
        self._adapt(time.monotonic() - began)
        return matching

    def _adapt(self, seconds: float) -> None:
        if seconds < _SLICE_SECONDS / 2:
            self._slice = min(2 * self._slice, _LARGEST_SLICE)
        elif seconds > 2 * _SLICE_SECONDS:
            self._slice = max(self._slice // 2, _FIRST_SLICE // 4)

    def matches(self, trace: TraceSummary) -> bool:
        """Return whether a span of a trace matches."""
        listed = _Listed(trace.number, 0, trace.spans, trace.spans, possible=1)
        return bool(self._matching([listed]))

    def rows(self, trace: TraceSummary, *, seconds: float = 1.0) -> FoundRows:
        """Return the rows of a trace's skeleton that match.

        Args:
            trace: The trace.
            seconds: After so many seconds it ends with what was found.
        """
        deadline = time.monotonic() + seconds
        found = array("q")
        looked_at, done = 0, True
        begin, last = rows_of(trace.number)
        last = min(last, begin + self._next_row(trace))
        while begin <= last:
            if time.monotonic() >= deadline:
                done = False
                break
            size = self._slice
            began = time.monotonic()
            found.extend(self._matching_spans(trace.number, begin, begin + size - 1))
            looked_at = min(looked_at + size, trace.spans)
            self._adapt(time.monotonic() - began)
            begin += size
        return FoundRows(self._places(trace, found), trace.spans if done else looked_at, done)

    def _next_row(self, trace: TraceSummary) -> int:
        row = self._connection.execute(
            "SELECT next_row FROM trace WHERE id = ?", (trace.number,)
        ).fetchone()
        return int(row[0])

    def _matching_spans(self, trace: int, begin: int, end: int) -> Iterator[int]:
        rows = self._connection.execute(
            f"SELECT s.id {self._from_spans.replace('WHERE', 'CROSS JOIN trace t WHERE')} "
            f":begin AND :end AND t.id = :trace AND {self._translation.span}",
            {**self._translation.values, "trace": trace, "begin": begin, "end": end},
        )
        return (number for (number,) in rows)

    def _places(self, trace: TraceSummary, spans: array[int]) -> list[int]:
        """Return the places of spans in the order of start, which is the skeleton's."""
        if not spans:
            return []
        if len(spans) == trace.spans:
            return list(range(trace.spans))
        rows: Any = self._connection.execute(
            "SELECT id FROM span WHERE id BETWEEN ? AND ? ORDER BY start, id",
            rows_of(trace.number),
        )
        wanted = set(spans)
        return [row for row, (number,) in enumerate(rows) if number in wanted]
