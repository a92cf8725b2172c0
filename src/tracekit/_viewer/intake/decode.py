"""OTLP requests in protocol buffers, decoded into rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from tracekit._viewer.intake.value_limits import cut_log, cut_span
from tracekit._viewer.store.records import (
    EVENT,
    EVENT_RECORD,
    EXCEPTION,
    HAS_EVENTS,
    HAS_LINKS,
    LARGEST,
    REMOTE_PARENT,
    STATUS_ERROR,
)
from tracekit._viewer.store.rows import Decoded, Group, LogRow, SpanRow

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8
_PARENT_ID_BYTES: Final = (0, _SPAN_ID_BYTES)
_NO_TRACE: Final = bytes(_TRACE_ID_BYTES)
_LARGEST_BYTE: Final = 255
_IS_REMOTE: Final = 0x200

# An attribute's key as it is encoded: field 1 of `KeyValue`, its length, and the text.
_THREAD_NAME: Final = b"\x0a\x0bthread.name"
_STRING_VALUE: Final = 0x0A
_ONE_BYTE_LENGTH: Final = 127
_THREAD_ID: Final = b"\x0a\x09thread.id"
_LEVEL: Final = b"\x0a\x05level"
_IDLE: Final = b"\x0a\x07idle_ns"
_TASK: Final = b"\x0a\x11asyncio.task.name"
_HAS_MESSAGES: Final = HAS_EVENTS | HAS_LINKS

LEVELS: Final = {"TRACE": 1, "DEBUG": 2, "INFO": 3, "WARN": 4, "WARNING": 4, "ERROR": 5}


class MalformedRequestError(Exception):
    """The bytes are not an OTLP request."""


def decode_traces(body: bytes, value_bytes: int) -> Decoded:
    """Decode an `ExportTraceServiceRequest`.

    Raises:
        MalformedRequestError: The bytes are not one.
    """
    return collect_traces(parse(ExportTraceServiceRequest, body), value_bytes)


def decode_logs(body: bytes, value_bytes: int) -> Decoded:
    """Decode an `ExportLogsServiceRequest`.

    Raises:
        MalformedRequestError: The bytes are not one.
    """
    return collect_logs(parse(ExportLogsServiceRequest, body), value_bytes)


def decode_metrics(body: bytes) -> Decoded:
    """Count the metrics of an `ExportMetricsServiceRequest`, which the viewer does not keep.

    Raises:
        MalformedRequestError: The bytes are not one.
    """
    request = parse(ExportMetricsServiceRequest, body)
    count = sum(
        len(scope.metrics)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
    )
    return Decoded(metrics=count)


def parse(message: type[Message], body: bytes) -> Any:
    """Parse bytes as a message.

    Raises:
        MalformedRequestError: They are not one.
    """
    try:
        return message.FromString(body)
    except DecodeError as error:
        raise MalformedRequestError(f"not a valid request in protocol buffers: {error}") from None


def collect_traces(request: ExportTraceServiceRequest, value_bytes: int) -> Decoded:
    """Return the rows of a parsed request."""
    decoded = Decoded()
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            group = _group(resource_spans, scope_spans)
            _append_spans(group, scope_spans.spans, decoded, value_bytes)
            if group.spans:
                decoded.groups.append(group)
    return decoded


def _append_spans(group: Group, spans: Iterable[Span], decoded: Decoded, value_bytes: int) -> None:
    append, new_row, from_bytes = group.spans.append, tuple.__new__, int.from_bytes
    for span in spans:
        trace, id_bytes, parent_bytes = span.trace_id, span.span_id, span.parent_span_id
        span_id = from_bytes(id_bytes, "big")
        if (
            len(trace) != _TRACE_ID_BYTES
            or len(id_bytes) != _SPAN_ID_BYTES
            or len(parent_bytes) not in _PARENT_ID_BYTES
            or not span_id
            or trace == _NO_TRACE
        ):
            decoded.malformed += 1
            decoded.first_error = decoded.first_error or _describe_ids(span)
            continue
        raw = span.SerializeToString()
        if len(raw) > value_bytes:
            span_cut = cut_span(span, value_bytes)
            if span_cut:
                decoded.cut += span_cut
                raw = span.SerializeToString()
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        duration = None
        if end:
            duration = end - start
            if not -LARGEST <= duration <= LARGEST:
                # Only a wrong clock is beyond 63 bits, where SQLite's integers end.
                duration = LARGEST if duration > 0 else -LARGEST
        flags = 0
        events = b""
        if span.events:
            flags = HAS_EVENTS
            events = b"".join(
                EVENT_RECORD.pack(
                    event.time_unix_nano, EXCEPTION if event.name == "exception" else EVENT
                )
                for event in span.events
            )
        if span.links:
            flags |= HAS_LINKS
        if span.flags & _IS_REMOTE:
            flags |= REMOTE_PARENT
        level, idle, lane = 0, 0, None
        if flags & _HAS_MESSAGES or _LEVEL in raw or _IDLE in raw or _TASK in raw:
            level, idle, lane = read_attributes(span.attributes)
        elif (place := raw.find(_THREAD_NAME)) >= 0:
            lane = _read_short_text(raw, place + len(_THREAD_NAME))
        elif _THREAD_ID in raw:
            level, idle, lane = read_attributes(span.attributes)
        kind, status = span.kind, span.status.code
        # Made as a tuple, which takes a third of the time.
        row = (
            trace,
            span_id,
            from_bytes(parent_bytes, "big"),
            start,
            duration,
            span.name,
            kind if 0 <= kind <= _LARGEST_BYTE else 0,
            status if 0 <= status <= STATUS_ERROR else 0,
            level,
            flags,
            idle,
            lane,
            events,
            raw,
        )
        append(new_row(SpanRow, row))


def _describe_ids(span: Span) -> str:
    return (
        "a span needs a trace id of 16 bytes and a span id of 8 bytes that are not all zero, and a "
        f"parent span id of 8 bytes or none: {span.trace_id[:32].hex()!r}, "
        f"{span.span_id[:32].hex()!r}, {span.parent_span_id[:32].hex()!r}"
    )


def read_attributes(attributes: Iterable[KeyValue]) -> tuple[int, int, str | None]:
    """Return the level, the idle time, and the thread and task."""
    level, idle, thread, task = 0, 0, "", ""
    for attribute in attributes:
        key = attribute.key
        if key == "thread.name":
            thread = _text(attribute.value) or thread
        elif key == "thread.id":
            thread = thread or _text(attribute.value)
        elif key == "level":
            level = LEVELS.get(_text(attribute.value).upper(), 0)
        elif key == "idle_ns":
            idle = min(max(attribute.value.int_value, 0), LARGEST)
        elif key == "asyncio.task.name":
            task = _text(attribute.value)
    if task:
        return level, idle, f"{thread} · {task}"
    return level, idle, thread or None


def _read_short_text(raw: bytes, place: int) -> str | None:
    """Return the text of an encoded value of an attribute, or None if it is not a short text.

    Going through a span's attributes as messages takes half of the time of decoding it. Without
    events and links, there is no other place in the span where an attribute's key can stand.
    """
    # Field 2 of the attribute and its length; field 1 of the value, its length, the text.
    begin = place + 4
    if begin > len(raw):
        return None
    length = raw[begin - 1]
    if raw[begin - 2] != _STRING_VALUE or length > _ONE_BYTE_LENGTH:
        return None
    return raw[begin : begin + length].decode()


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    return str(value.int_value) if kind == "int_value" else ""


def collect_logs(request: ExportLogsServiceRequest, value_bytes: int) -> Decoded:
    """Return the rows of a parsed request."""
    decoded = Decoded()
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            group = _group(resource_logs, scope_logs)
            for record in scope_logs.log_records:
                _append_log(group, record, decoded, value_bytes)
            if group.logs:
                decoded.groups.append(group)
    return decoded


def _append_log(group: Group, record: LogRecord, decoded: Decoded, value_bytes: int) -> None:
    trace, span = record.trace_id, record.span_id
    if not trace or trace == _NO_TRACE:
        decoded.logs_without_trace += 1
        return
    if len(trace) != _TRACE_ID_BYTES or len(span) not in {0, _SPAN_ID_BYTES}:
        decoded.malformed_logs += 1
        decoded.first_error = decoded.first_error or "a log record has an id of a wrong length"
        return
    if record.ByteSize() > value_bytes:
        decoded.cut += cut_log(record, value_bytes)
    group.logs.append(
        LogRow(
            trace,
            int.from_bytes(span, "big"),
            record.time_unix_nano or record.observed_time_unix_nano,
            record.severity_number,
            record.SerializeToString(),
        )
    )


def _group(of_resource: ResourceSpans | ResourceLogs, of_scope: ScopeSpans | ScopeLogs) -> Group:
    service, process = "", ""
    for attribute in of_resource.resource.attributes:
        if attribute.key == "service.name":
            service = _text(attribute.value)
        elif attribute.key in {"process.pid", "service.instance.id"}:
            process = process or _text(attribute.value)
    scope = of_scope.scope
    return Group(
        ResourceSpans(
            resource=of_resource.resource, schema_url=of_resource.schema_url
        ).SerializeToString(),
        service or "unknown_service",
        process,
        ScopeSpans(scope=scope, schema_url=of_scope.schema_url).SerializeToString(),
        scope.name,
        scope.version,
    )
