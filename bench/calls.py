"""What a decorated call costs its caller: bare, OpenTelemetry by hand, and tracekit.

python -m bench.calls
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import tracekit
from bench.interleaved import Variant, measure, report
from tracekit import instrument


class Discard(SpanExporter):
    """Takes spans and does nothing with them."""

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def bare(a: int, b: str) -> int:
    return a


def by_hand(tracer: trace.Tracer) -> Callable[[int, str], int]:
    """The same attributes as tracekit records, written out as OpenTelemetry's guide does."""
    code = bare.__code__

    def call(a: int, b: str) -> int:
        attributes = {
            "code.function.name": "bench.calls.bare",
            "code.file.path": code.co_filename,
            "code.line.number": code.co_firstlineno,
            "thread.id": threading.get_ident(),
            "thread.name": threading.current_thread().name,
            "a": a,
            "b": b,
        }
        with tracer.start_as_current_span("bare", attributes=attributes):
            return bare(a, b)

    return call


def repeat(function: Callable[[int, str], int]) -> Variant:
    def calls(count: int) -> None:
        for _ in range(count):
            function(1, "two")

    return calls


def sdk_tracer(**options: Any) -> trace.Tracer:
    provider = TracerProvider(shutdown_on_exit=False, **options)
    provider.add_span_processor(BatchSpanProcessor(Discard()))
    return provider.get_tracer("bench")


def under(span_context: trace.SpanContext, variant: Variant) -> Variant:
    """The same calls below a span of this context."""
    parent = trace.set_span_in_context(trace.NonRecordingSpan(span_context))

    def calls(count: int) -> None:
        token = context.attach(parent)
        try:
            variant(count)
        finally:
            context.detach(token)

    return calls


def main() -> None:
    decorated = instrument(bare)
    quiet = instrument(level="debug")(bare)
    calls = {"bare call": repeat(bare), "decorated, nothing set up": repeat(decorated)}
    report("Nothing set up", measure(calls, baseline="bare call"), over="bare call")

    unsampled = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(0))
    with tracekit.init_telemetry("bench", exporter=Discard(), filter="info"):
        report(
            "Filtered out",
            measure(
                {"bare call": repeat(bare), "decorated, filtered out": repeat(quiet)},
                baseline="bare call",
            ),
            over="bare call",
        )
        rows = {
            "OpenTelemetry by hand": repeat(by_hand(sdk_tracer())),
            "tracekit": repeat(decorated),
            "bare call": repeat(bare),
        }
        report("Sampled", measure(rows, baseline="OpenTelemetry by hand", calls=500))
        rows = {
            "OpenTelemetry by hand": under(unsampled, repeat(by_hand(sdk_tracer()))),
            "tracekit": under(unsampled, repeat(decorated)),
        }
        report("Inside an unsampled trace", measure(rows, baseline="OpenTelemetry by hand"))
    rows = {"OpenTelemetry by hand": repeat(by_hand(sdk_tracer(sampler=ALWAYS_OFF)))}
    with tracekit.init_telemetry("bench", exporter=Discard(), sampler="always_off"):
        rows["tracekit"] = repeat(decorated)
        report("Sampler always off", measure(rows, baseline="OpenTelemetry by hand"))


if __name__ == "__main__":
    main()
