"""A trace without attributes, in binary columns.

The form: the length of a JSON header (uint32, little endian), the header, and the columns in the
header's order, each beginning at a multiple of eight bytes.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Mapping, Sequence
from itertools import compress, repeat
from typing import Any, Final

from tracekit._viewer.store.reader import Reader, TraceSummary
from tracekit._viewer.store.records import (
    DUPLICATE_ID,
    DURATION_WORD,
    EVENT_RECORD,
    FLAGS_BYTE,
    HAS_LOGS,
    ID_WORD,
    IDLE_WORD,
    KIND_BYTE,
    LANE_HALF,
    LEVEL_BYTE,
    NAME_HALF,
    PARENT_WORD,
    REMOTE_PARENT,
    SCOPE_HALF,
    SERVICE_HALF,
    SPAN_RECORD,
    START_WORD,
    STATUS_BYTE,
    WORDS,
)

# In larger traces, a repeated id is found only where it is a parent's.
_ALL_IDS_UP_TO: Final = 250_000

_TYPES: Final = {"u64": "Q", "f64": "d", "i32": "i", "u32": "I", "u16": "H", "u8": "B"}
_SPAN_COLUMNS: Final = {
    "id": "u64",
    "parent": "i32",
    "start": "f64",
    "duration": "f64",
    "name": "u32",
    "service": "u16",
    "lane": "u32",
    "scope": "u16",
    "kind": "u8",
    "status": "u8",
    "level": "u8",
    "flags": "u8",
    "idle": "f64",
}
# Places of the smaller columns in a record, in units of their sizes.
_HALVES: Final = {
    "name": NAME_HALF,
    "lane": LANE_HALF,
    "service": SERVICE_HALF,
    "scope": SCOPE_HALF,
}
_BYTES: Final = {
    "kind": KIND_BYTE,
    "status": STATUS_BYTE,
    "level": LEVEL_BYTE,
    "flags": FLAGS_BYTE,
}
_EVENT_COLUMNS: Final = {"event_row": "u32", "event_time": "f64", "event_kind": "u8"}

# Values of the column `parent` that are not rows.
NO_PARENT: Final = -1
MISSING_PARENT: Final = -2
REMOTE_MISSING_PARENT: Final = -3


def encode_skeleton(reader: Reader, trace: TraceSummary) -> list[bytes | memoryview]:
    """Return the skeleton of a trace, in pieces that follow each other.

    The pieces are views of the columns: copies of a million spans would take 50 MB.
    """
    columns = _Columns()
    for rows in reader.records(trace):
        columns.append(rows)
    columns.finish(reader.spans_with_logs(trace) if trace.logs else set())
    names, lanes, services, scopes = (columns.texts(reader, column) for column in _HALVES)
    header = {
        "version": 1,
        "spans": len(columns.values["id"]),
        "events": len(columns.values["event_row"]),
        "start": str(columns.base),
        "columns": [
            {"name": name, "type": type_}
            for name, type_ in {**_SPAN_COLUMNS, **_EVENT_COLUMNS}.items()
        ],
        "names": names,
        "services": services,
        "lanes": [_lane(text) for text in lanes],
        "scopes": [_scope(text) for text in scopes],
    }
    encoded = json.dumps(header, ensure_ascii=False).encode()
    encoded += b" " * (-(4 + len(encoded)) % 8)
    pieces: list[bytes | memoryview] = [struct.pack("<I", len(encoded)) + encoded]
    for name in (*_SPAN_COLUMNS, *_EVENT_COLUMNS):
        data = memoryview(columns.values[name]).cast("B")
        pieces += [data, bytes(-len(data) % 8)]
    return pieces


def _lane(text: str) -> dict[str, str]:
    service, process, thread = (*text.split("\0"), "", "")[:3]
    return {"service": service, "process": process, "thread": thread}


def _scope(text: str) -> dict[str, str]:
    name, _, version = text.partition("\0")
    return {"name": name, "version": version}


class _Columns:
    def __init__(self) -> None:
        self.values: dict[str, array[Any]] = {
            name: array(_TYPES[type_])
            for name, type_ in {**_SPAN_COLUMNS, **_EVENT_COLUMNS}.items()
        }
        self._numbers = {name: _Numbers() for name in _HALVES}
        self._parents = array("Q")
        self.base = 0

    def append(self, rows: Sequence[tuple[bytes]]) -> None:
        """Append the columns of records, which are taken apart by slices with a step."""
        size = SPAN_RECORD.size
        data = b"".join([record for (record,) in rows])
        if not self._parents:
            self.base, *_ = SPAN_RECORD.unpack_from(data)
        if len(data) != size * len(rows):
            self._append_events(rows)
            data = b"".join([record[:size] for (record,) in rows])
        words, floats, halves = array("Q", data), array("d", data), array("I", data)
        base, values = self.base, self.values
        values["start"].extend(array("d", [start - base for start in words[START_WORD::WORDS]]))
        values["id"] += words[ID_WORD::WORDS]
        self._parents += words[PARENT_WORD::WORDS]
        values["duration"] += floats[DURATION_WORD::WORDS]
        values["idle"] += floats[IDLE_WORD::WORDS]
        for name, place in _HALVES.items():
            numbers = map(self._numbers[name].__getitem__, halves[place :: 2 * WORDS])
            values[name].extend(array(values[name].typecode, numbers))
        for name, place in _BYTES.items():
            values[name].frombytes(data[place::size])

    def _append_events(self, rows: Sequence[tuple[bytes]]) -> None:
        event_rows, times, kinds = (self.values[name] for name in _EVENT_COLUMNS)
        for row, (record,) in enumerate(rows, len(self._parents)):
            for time, kind in EVENT_RECORD.iter_unpack(record[SPAN_RECORD.size :]):
                event_rows.append(row)
                times.append(time - self.base)
                kinds.append(kind)

    def finish(self, with_logs: set[int]) -> None:
        """Resolve parents to rows, and set the flags that other spans decide."""
        ids, flags, parents = self.values["id"], self.values["flags"], self._parents
        rows = self._rows_by_id()
        rows[0] = NO_PARENT
        self._parents = array("Q")
        resolved = array("i", map(rows.get, parents, repeat(MISSING_PARENT)))
        self.values["parent"] = resolved
        if MISSING_PARENT in resolved:
            for row, parent in enumerate(resolved):
                if parent == MISSING_PARENT and flags[row] & REMOTE_PARENT:
                    resolved[row] = REMOTE_MISSING_PARENT
        if with_logs:
            for row, span_id in enumerate(ids):
                if span_id in with_logs:
                    flags[row] |= HAS_LOGS

    def _rows_by_id(self) -> dict[int, int]:
        """Return the first row of each id, and mark rows whose id an earlier one has."""
        ids = self.values["id"]
        if len(ids) <= _ALL_IDS_UP_TO:
            # From the last to the first, so that the first of several remains.
            rows = dict(zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True))
            if len(rows) == len(ids):
                return rows
            looked_for = set(ids)
        else:
            # Most spans are nobody's parent: a table of all ids would take 100 MB a million.
            # What is not needed any more goes at once, for the same reason.
            looked_for = set(self._parents)
            is_parent = bytes(map(looked_for.__contains__, reversed(ids)))
            looked_for.clear()
            pairs = zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True)
            rows = dict(compress(pairs, is_parent))
            if len(rows) == sum(is_parent):
                return rows
            looked_for = set(rows)
        flags = self.values["flags"]
        rows = {}
        for row, span_id in enumerate(ids):
            if span_id in looked_for and rows.setdefault(span_id, row) != row:
                flags[row] |= DUPLICATE_ID
        return rows

    def texts(self, reader: Reader, column: str) -> list[str]:
        """Return the texts that the numbers of a column stand for, in their order."""
        used = list(self._numbers.pop(column))
        texts: Mapping[int, str] = reader.texts(column, used)
        return [texts.get(number, "") for number in used]


class _Numbers(dict[int, int]):
    """Numbers of the store's dictionaries, numbered from 0 in the order in which they come."""

    def __missing__(self, number: int) -> int:
        self[number] = index = len(self)
        return index
