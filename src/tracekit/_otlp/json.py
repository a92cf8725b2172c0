"""Spans as OTLP in JSON: the shape of the official encoder, without protocol buffers.

The mapping is the one of the OTLP specification: proto3's JSON with ids in lower-case hex and
enumerations as numbers. Whatever a span holds, the line is one that an OTLP reader accepts.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, Status

    # A tree that json.dumps takes; more than that no checker can say of it.
    _Json = dict[str, Any]
    _Scopes = dict[InstrumentationScope | None, list[_Json]]

_FLAGS_KNOW_REMOTE: Final = 0x100
_FLAGS_IS_REMOTE: Final = 0x200
# Readers of protocol buffers refuse messages nested deeper than 100. A mapping in a mapping takes
# three of these, and what is around an attribute of an event takes the first six.
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

    Values that OTLP has no type for become text: integers beyond 64 bits, unknown types (their
    `str()`), nesting deeper than 30 levels, lone surrogates (backslash escapes). A span that has
    no valid identity, kind or times is left out, and the rest goes on.

    Args:
        spans: The spans, of any mix of resources and scopes; their order is kept within each.
        on_skipped: Called with each span that is left out, and why.

    Returns:
        The line in UTF-8 with its `\n` at the end, and no other line boundary in it; empty if
        there is no span to write.
    """
    groups = _group(spans, on_skipped)
    if not groups:
        return b""
    resource_spans = [_resource_spans(resource, scopes) for resource, scopes in groups.items()]
    return _utf8(_encode_json({"resourceSpans": resource_spans})) + b"\n"


def _utf8(line: str) -> bytes:
    return (line if line.isascii() else _UNSAFE.sub(_escape, line)).encode()


def _escape(match: re.Match[str]) -> str:
    code = f"\\u{ord(match[0]):04x}"
    # A reader refuses the escape of half a pair; the backslash itself is escaped to leave text.
    return "\\" + code if code >= "\\ud800" else code


def _group(
    spans: Iterable[ReadableSpan], on_skipped: Callable[[ReadableSpan, Exception], None] | None
) -> dict[Resource, _Scopes]:
    groups: dict[Resource, _Scopes] = {}
    # Hashing a Resource writes it out as JSON: once for each object, not for each span. The
    # objects are kept with the answer, so that no other can take over their id meanwhile.
    known: dict[tuple[int, int], tuple[object, object, list[_Json]]] = {}
    for span in spans:
        try:
            encoded = _span(span)
            resource, scope = span.resource, span.instrumentation_scope or None
            key = id(resource), id(scope)
            if key not in known:
                group = groups.setdefault(resource, {}).setdefault(scope, [])
                known[key] = resource, scope, group
            known[key][2].append(encoded)
        except Exception as error:
            if on_skipped is not None:
                on_skipped(span, error)
    return groups


def _resource_spans(resource: Resource, scopes: _Scopes) -> _Json:
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
    context = _identity(span)
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


def _identity(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.get_span_context()
    if context is None:
        raise ValueError("the span has no span context")
    return context


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
    # Proto3 leaves out what is at its default; a message that is set stays, however empty.
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
        # A sequence or mapping of the user's own may raise; what it calls itself has to do.
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
    # int() in both: the text of an enumeration's member is its name.
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
