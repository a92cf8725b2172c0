"""What a store may hold, and what it counted."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a store.

    Attributes:
        spans: Spans that are stored at most.
        bytes: Size of the database at most.
        value_bytes: Length of one attribute value at most.
        trace_spans: Spans of one trace at most.
    """

    spans: int = 1_000_000
    bytes: int = 1_000_000_000
    value_bytes: int = 64 * 1024
    trace_spans: int = 1_000_000


@dataclass(slots=True)
class Counts:
    """What a store holds and what it did not keep.

    Attributes:
        spans: Stored spans.
        traces: Stored traces.
        logs: Stored log records.
        dropped_spans: Spans that went with whole traces, or were beyond the cap of one trace.
        dropped_traces: Traces that were dropped at a bound.
        dropped_logs: Log records that went with them, or were beyond the cap of one trace.
        dropped_before: The latest start of a dropped trace, in nanoseconds; 0 if there is none.
        duplicates: Spans that came more than once.
        malformed: Spans and log records that have no valid ids, and lines that are not OTLP.
        logs_without_trace: Log records that belong to no trace.
        metrics: Metrics, which the viewer does not keep.
        cut_values: Values that were longer than the limit.
    """

    spans: int = 0
    traces: int = 0
    logs: int = 0
    dropped_spans: int = 0
    dropped_traces: int = 0
    dropped_logs: int = 0
    dropped_before: int = 0
    duplicates: int = 0
    malformed: int = 0
    logs_without_trace: int = 0
    metrics: int = 0
    cut_values: int = 0

    def copy(self) -> Counts:
        """Return a copy that does not change with this one."""
        return Counts(**{each.name: getattr(self, each.name) for each in fields(self)})
