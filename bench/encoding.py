"""What it costs to encode a span for OTLP, beside OpenTelemetry's own encoder.

python -m bench.encoding
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from opentelemetry.exporter.otlp.proto.common import trace_encoder as official
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from bench.interleaved import Variant, measure, report
from tracekit._engine.request_encoding import encode_spans
from tracekit._ground.constants import Constants

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


class Lean:
    """A span as the engine's own lie in memory."""

    _event_list = _link_list = None
    _constants = Constants(CALL_SITE)

    def __init__(self, span: ReadableSpan, origin: Any) -> None:
        attributes = dict(span.attributes or {})
        self._given = {key: value for key, value in attributes.items() if key not in CALL_SITE}
        self._origin = origin
        for name in ("_context", "_parent", "_name", "_kind", "_start_time", "_end_time"):
            setattr(self, name, getattr(span, name))
        self._status = span.status


def lean(spans: list[ReadableSpan]) -> list[Any]:
    scope = InstrumentationScope("shop.orders", "1.0")
    origin = SimpleNamespace(resource=spans[0].resource, scope=scope)
    return [Lean(span, origin) for span in spans]


def per_span(encode: Callable[[Sequence[Any]], bytes], spans: Sequence[Any]) -> Variant:
    def timed(calls: int) -> int:
        begun = time.perf_counter_ns()
        for _ in range(calls // BATCH):
            encode(spans)
        return time.perf_counter_ns() - begun

    return timed


def official_bytes(spans: Sequence[ReadableSpan]) -> bytes:
    message: Any = official.encode_spans(spans)
    serialized: bytes = message.SerializeToString()
    return serialized


def main() -> None:
    batches = {
        "7 attributes": recorded(two_arguments),
        "35 attributes": recorded(many_arguments),
        "7 attributes, 3 events": recorded(two_arguments, events=3),
    }
    for name, spans in batches.items():
        rows = {
            "OpenTelemetry's encoder": per_span(official_bytes, spans),
            "spans of the SDK": per_span(encode_spans, spans),
        }
        if "events" not in name:
            rows["spans of the engine's own"] = per_span(encode_spans, lean(spans))
        measured = measure(rows, baseline="OpenTelemetry's encoder", calls=BATCH * 2, rounds=21)
        report(f"Encoding a span with {name}", measured)


if __name__ == "__main__":
    main()
