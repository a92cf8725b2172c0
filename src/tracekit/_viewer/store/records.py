"""The record of a span: all that a skeleton needs, packed when the span is stored.

A record is of a fixed size, and the records of the span's events follow it.

A skeleton of a million spans is read as one column of records and taken apart by strided views,
because fetching thirteen columns a row takes longer than the rest of the work.
"""

from __future__ import annotations

import struct
from typing import Final

# start, duration, id, parent, idle; name, lane, service, scope; kind, status, level, flags.
SPAN_RECORD: Final = struct.Struct("<QdQQdIIIIBBBB4x")
# The time of an event and what it is.
EVENT_RECORD: Final = struct.Struct("<QB7x")

WORDS: Final = SPAN_RECORD.size // 8
START_WORD, DURATION_WORD, ID_WORD, PARENT_WORD, IDLE_WORD = range(5)
# In units of four bytes and of one byte.
NAME_HALF, LANE_HALF, SERVICE_HALF, SCOPE_HALF = range(10, 14)
KIND_BYTE, STATUS_BYTE, LEVEL_BYTE, FLAGS_BYTE = range(56, 60)

# Flags of a span's record.
HAS_EVENTS: Final = 1
HAS_LINKS: Final = 2
DUPLICATE_ID: Final = 4
REMOTE_PARENT: Final = 8
HAS_LOGS: Final = 16

# Kinds of events.
EVENT: Final = 0
EXCEPTION: Final = 1

STATUS_ERROR: Final = 2

# A row's key is its trace's number and its place in the trace, so that a trace is one range of the
# table: read in one piece, and deleted in one piece.
TRACE_SHIFT: Final = 22
SPANS_PER_TRACE: Final = 1 << TRACE_SHIFT
LARGEST: Final = (1 << 63) - 1


def rows_of(trace: int) -> tuple[int, int]:
    """Return the first and the last key of a trace's rows."""
    first = trace << TRACE_SHIFT
    return first, first + SPANS_PER_TRACE - 1
