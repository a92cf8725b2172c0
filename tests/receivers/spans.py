"""Spans to send, and received spans as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace import Status as ApiStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass(frozen=True)
class SpanView:
    """A received span as plain data; ids in hexadecimal, times in nanoseconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: str
    attributes: dict[str, Any]
    status: tuple[str, str]
    events: list[tuple[str, dict[str, Any]]]
    links: list[tuple[str, str, dict[str, Any]]]
    scope: tuple[str, str]
    resource: dict[str, Any]
    start: int
    end: int

    @property
    def content(self) -> dict[str, Any]:
        """Everything but ids and times."""
        fields = ("kind", "attributes", "status", "events", "links", "scope", "resource")
        return {field: getattr(self, field) for field in fields}


_COMMON: Any = {
    "scope": ("shop.orders", "1.2.3"),
    "resource": {"service.name": "shop", "service.replica": 2},
}
# What `finished_spans()` gives, as `SpanView.content` by name.
SENT: dict[str, dict[str, Any]] = {
    "handle": {
        "kind": "SERVER",
        "attributes": {"n": 3, "share": 0.5, "ok": True, "tags": ["a", "b"]},
        "status": ("UNSET", ""),
        "events": [],
        "links": [(f"{0xABC:032x}", f"{0xDEF:016x}", {"cause": "retry"})],
        **_COMMON,
    },
    "query": {
        "kind": "INTERNAL",
        "attributes": {"text": "naïve ☃"},
        "status": ("ERROR", "no such table"),
        "events": [("row", {"position": 7})],
        "links": [],
        **_COMMON,
    },
}


def view_spans(resource_spans: Iterable[ResourceSpans]) -> list[SpanView]:
    """Flatten what one or several requests carried, in the order of arrival."""
    return [
        _view(span, (scoped.scope.name, scoped.scope.version), _mapping(whole.resource.attributes))
        for whole in resource_spans
        for scoped in whole.scope_spans
        for span in scoped.spans
    ]


def _view(span: Span, scope: tuple[str, str], resource: dict[str, Any]) -> SpanView:
    return SpanView(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        attributes=_mapping(span.attributes),
        status=(
            Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
            span.status.message,
        ),
        events=[(event.name, _mapping(event.attributes)) for event in span.events],
        links=[
            (link.trace_id.hex(), link.span_id.hex(), _mapping(link.attributes))
            for link in span.links
        ],
        scope=scope,
        resource=resource,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
    )


def _mapping(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _mapping(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def finished_spans() -> Sequence[ReadableSpan]:
    """Return a finished child and its parent, with everything on them that OTLP can carry."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", "service.replica": 2}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop.orders", "1.2.3")
    with tracer.start_as_current_span("handle", kind=SpanKind.SERVER, links=[_link()]) as parent:
        parent.set_attributes({"n": 3, "share": 0.5, "ok": True, "tags": ["a", "b"]})
        with tracer.start_as_current_span("query", attributes={"text": "naïve ☃"}) as child:
            child.add_event("row", {"position": 7})
            child.set_status(ApiStatus(StatusCode.ERROR, "no such table"))
    provider.shutdown()
    return exporter.get_finished_spans()


def _link() -> Link:
    context = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
    return Link(context, {"cause": "retry"})
