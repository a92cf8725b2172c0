"""OTLP in JSON, as messages of protocol buffers.

The mapping is proto3's with OTLP's exceptions: ids in hexadecimal, enumerations as numbers. Names
of enumerations are accepted too, and unknown fields are ignored, as the specification asks.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tracekit._viewer.intake.decode import MalformedRequestError, collect_logs, collect_traces
from tracekit._viewer.store.rows import Decoded

Json = Mapping[str, Any]

# A mapping within a mapping takes three messages, and readers of protocol buffers refuse more than
# a hundred within each other.
_DEEPEST: Final = 30
_SPAN_KINDS: Final = dict(Span.SpanKind.items())
_STATUS_CODES: Final = dict(Status.StatusCode.items())
_SIGNALS: Final = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}


def parse_json(body: bytes, value_bytes: int, signal: str | None = None) -> Decoded:
    """Decode a request, or a line of a file.

    Args:
        body: JSON in UTF-8.
        value_bytes: Length of one value at most.
        signal: What the request must hold; any if None.

    Raises:
        MalformedRequestError: It is not JSON, not OTLP, or nested too deeply.
    """
    try:
        data = json.loads(body)
    except RecursionError:
        raise MalformedRequestError("JSON that is nested too deeply") from None
    except ValueError as error:
        raise MalformedRequestError(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise MalformedRequestError("not OTLP: a JSON object was expected")
    kinds = [kind for field, kind in _SIGNALS.items() if field in data]
    if signal is not None and kinds not in ([], [signal]):
        raise MalformedRequestError(f"not OTLP {signal}: it holds {' and '.join(kinds)}")
    if signal is None and not kinds:
        raise MalformedRequestError(f"not OTLP: it has none of {', '.join(_SIGNALS)}")
    return _decode(data, value_bytes)


def _decode(data: Json, value_bytes: int) -> Decoded:
    decoded = Decoded()
    spans, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
    bad = _Skipped(decoded)
    try:
        for resource_spans in _objects(data, "resourceSpans"):
            into_resource = spans.resource_spans.add(schema_url=_text(resource_spans, "schemaUrl"))
            _set_resource(into_resource.resource, resource_spans)
            for scope_spans in _objects(resource_spans, "scopeSpans"):
                into = into_resource.scope_spans.add(schema_url=_text(scope_spans, "schemaUrl"))
                _set_scope(into.scope, scope_spans)
                into.spans.extend(bad.convert(_span, _objects(scope_spans, "spans")))
        for resource_logs in _objects(data, "resourceLogs"):
            of_resource = logs.resource_logs.add(schema_url=_text(resource_logs, "schemaUrl"))
            _set_resource(of_resource.resource, resource_logs)
            for scope_logs in _objects(resource_logs, "scopeLogs"):
                of = of_resource.scope_logs.add(schema_url=_text(scope_logs, "schemaUrl"))
                _set_scope(of.scope, scope_logs)
                of.log_records.extend(bad.convert(_log, _objects(scope_logs, "logRecords")))
        decoded.metrics = sum(
            len(_list(scope, "metrics"))
            for resource in _objects(data, "resourceMetrics")
            for scope in _objects(resource, "scopeMetrics")
        )
    except (ValueError, TypeError) as error:
        raise MalformedRequestError(f"not OTLP: {error}") from None
    for part in (collect_traces(spans, value_bytes), collect_logs(logs, value_bytes)):
        decoded.groups += part.groups
        decoded.malformed += part.malformed
        decoded.malformed_logs += part.malformed_logs
        decoded.logs_without_trace += part.logs_without_trace
        decoded.cut += part.cut
        decoded.first_error = decoded.first_error or part.first_error
    return decoded


class _Skipped:
    """Leaves out and counts what does not convert."""

    def __init__(self, decoded: Decoded) -> None:
        self._decoded = decoded

    def convert(self, convert: Callable[[Json], Any], items: Iterable[Json]) -> list[Any]:
        converted = []
        for item in items:
            try:
                converted.append(convert(item))
            except (ValueError, TypeError) as error:
                if convert is _span:
                    self._decoded.malformed += 1
                else:
                    self._decoded.malformed_logs += 1
                self._decoded.first_error = self._decoded.first_error or str(error)
        return converted


def _set_resource(resource: Resource, holder: Json) -> None:
    found = _object(holder, "resource")
    resource.attributes.extend(_attributes(found))
    resource.dropped_attributes_count = _number(found, "droppedAttributesCount")


def _set_scope(scope: InstrumentationScope, holder: Json) -> None:
    found = _object(holder, "scope")
    scope.name = _text(found, "name")
    scope.version = _text(found, "version")
    scope.attributes.extend(_attributes(found))
    scope.dropped_attributes_count = _number(found, "droppedAttributesCount")


def _span(span: Json) -> Span:
    status = _object(span, "status")
    return Span(
        trace_id=_id(span, "traceId"),
        span_id=_id(span, "spanId"),
        trace_state=_text(span, "traceState"),
        parent_span_id=_id(span, "parentSpanId"),
        flags=_number(span, "flags"),
        name=_text(span, "name"),
        kind=Span.SpanKind.ValueType(_number(span, "kind", _SPAN_KINDS)),
        start_time_unix_nano=_number(span, "startTimeUnixNano"),
        end_time_unix_nano=_number(span, "endTimeUnixNano"),
        attributes=_attributes(span),
        dropped_attributes_count=_number(span, "droppedAttributesCount"),
        events=[_event(event) for event in _objects(span, "events")],
        dropped_events_count=_number(span, "droppedEventsCount"),
        links=[_link(link) for link in _objects(span, "links")],
        dropped_links_count=_number(span, "droppedLinksCount"),
        status=Status(
            message=_text(status, "message"),
            code=Status.StatusCode.ValueType(_number(status, "code", _STATUS_CODES)),
        )
        if status
        else None,
    )


def _event(event: Json) -> Span.Event:
    return Span.Event(
        time_unix_nano=_number(event, "timeUnixNano"),
        name=_text(event, "name"),
        attributes=_attributes(event),
        dropped_attributes_count=_number(event, "droppedAttributesCount"),
    )


def _link(link: Json) -> Span.Link:
    return Span.Link(
        trace_id=_id(link, "traceId"),
        span_id=_id(link, "spanId"),
        trace_state=_text(link, "traceState"),
        attributes=_attributes(link),
        dropped_attributes_count=_number(link, "droppedAttributesCount"),
        flags=_number(link, "flags"),
    )


def _log(log: Json) -> LogRecord:
    record = LogRecord(
        time_unix_nano=_number(log, "timeUnixNano"),
        observed_time_unix_nano=_number(log, "observedTimeUnixNano"),
        severity_number=SeverityNumber.ValueType(_number(log, "severityNumber")),
        severity_text=_text(log, "severityText"),
        attributes=_attributes(log),
        dropped_attributes_count=_number(log, "droppedAttributesCount"),
        flags=_number(log, "flags"),
        trace_id=_id(log, "traceId"),
        span_id=_id(log, "spanId"),
        event_name=_text(log, "eventName"),
    )
    if "body" in log:
        record.body.CopyFrom(_value(log["body"], 0))
    return record


def _attributes(holder: Json, field: str = "attributes", depth: int = 0) -> list[KeyValue]:
    return [
        KeyValue(key=_text(pair, "key"), value=_value(pair.get("value"), depth))
        for pair in _objects(holder, field)
    ]


def _value(value: Any, depth: int) -> AnyValue:
    if value is None or value == {}:
        return AnyValue()
    if not isinstance(value, dict):
        raise TypeError(f"an attribute's value must be an object: {value!r:.80}")
    if depth > _DEEPEST:
        raise ValueError(f"a value is nested deeper than {_DEEPEST} levels")
    if "stringValue" in value:
        return AnyValue(string_value=_text(value, "stringValue"))
    if "intValue" in value:
        return AnyValue(int_value=_number(value, "intValue"))
    if "doubleValue" in value:
        return AnyValue(double_value=_double(value["doubleValue"]))
    if "boolValue" in value:
        return AnyValue(bool_value=bool(value["boolValue"]))
    result = AnyValue()
    if "bytesValue" in value:
        result.bytes_value = _bytes(value["bytesValue"])
    elif "arrayValue" in value:
        result.array_value.values.extend(
            _value(each, depth + 1) for each in _list(_object(value, "arrayValue"), "values")
        )
        result.array_value.SetInParent()
    elif "kvlistValue" in value:
        pairs = _attributes(_object(value, "kvlistValue"), "values", depth + 1)
        result.kvlist_value.values.extend(pairs)
        result.kvlist_value.SetInParent()
    return result


def _double(value: Any) -> float:
    if isinstance(value, str) and value not in {"NaN", "Infinity", "-Infinity"}:
        raise ValueError(f"not a number: {value!r:.80}")
    number = float(value)
    return number if not math.isnan(number) else math.nan


def _bytes(value: Any) -> bytes:
    try:
        text = str(value)
        return base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_" if "-" in text or "_" in text else None
        )
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


def _number(holder: Json, field: str, names: Mapping[str, int] | None = None) -> int:
    value = holder.get(field)
    if value is None or value == "":
        return 0
    if isinstance(value, bool):
        raise TypeError(f"{field} must be a number")
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return names[value] if names and value in names else int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise TypeError(f"{field} must be a number: {value!r:.80}")


def _text(holder: Json, field: str) -> str:
    value = holder.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{field} must be a string: {value!r:.80}")
    if value.isascii():
        return value
    # Lone surrogates are not UTF-8; as backslash escapes they can be read.
    return value.encode("utf-8", "backslashreplace").decode()


def _id(holder: Json, field: str) -> bytes:
    return bytes.fromhex(_text(holder, field))


def _object(holder: Json, field: str) -> Json:
    value = holder.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{field} must be an object: {value!r:.80}")
    return value


def _list(holder: Json, field: str) -> list[Any]:
    value = holder.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"{field} must be an array: {value!r:.80}")
    return value


def _objects(holder: Json, field: str) -> list[Json]:
    items = _list(holder, field)
    for item in items:
        if not isinstance(item, dict):
            raise TypeError(f"{field} must hold objects: {item!r:.80}")
    return items
