"""What it costs to encode a span for OTLP, beside OpenTelemetry's own encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common import trace_encoder as official
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from bench.interleaved import Size, Variant, measure
from bench.results import Row, ratio_row
from tracekit._otlp.request_encoding import encode_spans
from tracekit._recording.attributes import SiteAttributes
from tracekit._sdk.fanout import Fanout
from tracekit._sdk.span import LeanSpan, TracerShared

OFFICIAL, OWN, FOREIGN = "OpenTelemetry's encoder", "the engine's spans", "the SDK's spans"
BATCH = 512
RESOURCE = {
    "service.name": "bench",
    "service.instance.id": "7c8b2a52-65a8-4e0e-9bb5-2f0a6c6b6c1e",
    "host.name": "bench",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
}
CALL_SITE: dict[str, str | int] = {
    "code.function.name": "shop.orders.place",
    "code.file.path": "/srv/shop/src/shop/orders.py",
    "code.line.number": 217,
}
SITE_ATTRIBUTES = SiteAttributes(CALL_SITE)


def standard() -> dict[str, Any]:
    thread = threading.current_thread()
    return {"thread.id": threading.get_ident(), "thread.name": thread.name}


def two_arguments(number: int) -> dict[str, Any]:
    return {"order.id": 71_000 + number, "customer": f"customer {number % 97}"}


def many_arguments(number: int) -> dict[str, Any]:
    return {f"item.{index}": f"article {number * index}" for index in range(30)}


def recorded(arguments: Callable[[int], dict[str, Any]], events: int = 0) -> list[ReadableSpan]:
    """A batch of spans as the SDK makes them, in traces of eight."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource(RESOURCE))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("shop.orders", "1.0")
    for trace in range(BATCH // 8):
        with tracer.start_as_current_span("place", attributes=arguments(trace) | CALL_SITE):
            for number in range(trace * 8 + 1, trace * 8 + 8):
                given = CALL_SITE | standard() | arguments(number)
                with tracer.start_as_current_span("place", attributes=given) as span:
                    for index in range(events):
                        span.add_event("step", {"step.number": index, "step.name": "check"})
    return list(memory.get_finished_spans())


def lean(spans: list[ReadableSpan]) -> list[LeanSpan]:
    """The spans as the engine's own."""
    resource, scope = spans[0].resource, InstrumentationScope("shop.orders", "1.0")
    info: Any = None
    origin = TracerShared(Fanout(), SpanLimits(), resource, scope, info, ALWAYS_ON)
    return [_lean(span, origin) for span in spans]


def _lean(span: ReadableSpan, origin: TracerShared) -> LeanSpan:
    made = object.__new__(LeanSpan)
    attributes = dict(span.attributes or {})
    made._shared, made._site_attributes, made._last_attribute = origin, SITE_ATTRIBUTES, None
    made._own_attributes = {key: value for key, value in attributes.items() if key not in CALL_SITE}
    for name in ("context", "parent", "name", "kind", "start_time", "end_time", "status"):
        setattr(made, f"_{name}", getattr(span, name))
    if span.events:
        made._events = span._events
    return made


def official_bytes(spans: Sequence[ReadableSpan]) -> bytes:
    """Encode as OpenTelemetry's exporters do."""
    message: Any = official.encode_spans(spans)
    serialized: bytes = message.SerializeToString()
    return serialized


def batches(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A span of a batch of 512, encoded."""
    yield from _compare("7 attributes", recorded(two_arguments), size)
    yield from _compare("35 attributes", recorded(many_arguments), size)
    yield from _compare("7 attributes, 3 events", recorded(two_arguments, events=3), size)


def _compare(
    what: str, spans: list[ReadableSpan], size: Callable[[int, int], Size]
) -> Iterator[Row]:
    variants = {
        OFFICIAL: Variant(_encoding(official_bytes, spans)),
        FOREIGN: Variant(_encoding(encode_spans, spans)),
        OWN: Variant(_encoding(encode_spans, lean(spans))),
    }
    turns = measure(variants, size(BATCH * 2, 21))
    yield ratio_row(f"encoded, {what}", turns, OWN, to=OFFICIAL)
    yield ratio_row(f"encoded, {what}, the SDK's span", turns, FOREIGN, to=OFFICIAL)


def _encoding(
    encode: Callable[[Sequence[Any]], bytes], spans: Sequence[Any]
) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for _ in range(max(1, calls // BATCH)):
            encode(spans)

    return run
