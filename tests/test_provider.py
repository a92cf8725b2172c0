"""The provider whose pipeline is exchanged behind the tracers that are in use."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from tracekit._sdk.provider import UNFILTERED, LiveTracerProvider, Pipeline
from tracekit.exporters import memory


def pipeline(exporter, sampler=ALWAYS_ON, **resource):
    processor = sdk.SynchronousMultiSpanProcessor()
    processor.add_span_processor(SimpleSpanProcessor(exporter))
    resource = Resource(resource)
    return Pipeline(sampler, resource, processor, RandomIdGenerator(), sdk.SpanLimits(), UNFILTERED)


def test_it_is_of_the_sdks_kinds():
    """Provider, tracer and span are instances of the SDK's classes."""
    provider = LiveTracerProvider(pipeline(memory()))
    tracer = provider.get_tracer("t", "1", "https://schema")
    span = tracer.start_span("work")
    assert isinstance(provider, sdk.TracerProvider)
    assert isinstance(tracer, sdk.Tracer)
    assert isinstance(span, sdk.Span)
    assert ("t", "1", "https://schema") == (
        span.instrumentation_scope.name,
        span.instrumentation_scope.version,
        span.instrumentation_scope.schema_url,
    )


def test_tracers_follow_to_another_pipeline():
    """Sampler, resource, processor, ids and limits are the new one's."""
    first, second = memory(), memory()
    provider = LiveTracerProvider(pipeline(first))
    tracer = provider.get_tracer("t")
    tracer.start_span("a").end()
    provider.set_pipeline(pipeline(second, tier="web"))
    tracer.start_span("b").end()
    assert ["a"] == [span.name for span in first.spans]
    assert [("b", "web")] == [(s.name, s.resource.attributes["tier"]) for s in second.spans]
    provider.set_pipeline(pipeline(second, ALWAYS_OFF))
    assert not tracer.start_span("c").is_recording()


def test_an_open_span_ends_where_it_began():
    """Exchanging the pipeline does not move it."""
    first, second = memory(), memory()
    provider = LiveTracerProvider(pipeline(first))
    span = provider.get_tracer("t").start_span("a")
    provider.set_pipeline(pipeline(second))
    span.end()
    assert (1, 0) == (len(first.spans), len(second.spans))


def test_without_a_pipeline_the_parents_context_is_passed_on():
    """As by OpenTelemetry without an SDK, whatever way the context is given."""
    provider = LiveTracerProvider(None)
    tracer = provider.get_tracer("t")
    parent = trace.SpanContext(1, 2, is_remote=True)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    assert parent == tracer.start_span("a", context).get_span_context()
    assert parent == tracer.start_span("a", context=context).get_span_context()
    assert not tracer.start_span("a").get_span_context().is_valid
    assert provider.tracer("t") is None


def test_processors_added_later_see_the_spans():
    """`add_span_processor` of the SDK works on the pipeline in use."""
    exporter = memory()
    provider = LiveTracerProvider(pipeline(memory()))
    tracer = provider.get_tracer("t")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer.start_span("work").end()
    assert (1, True) == (len(exporter.spans), provider.force_flush())


def test_a_tracer_is_not_kept_alive():
    """Tracers made in passing are let go."""
    provider = LiveTracerProvider(pipeline(memory()))
    for number in range(100):
        provider.get_tracer(f"t{number}")
    assert len(provider._live_tracers) <= 100
