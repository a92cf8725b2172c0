"""Decoded spans and logs, as the writer takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class SpanRow(NamedTuple):
    """One span. Times are in nanoseconds."""

    trace: bytes
    id: int
    parent: int  # 0: none
    start: int
    duration: int | None  # None: the span has not ended
    name: str
    kind: int
    status: int
    level: int
    flags: int
    idle: int
    lane: str | None
    events: bytes  # records.EVENT_RECORD, one after the other
    raw: bytes


class LogRow(NamedTuple):
    """One log record of a trace."""

    trace: bytes
    span: int  # 0: none
    time: int
    severity: int
    raw: bytes


@dataclass(slots=True)
class Group:
    """Spans and logs of one resource and scope.

    Attributes:
        resource: An encoded OTLP `ResourceSpans` that holds the resource and its schema URL alone.
        service: The resource's `service.name`.
        process: What tells this process from others in a lane's name.
        scope: An encoded OTLP `ScopeSpans` that holds the scope and its schema URL alone.
    """

    resource: bytes
    service: str
    process: str
    scope: bytes
    scope_name: str
    scope_version: str
    spans: list[SpanRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)


@dataclass(slots=True)
class Decoded:
    """What one request or line holds.

    Attributes:
        malformed: Spans that have no valid ids.
        malformed_logs: Log records with an id of a wrong length.
        first_error: What was wrong with the first of them.
        logs_without_trace: Log records that belong to no trace, and are not kept.
        metrics: Data points of metrics, which are not kept.
        cut: Values that were longer than the limit.
    """

    groups: list[Group] = field(default_factory=list)
    malformed: int = 0
    malformed_logs: int = 0
    first_error: str = ""
    logs_without_trace: int = 0
    metrics: int = 0
    cut: int = 0

    @property
    def accepted(self) -> int:
        """The number of spans and log records."""
        return sum(len(group.spans) + len(group.logs) for group in self.groups)
