"""One span with all that belongs to it, as JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tracekit._viewer.store.reader import Reader, SpanData, TraceSummary

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Json = dict[str, Any]

_HIGHEST_SEVERITY: Final = 24


def describe_trace(trace: TraceSummary) -> Json:
    """Return a trace as the list shows it."""
    return {
        "id": trace.id.hex(),
        "start": str(trace.start),
        "duration": trace.duration,
        "service": trace.service,
        "root": trace.root,
        "spans": trace.spans,
        "open": trace.open,
        "errors": trace.errors,
        "logs": trace.logs,
        "services": trace.services,
        "status": "error" if trace.errors else "ok" if trace.status == 1 else "unset",
        "complete": trace.complete,
        "dropped_spans": trace.dropped,
    }


def describe_span(
    reader: Reader, trace: TraceSummary, span_id: bytes, start: int | None = None
) -> Json | None:
    """Return a span with its attributes, events, links, resource, scope and logs."""
    data = reader.span(trace, span_id, start)
    if data is None:
        return None
    return describe_data(
        reader, data, {span_id: [describe_log(log) for log in reader.logs(trace, span_id)]}
    )


def describe_data(reader: Reader, data: SpanData, logs: Mapping[bytes, list[Json]]) -> Json:
    """Return a span with all that belongs to it.

    Args:
        reader: A view of the store.
        data: The span.
        logs: The described log records, by the ids of their spans.
    """
    span = Span.FromString(data.raw)
    ended = span.end_time_unix_nano != 0
    resource = ResourceSpans.FromString(data.resource).resource
    scope = ScopeSpans.FromString(data.scope).scope
    return {
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex() if any(span.parent_span_id) else None,
        "name": span.name,
        "kind": span.kind,
        "status": {"code": span.status.code, "message": span.status.message},
        "start": str(span.start_time_unix_nano),
        "duration": span.end_time_unix_nano - span.start_time_unix_nano if ended else None,
        "flags": span.flags,
        "trace_state": span.trace_state,
        "attributes": describe_attributes(span.attributes),
        "events": [
            {
                "name": event.name,
                "time": str(event.time_unix_nano),
                "attributes": describe_attributes(event.attributes),
                "dropped_attributes": event.dropped_attributes_count,
            }
            for event in span.events
        ],
        "links": [
            {
                "trace": link.trace_id.hex(),
                "span": link.span_id.hex(),
                "trace_state": link.trace_state,
                "attributes": describe_attributes(link.attributes),
                "stored": reader.is_stored(link.trace_id),
            }
            for link in span.links
        ],
        "resource": describe_attributes(resource.attributes),
        "scope": {
            "name": scope.name,
            "version": scope.version,
            "attributes": describe_attributes(scope.attributes),
        },
        "logs": logs.get(span.span_id, []),
        "dropped": {
            "attributes": span.dropped_attributes_count,
            "events": span.dropped_events_count,
            "links": span.dropped_links_count,
        },
    }


def describe_log(data: SpanData) -> Json:
    """Return a log record."""
    log = LogRecord.FromString(data.raw)
    return {
        "time": str(log.time_unix_nano or log.observed_time_unix_nano),
        "severity": log.severity_text or _severity(log.severity_number),
        "severity_number": log.severity_number,
        "body": describe_value(log.body),
        "event_name": log.event_name,
        "attributes": describe_attributes(log.attributes),
    }


def _severity(number: int) -> str:
    names = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
    return names[(number - 1) // 4] if 0 < number <= _HIGHEST_SEVERITY else ""


def describe_attributes(attributes: Iterable[KeyValue]) -> list[Json]:
    """Return attributes with their types, in their order."""
    return [{"key": pair.key, **describe_value(pair.value)} for pair in attributes]


def describe_value(value: AnyValue) -> Json:  # noqa: PLR0911 - one for each type of OTLP
    """Return a value and its type; integers as strings, because JavaScript rounds them."""
    match value.WhichOneof("value"):
        case "string_value":
            return {"type": "string", "value": value.string_value}
        case "int_value":
            return {"type": "int", "value": str(value.int_value)}
        case "double_value":
            number = value.double_value
            return {"type": "double", "value": number if math.isfinite(number) else _name(number)}
        case "bool_value":
            return {"type": "bool", "value": value.bool_value}
        case "bytes_value":
            return {"type": "bytes", "value": base64.b64encode(value.bytes_value).decode()}
        case "array_value":
            return {
                "type": "array",
                "value": [describe_value(each) for each in value.array_value.values],
            }
        case "kvlist_value":
            return {"type": "kvlist", "value": describe_attributes(value.kvlist_value.values)}
        case _:
            return {"type": "empty", "value": None}


def _name(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
