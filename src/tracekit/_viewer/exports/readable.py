"""Stored spans as spans of OpenTelemetry's SDK, as the console shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    from tracekit._viewer.store.reader import SpanData

_IS_REMOTE: Final = 0x200
_KINDS: Final = {
    2: SpanKind.SERVER,
    3: SpanKind.CLIENT,
    4: SpanKind.PRODUCER,
    5: SpanKind.CONSUMER,
}
_STATUSES: Final = {1: StatusCode.OK, 2: StatusCode.ERROR}


class Readable:
    """Makes spans of the SDK; resources and scopes are shared by the spans that have them."""

    def __init__(self) -> None:
        self._resources: dict[bytes, Resource] = {}
        self._scopes: dict[bytes, InstrumentationScope] = {}

    def span(self, data: SpanData) -> ReadableSpan:
        """Return a stored span; the name of one that has not ended says so."""
        span = Span.FromString(data.raw)
        trace = int.from_bytes(span.trace_id, "big")
        parent = None
        if any(span.parent_span_id):
            parent = SpanContext(
                trace,
                int.from_bytes(span.parent_span_id, "big"),
                is_remote=bool(span.flags & _IS_REMOTE),
            )
        code = _STATUSES.get(span.status.code, StatusCode.UNSET)
        ended = span.end_time_unix_nano != 0
        return ReadableSpan(
            name=span.name if ended else f"{span.name} (not ended)",
            context=SpanContext(trace, int.from_bytes(span.span_id, "big"), is_remote=False),
            parent=parent,
            resource=self._resource(data.resource),
            attributes=attribute_values(span.attributes),
            events=[
                Event(event.name, attribute_values(event.attributes), event.time_unix_nano)
                for event in span.events
            ],
            links=[
                Link(
                    SpanContext(
                        int.from_bytes(link.trace_id, "big"),
                        int.from_bytes(link.span_id, "big"),
                        is_remote=True,
                    ),
                    attribute_values(link.attributes),
                )
                for link in span.links
            ],
            kind=_KINDS.get(span.kind, SpanKind.INTERNAL),
            # The SDK takes a description for errors alone.
            status=Status(code, span.status.message or None if code is StatusCode.ERROR else None),
            start_time=span.start_time_unix_nano,
            end_time=span.end_time_unix_nano if ended else None,
            instrumentation_scope=self._scope(data.scope),
        )

    def _resource(self, raw: bytes) -> Resource:
        resource = self._resources.get(raw)
        if resource is None:
            attributes = ResourceSpans.FromString(raw).resource.attributes
            # The SDK's resource takes flat values; what is nested stands as its text.
            flat = {
                key: str(value) if isinstance(value, (dict, list)) else value
                for key, value in attribute_values(attributes).items()
                if key and value is not None
            }
            resource = self._resources[raw] = Resource(flat)
        return resource

    def _scope(self, raw: bytes) -> InstrumentationScope:
        scope = self._scopes.get(raw)
        if scope is None:
            stored = ScopeSpans.FromString(raw).scope
            scope = self._scopes[raw] = InstrumentationScope(stored.name, stored.version or None)
        return scope


def attribute_values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as Python's values."""
    return {each.key: plain_value(each.value) for each in attributes}


def plain_value(value: AnyValue) -> Any:
    """Return a value as Python's."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [plain_value(each) for each in value.array_value.values]
        case "kvlist_value":
            return attribute_values(value.kvlist_value.values)
        case kind:
            return getattr(value, kind)
