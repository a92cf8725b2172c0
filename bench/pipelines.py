"""The two pipelines that are compared, each with an exporter that counts and discards.

Both deliver in batches from a thread of their own, with the defaults of the specification: 512
spans a batch, 2048 in the queue. A turn makes fewer spans than the queue holds, and is settled
before the next, so that none is dropped: a pipeline that drops saves itself the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import tracekit
from bench.interleaved import Variant


class NotRecordedError(RuntimeError):
    """A variant recorded something else than it should, so that its time means nothing."""


class Discard(SpanExporter):
    """Counts spans and keeps the last."""

    def __init__(self) -> None:
        self.count = 0
        self.last: ReadableSpan | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.count += len(spans)
        self.last = spans[-1]
        return SpanExportResult.SUCCESS


class Pipeline:
    """A pipeline, and what has arrived at its ends.

    Attributes:
        flush: Waits until every span that has ended is at the exporters.
        exporters: The exporters at its ends.
        tracer: Makes spans by hand.
    """

    def __init__(
        self, flush: Callable[[], object], tracer: trace.Tracer, *exporters: Discard
    ) -> None:
        self.flush = flush
        self.tracer = tracer
        self.exporters = exporters

    def settle(self, *spans_a_call: float) -> Callable[[int], None]:
        """Make what waits for the spans of a turn and counts them.

        Args:
            *spans_a_call: How many spans of a call each exporter should get.
        """

        def check(calls: int) -> None:
            self.flush()
            expected = [round(calls * spans) for spans in spans_a_call]
            arrived = [exporter.count for exporter in self.exporters]
            if arrived != expected:
                raise NotRecordedError(f"{arrived} spans were exported, and not {expected}")
            for exporter in self.exporters:
                exporter.count = 0

        return check

    def attributes(self, index: int = 0) -> dict[str, Any]:
        """Return the attributes of the span that arrived last."""
        last = self.exporters[index].last
        return {} if last is None else dict(last.attributes or {})


@contextmanager
def sdk(*processors: Callable[[SpanProcessor], SpanProcessor]) -> Iterator[Pipeline]:
    """Set the SDK up by hand, with exporters that discard.

    Args:
        *processors: For each exporter, what stands around its batch processor; by default there is
            one exporter, and nothing.
    """
    provider = TracerProvider(shutdown_on_exit=False)
    exporters = [Discard() for _ in processors or "1"]
    for exporter, around in zip(exporters, processors or (lambda inner: inner,), strict=True):
        provider.add_span_processor(around(BatchSpanProcessor(exporter)))
    try:
        yield Pipeline(provider.force_flush, provider.get_tracer("bench"), *exporters)
    finally:
        provider.shutdown()


@contextmanager
def ours(
    *filters: str | None, builder: tracekit.TelemetryBuilder | None = None
) -> Iterator[Pipeline]:
    """Set tracekit up for the process, with exporters that discard.

    Args:
        *filters: The filter of each exporter; by default there is one without.
        builder: What else is set up.
    """
    exporters = [Discard() for _ in filters or "1"]
    builder = builder or tracekit.TelemetryBuilder("bench")
    for exporter, own in zip(exporters, filters or (None,), strict=True):
        builder = builder.with_exporter(exporter, filter=own)
    with builder.install() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("bench")
        yield Pipeline(telemetry.flush, tracer, *exporters)


def check_same_attributes(by_hand: Pipeline, tracekit: Pipeline) -> None:
    """Raise if the last spans of the two differ in an attribute."""
    theirs, mine = by_hand.attributes(), tracekit.attributes()
    if theirs != mine:
        raise NotRecordedError(f"by hand {theirs}, but tracekit {mine}")


def under(span_context: trace.SpanContext, variant: Variant) -> Variant:
    """Make the same calls below a span of this context."""
    parent = trace.set_span_in_context(trace.NonRecordingSpan(span_context))

    def calls(count: int) -> None:
        token = context.attach(parent)
        try:
            variant.run(count)
        finally:
            context.detach(token)

    return Variant(calls, variant.settle)
