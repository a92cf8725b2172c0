"""A program that makes spans and sends them over OTLP: the one whose CPU time is measured.

`python -m bench.sender WAY SPANS` prints the nanoseconds of CPU time, user and system, that the
process took from the first span to the end of the last delivery. The receiver's endpoint is in
`OTEL_EXPORTER_OTLP_ENDPOINT`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from opentelemetry.sdk.resources import Resource

from bench import by_hand
from bench.subjects import work

# Fewer than the queue holds, and four batches: the program works while the batches leave beside it.
CHUNK = 2_000

Call = Callable[[int, str], object]
Way = Callable[[], tuple[Call, Callable[[], object]]]


def nothing() -> tuple[Call, Callable[[], object]]:
    """The same calls without any span."""
    return work, lambda: None


def sdk() -> tuple[Call, Callable[[], object]]:
    """Spans by hand, with the SDK's batch processor and the official exporter."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return by_hand.function(provider.get_tracer("bench")), provider.force_flush


def tracekit() -> tuple[Call, Callable[[], object]]:
    """A decorated function."""
    from tracekit import init_telemetry, instrument

    telemetry = init_telemetry("bench", exporter="otlp")
    return instrument(work), telemetry.flush


def logfire() -> tuple[Call, Callable[[], object]]:
    """A function decorated with Logfire, which sends as the SDK does."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    from bench.with_logfire import logfire_behind

    # It would send to the endpoint of the environment, too, and over HTTP.
    exporter = OTLPSpanExporter(os.environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT"))
    instance = logfire_behind(exporter)
    return instance.instrument(work), instance.force_flush


WAYS: dict[str, Way] = {"nothing": nothing, "sdk": sdk, "tracekit": tracekit, "logfire": logfire}


def send(call: Call, flush: Callable[[], object], spans: int) -> None:
    """Make so many calls, and wait for each chunk before the next: none is dropped."""
    left = spans
    while left:
        chunk = min(left, CHUNK)
        for number in range(chunk):
            call(number, "two")
        flush()
        left -= chunk


def main() -> None:
    way, spans = sys.argv[1], int(sys.argv[2])
    call, flush = WAYS[way]()
    # The connection is made, and the code is warm.
    send(call, flush, spans)
    begun = time.process_time_ns()
    send(call, flush, spans)
    print(time.process_time_ns() - begun)


if __name__ == "__main__":
    main()
