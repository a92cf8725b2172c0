"""The provider whose pipeline can be exchanged while its tracers are in use."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tracekit._sdk.provider import UNFILTERED, LiveTracerProvider, Pipeline
from tracekit.exporters import memory


def pipeline(exporter, sampler=ALWAYS_ON, **resource):
    processor = sdk.SynchronousMultiSpanProcessor()
    processor.add_span_processor(SimpleSpanProcessor(exporter))
    resource = Resource(resource)
    return Pipeline(sampler, resource, processor, RandomIdGenerator(), sdk.SpanLimits(), UNFILTERED)


def test_the_types_are_the_sdks():
    """Provider, tracer and span are instances of the SDK's classes."""
    provider = LiveTracerProvider(pipeline(memory()))
    tracer = provider.get_tracer("t", "1", "https://schema")
    span = tracer.start_span("work")
    assert isinstance(provider, sdk.TracerProvider)
    assert isinstance(tracer, sdk.Tracer)
    assert isinstance(span, sdk.Span)
    assert InstrumentationScope("t", "1", "https://schema") == span.instrumentation_scope


def test_tracers_use_another_pipeline():
    """The sampler, the resource and the processor of the new pipeline apply."""
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


def test_an_open_span_ends_in_its_own_pipeline():
    """Another pipeline applies only to spans that start after it."""
    first, second = memory(), memory()
    provider = LiveTracerProvider(pipeline(first))
    span = provider.get_tracer("t").start_span("a")
    provider.set_pipeline(pipeline(second))
    span.end()
    assert 1 == len(first.spans)
    assert () == second.spans


def test_a_span_without_a_pipeline():
    """It has the context of its parent, as with OpenTelemetry without an SDK."""
    provider = LiveTracerProvider(None)
    tracer = provider.get_tracer("t")
    parent = trace.SpanContext(1, 2, is_remote=True)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    assert parent == tracer.start_span("a", context).get_span_context()
    assert parent == tracer.start_span("a", context=context).get_span_context()
    assert not tracer.start_span("a").get_span_context().is_valid
    assert provider.tracer("t") is None


def test_a_processor_that_is_added_later():
    """It gets the spans of existing tracers."""
    exporter = memory()
    provider = LiveTracerProvider(pipeline(memory()))
    tracer = provider.get_tracer("t")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer.start_span("work").end()
    assert 1 == len(exporter.spans)
    assert provider.force_flush()


def test_a_tracer_is_not_kept_alive():
    """The provider has only weak references to its tracers."""
    provider = LiveTracerProvider(pipeline(memory()))
    for number in range(100):
        provider.get_tracer(f"t{number}")
    assert len(provider._live_tracers) <= 100
