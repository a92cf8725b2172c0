"""The one writer of a store."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from tracekit._viewer.errors import StoreError
from tracekit._viewer.store.bounds import Bounds
from tracekit._viewer.store.interning import Dictionaries, Dictionary
from tracekit._viewer.store.limits import Counts, Limits
from tracekit._viewer.store.records import (
    LARGEST,
    SPAN_RECORD,
    SPANS_PER_TRACE,
    STATUS_ERROR,
    TRACE_SHIFT,
)
from tracekit._viewer.store.rows import Decoded, Group
from tracekit._viewer.store.schema import CLEARED_TABLES
from tracekit._viewer.store.span_set import FINGERPRINT_MASK, FINGERPRINT_MULTIPLIER
from tracekit._viewer.store.summaries import Summaries, Summary

_SPAN: Final = "INSERT OR REPLACE INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DETAIL: Final = "INSERT OR REPLACE INTO detail VALUES (?, ?, ?, ?)"
_LOG: Final = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)"
_NAN: Final = math.nan
_SIGNED: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit changed.

    Attributes:
        new: Ids of traces that were not there before.
        changed: Ids of all traces that got spans or logs.
        counts: The counts after it.
    """

    new: Sequence[bytes]
    changed: Sequence[bytes]
    counts: Counts


class Writer:
    """Writes decoded requests, in one transaction at a time, from one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._trace_spans = min(limits.trace_spans, SPANS_PER_TRACE)
        self._dictionaries = Dictionaries(connection)
        self._summaries = Summaries(connection)
        self._counts = _load_counts(connection)
        self._bounds = Bounds(connection, limits)

    @property
    def counts(self) -> Counts:
        """The counts after the last commit."""
        return self._counts

    def write(self, requests: Iterable[Decoded]) -> Commit:
        """Store what requests hold, and commit it.

        Raises:
            StoreError: Nothing of it is stored.
        """
        counts = self._counts.copy()
        with self._transaction():
            for request in requests:
                counts.malformed += request.malformed + request.malformed_logs
                counts.logs_without_trace += request.logs_without_trace
                counts.metrics += request.metrics
                counts.cut_values += request.cut
                for group in request.groups:
                    self._write_group(group, counts)
            changed = self._summaries.changed()
            new = [each.trace_id for each in changed if each.new]
            counts.traces += len(new)
            self._summaries.save()
            self._save_counts(counts)
        self._counts = counts
        return Commit(new, [each.trace_id for each in changed], counts)

    def _write_group(self, group: Group, counts: Counts) -> None:
        dictionaries = self._dictionaries
        service = dictionaries.services.number(group.service)
        resource = dictionaries.resources.number(group.resource, service=service)
        scope = dictionaries.scopes.number(
            group.scope, name=group.scope_name, version=group.scope_version
        )
        if group.spans:
            self._write_spans(group, service, resource, scope, counts)
        if group.logs:
            self._write_logs(group, resource, scope, counts)

    def _write_spans(
        self, group: Group, service: int, resource: int, scope: int, counts: Counts
    ) -> None:
        spans: list[tuple[object, ...]] = []
        details: list[tuple[object, ...]] = []
        names = self._dictionaries.names
        lanes = _Lanes(self._dictionaries.lanes, f"{group.service}\0{group.process}\0")
        pack = SPAN_RECORD.pack
        current = b""
        summary: Summary | None = None
        # Unpacked, because the loop runs for every span: names cost less than attributes.
        for (
            trace,
            span_id,
            parent,
            start,
            duration,
            text,
            kind,
            status,
            level,
            flags,
            idle,
            lane,
            events,
            raw,
        ) in group.spans:
            if summary is None or trace != current:
                current = trace
                summary = self._summaries.get(trace)
            if summary.known.add((span_id ^ (start * FINGERPRINT_MULTIPLIER)) & FINGERPRINT_MASK):
                row = self._append(summary, span_id, duration, counts)
            else:
                row = self._replace(summary, span_id, duration, counts)
            if row is None:
                continue
            name = names.cached.get(text) or names.number(text)
            summary.add(start, duration, parent, flags, status, name, service)
            spans.append(
                (
                    row,
                    start if start <= LARGEST else LARGEST,
                    duration,
                    name,
                    service,
                    status,
                    kind,
                    level,
                    pack(
                        start,
                        _NAN if duration is None else duration,
                        span_id,
                        parent,
                        idle,
                        name,
                        lanes[lane],
                        service,
                        scope,
                        kind,
                        status,
                        level,
                        flags,
                    )
                    + events,
                )
            )
            details.append((row, resource, scope, raw))
        self._connection.executemany(_SPAN, spans)
        self._connection.executemany(_DETAIL, details)

    def _append(
        self, summary: Summary, span: int, duration: int | None, counts: Counts
    ) -> int | None:
        """Return the key of a new span's row, or None beyond the cap of one trace."""
        place = summary.next_row
        if summary.spans >= self._trace_spans or place >= SPANS_PER_TRACE:
            summary.dropped += 1
            counts.dropped_spans += 1
            return None
        row = (summary.id << TRACE_SHIFT) + place
        summary.next_row = place + 1
        summary.spans += 1
        counts.spans += 1
        if duration is None:
            summary.open += 1
            summary.open_rows[span] = row
        return row

    def _replace(
        self, summary: Summary, span: int, duration: int | None, counts: Counts
    ) -> int | None:
        """Return the key of the row of an open span, of which a newer state has come.

        A span that has ended came before, and is counted as a duplicate.
        """
        row = summary.open_rows.get(span)
        if row is None:
            counts.duplicates += 1
            return None
        if self._was_error(row):
            summary.errors -= 1
        if duration is not None:
            del summary.open_rows[span]
            summary.open -= 1
        return row

    def _was_error(self, row: int) -> bool:
        found = self._connection.execute("SELECT status FROM span WHERE id = ?", (row,)).fetchone()
        return found is not None and found[0] == STATUS_ERROR

    def _write_logs(self, group: Group, resource: int, scope: int, counts: Counts) -> None:
        rows = []
        for log in group.logs:
            summary = self._summaries.get(log.trace)
            if summary.logs >= self._trace_spans:
                counts.dropped_logs += 1
                continue
            span = log.span if log.span < _SIGNED else log.span - 2 * _SIGNED
            key = (summary.id << TRACE_SHIFT) + summary.logs
            summary.logs += 1
            counts.logs += 1
            rows.append((key, span, min(log.time, LARGEST), log.severity, resource, scope, log.raw))
        self._connection.executemany(_LOG, rows)

    def prune(self) -> bool:
        """Drop one slice of the oldest traces if a bound is passed; return whether there is more.

        Raises:
            StoreError: Nothing was dropped.
        """
        counts = self._counts.copy()
        if not self._bounds.passed(counts):
            return False
        with self._transaction():
            dropped = self._bounds.drop_slice(counts)
            if self._bounds.sweep():
                self._dictionaries.forget()
            self._save_counts(counts)
        self._summaries.forget(dropped)
        self._counts = counts
        return self._bounds.passed(counts)

    def clear(self) -> None:
        """Delete all traces and counts.

        Raises:
            StoreError: Nothing was deleted.
        """
        with self._transaction():
            for table in CLEARED_TABLES:
                self._connection.execute(f"DELETE FROM {table}")
            self._save_counts(Counts())
        self._summaries.forget()
        self._dictionaries.forget()
        self._counts = Counts()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what is done within, or nothing of it."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            # What is in memory is ahead of the file.
            self._summaries.forget()
            self._dictionaries.forget()
            if isinstance(error, sqlite3.Error):
                raise StoreError(str(error)) from error
            raise

    def _save_counts(self, counts: Counts) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO meta VALUES ('counts', ?)", (json.dumps(asdict(counts)),)
        )


class _Lanes(dict[str | None, int]):
    """The numbers of one process's lanes, by what comes after the process in their keys."""

    def __init__(self, lanes: Dictionary, prefix: str) -> None:
        super().__init__()
        self._lanes = lanes
        self._prefix = prefix

    def __missing__(self, lane: str | None) -> int:
        number = self[lane] = self._lanes.number(self._prefix + (lane or ""))
        return number


def _load_counts(connection: sqlite3.Connection) -> Counts:
    row = connection.execute("SELECT value FROM meta WHERE key = 'counts'").fetchone()
    return Counts(**json.loads(row[0])) if row else Counts()
