"""A batch of spans as OTLP in JSON, with the structure of the official encoder's message.

The mapping is that of the OTLP specification: proto3's JSON with ids in lower-case hexadecimal and
enumerations as numbers. An OTLP reader accepts the line, whatever values the spans hold.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status

from tracekit._otlp.request_encoding import SpanGroups

# A tree that json.dumps accepts.
_Json = dict[str, Any]

_FLAGS_KNOW_REMOTE: Final = 0x100
_FLAGS_IS_REMOTE: Final = 0x200
# Readers of protocol buffers refuse messages nested deeper than 100. A mapping in a mapping takes
# three levels, and the messages around an attribute of an event take the first six.
_DEEPEST_VALUE: Final = 30
# Lone surrogates are not UTF-8. The others are legal in JSON, but str.splitlines() breaks at them.
_UNSAFE: Final = re.compile("[\x85\u2028\u2029\ud800-\udfff]")

_encode_json: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def encode_traces(
    spans: Iterable[ReadableSpan],
    *,
    on_skipped: Callable[[ReadableSpan, Exception], None] | None = None,
) -> bytes:
    r"""Encode ended spans as one line of OTLP JSON (`TracesData`).

    Values without a type in OTLP become strings: integers beyond 64 bits, unknown types (their
    `str()`), nesting deeper than 30 levels, lone surrogates (backslash escapes). A span without a
    valid identity, kind or times is skipped, and the other spans are encoded.

    Args:
        spans: Ended spans of any resources and scopes; within each, their order is kept.
        on_skipped: Called with each span that is skipped, and the reason.

    Returns:
        The line in UTF-8 with `\n` at its end and no other line boundary; empty without a span to
        write.
    """
    groups: SpanGroups[_Json] = SpanGroups()
    for span in spans:
        try:
            encoded = _span(span)
            scope = span.instrumentation_scope or None
            groups.group_of(span.resource, scope).append(encoded)
        except Exception as error:
            if on_skipped is not None:
                on_skipped(span, error)
    resource_spans = [_resource_spans(resource, scopes) for resource, scopes in groups]
    if not resource_spans:
        return b""
    line = _encode_json({"resourceSpans": resource_spans})
    return (line if line.isascii() else _UNSAFE.sub(_escape, line)).encode() + b"\n"


def _escape(match: re.Match[str]) -> str:
    code = f"\\u{ord(match[0]):04x}"
    # A reader refuses the escape of a lone surrogate. Escaping the backslash makes it plain text.
    return "\\" + code if code >= "\\ud800" else code


def _resource_spans(
    resource: Resource, scopes: Mapping[InstrumentationScope | None, list[_Json]]
) -> _Json:
    return _present(
        resource=_present(attributes=_attributes(resource.attributes)),
        scopeSpans=[_scope_spans(scope, spans) for scope, spans in scopes.items()],
        schemaUrl=_text(resource.schema_url),
    )


def _scope_spans(scope: InstrumentationScope | None, spans: list[_Json]) -> _Json:
    if scope is None:
        return {"scope": {}, "spans": spans}
    named = _present(
        name=_text(scope.name),
        version=_text(scope.version or ""),
        attributes=_attributes(scope.attributes),
    )
    return _present(scope=named, spans=spans, schemaUrl=_text(scope.schema_url or ""))


def _span(span: ReadableSpan) -> _Json:
    context: SpanContext | None = span.get_span_context()
    if context is None:
        raise ValueError("the span has no span context")
    parent = span.parent
    return _present(
        traceId=_trace_id(context),
        spanId=_span_id(context),
        traceState=",".join(f"{key}={value}" for key, value in context.trace_state.items()),
        parentSpanId=_span_id(parent) if parent else "",
        flags=_flags(parent),
        name=_text(span.name),
        # The API counts kinds from 0, OTLP from 1: its 0 is "unspecified".
        kind=int(span.kind.value) + 1,
        startTimeUnixNano=_nanoseconds(span.start_time),
        endTimeUnixNano=_nanoseconds(span.end_time),
        attributes=_attributes(span.attributes),
        droppedAttributesCount=int(span.dropped_attributes),
        events=[_event(event) for event in span.events],
        droppedEventsCount=int(span.dropped_events),
        links=[_link(link) for link in span.links],
        droppedLinksCount=int(span.dropped_links),
        status=_status(span.status),
    )


def _event(event: Event) -> _Json:
    return _present(
        timeUnixNano=_nanoseconds(event.timestamp),
        name=_text(event.name),
        attributes=_attributes(event.attributes),
        droppedAttributesCount=int(event.dropped_attributes),
    )


def _link(link: Link) -> _Json:
    return _present(
        traceId=_trace_id(link.context),
        spanId=_span_id(link.context),
        attributes=_attributes(link.attributes),
        droppedAttributesCount=int(link.dropped_attributes),
        flags=_flags(link.context),
    )


def _status(status: Status) -> _Json:
    return _present(code=int(status.status_code.value), message=_text(status.description or ""))


def _present(**fields: Any) -> _Json:
    # Proto3 leaves out fields with their default value, but not a message, even an empty one.
    return {name: value for name, value in fields.items() if value or isinstance(value, dict)}


def _trace_id(context: SpanContext) -> str:
    return context.trace_id.to_bytes(16, "big").hex()


def _span_id(context: SpanContext) -> str:
    return context.span_id.to_bytes(8, "big").hex()


def _flags(context: SpanContext | None) -> int:
    if context and context.is_remote:
        return _FLAGS_KNOW_REMOTE | _FLAGS_IS_REMOTE
    return _FLAGS_KNOW_REMOTE


def _nanoseconds(time: int | None) -> str:
    if not time:
        return ""
    if not 0 < time < 1 << 64:
        raise ValueError(f"a time of {time!r} ns since 1970 is beyond 64 bits")
    return str(int(time))


def _attributes(attributes: Mapping[str, Any] | None) -> list[_Json]:
    if not attributes:
        return []
    return [_key_value(key, value, _DEEPEST_VALUE) for key, value in attributes.items()]


def _key_value(key: object, value: object, depth: int) -> _Json:
    try:
        encoded = _value(value, depth)
    except Exception:
        # A sequence or mapping of the user's own may raise. Its str() is written instead.
        encoded = {"stringValue": _text(value)}
    name = _text(key)
    return {"key": name, "value": encoded} if name else {"value": encoded}


def _value(value: object, depth: int) -> _Json:
    if isinstance(value, str):
        return {"stringValue": value}
    if value is None:
        return {}
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode("ascii")}
    return _container(value, depth - 1)


def _number(value: float) -> _Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, float):
        return {"doubleValue": _double(value)}
    # int() in both: the str() of an enumeration's member is its name.
    if -(1 << 63) <= value < 1 << 63:
        return {"intValue": str(int(value))}
    return {"stringValue": _text(int(value))}


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _container(value: object, depth: int) -> _Json:
    if depth >= 0 and isinstance(value, Sequence):
        items = [_value(item, depth) for item in cast("Sequence[object]", value)]
        return {"arrayValue": _present(values=items)}
    if depth >= 0 and isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        pairs = [_key_value(key, item, depth) for key, item in mapping.items()]
        return {"kvlistValue": _present(values=pairs)}
    return {"stringValue": _text(value)}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"
