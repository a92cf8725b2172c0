"""Stored spans and logs as lines of OTLP JSON, the inverse of reading them.

The mapping is proto3's with OTLP's exceptions: ids in hexadecimal, enumerations as numbers. Fields
without a value are left out.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    from tracekit._viewer.store.reader import SpanData

Json = dict[str, Any]

_SPANS_PER_LINE: Final = 512


def encode_span_lines(spans: Iterable[SpanData]) -> Iterator[bytes]:
    """Encode spans as lines (`TracesData`), each of one resource and scope, in their order."""
    return _encode(spans, ("resourceSpans", "scopeSpans", "spans"), _span)


def encode_log_lines(logs: Iterable[SpanData]) -> Iterator[bytes]:
    """Encode log records as lines (`LogsData`), each of one resource and scope, in their order."""
    return _encode(logs, ("resourceLogs", "scopeLogs", "logRecords"), _log)


def _encode(
    items: Iterable[SpanData], fields: tuple[str, str, str], encode: Callable[[bytes], Json]
) -> Iterator[bytes]:
    of_resource, of_scope, records = fields
    for (resource, scope), group in groupby(items, lambda item: (item.resource, item.scope)):
        into_resource, into_scope = _resource(resource), _scope(scope)
        batch: list[Json] = []
        for item in group:
            batch.append(encode(item.raw))
            if len(batch) == _SPANS_PER_LINE:
                yield _line(
                    {of_resource: [{**into_resource, of_scope: [{**into_scope, records: batch}]}]}
                )
                batch = []
        if batch:
            yield _line(
                {of_resource: [{**into_resource, of_scope: [{**into_scope, records: batch}]}]}
            )


def _line(data: Json) -> bytes:
    # In ASCII, because some characters that JSON allows end a line for some readers.
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def _resource(raw: bytes) -> Json:
    holder = ResourceSpans.FromString(raw)
    resource = _present(
        attributes=_attributes(holder.resource.attributes),
        droppedAttributesCount=holder.resource.dropped_attributes_count,
    )
    return {"resource": resource, **_present(schemaUrl=holder.schema_url)}


def _scope(raw: bytes) -> Json:
    holder = ScopeSpans.FromString(raw)
    scope = _present(
        name=holder.scope.name,
        version=holder.scope.version,
        attributes=_attributes(holder.scope.attributes),
        droppedAttributesCount=holder.scope.dropped_attributes_count,
    )
    return {"scope": scope, **_present(schemaUrl=holder.schema_url)}


def _span(raw: bytes) -> Json:
    span = Span.FromString(raw)
    return _present(
        traceId=span.trace_id.hex(),
        spanId=span.span_id.hex(),
        traceState=span.trace_state,
        parentSpanId=span.parent_span_id.hex(),
        flags=span.flags,
        name=span.name,
        kind=int(span.kind),
        startTimeUnixNano=_integer(span.start_time_unix_nano),
        endTimeUnixNano=_integer(span.end_time_unix_nano),
        attributes=_attributes(span.attributes),
        droppedAttributesCount=span.dropped_attributes_count,
        events=[
            _present(
                timeUnixNano=_integer(event.time_unix_nano),
                name=event.name,
                attributes=_attributes(event.attributes),
                droppedAttributesCount=event.dropped_attributes_count,
            )
            for event in span.events
        ],
        droppedEventsCount=span.dropped_events_count,
        links=[
            _present(
                traceId=link.trace_id.hex(),
                spanId=link.span_id.hex(),
                traceState=link.trace_state,
                attributes=_attributes(link.attributes),
                droppedAttributesCount=link.dropped_attributes_count,
                flags=link.flags,
            )
            for link in span.links
        ],
        droppedLinksCount=span.dropped_links_count,
        status=_present(message=span.status.message, code=int(span.status.code)),
    )


def _log(raw: bytes) -> Json:
    log = LogRecord.FromString(raw)
    return _present(
        timeUnixNano=_integer(log.time_unix_nano),
        observedTimeUnixNano=_integer(log.observed_time_unix_nano),
        severityNumber=int(log.severity_number),
        severityText=log.severity_text,
        body=_value(log.body) if log.HasField("body") else None,
        attributes=_attributes(log.attributes),
        droppedAttributesCount=log.dropped_attributes_count,
        flags=log.flags,
        traceId=log.trace_id.hex(),
        spanId=log.span_id.hex(),
        eventName=log.event_name,
    )


def _attributes(attributes: Iterable[KeyValue]) -> list[Json]:
    return [{"key": pair.key, "value": _value(pair.value)} for pair in attributes]


def _value(value: AnyValue) -> Json:  # noqa: PLR0911 - one for each type of OTLP
    match value.WhichOneof("value"):
        case "string_value":
            return {"stringValue": value.string_value}
        case "int_value":
            return {"intValue": str(value.int_value)}
        case "double_value":
            return {"doubleValue": _double(value.double_value)}
        case "bool_value":
            return {"boolValue": value.bool_value}
        case "bytes_value":
            return {"bytesValue": base64.b64encode(value.bytes_value).decode()}
        case "array_value":
            return {"arrayValue": {"values": [_value(each) for each in value.array_value.values]}}
        case "kvlist_value":
            return {"kvlistValue": {"values": _attributes(value.kvlist_value.values)}}
        case _:
            return {}


def _double(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _integer(number: int) -> str:
    return str(number) if number else ""


def _present(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value or value == {}}
