"""The private names of OpenTelemetry: they exist in this release, or are not needed."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.context import contextvars_context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import sampling

import tracekit
from tests.test_provider import pipeline
from tracekit import exporters, instrument
from tracekit._base.log import forget_logged_warnings
from tracekit._recording import current_context
from tracekit._sdk import sdk_compat
from tracekit._sdk.provider import LiveTracerProvider
from tracekit._sdk.sampling import _PARTS, KnownDecisions
from tracekit._sdk.span import LeanSpan

pytestmark = pytest.mark.usefixtures("global_telemetry")


@pytest.fixture
def moved(monkeypatch):
    """Simulate a release of the SDK in which names have moved."""

    def move(*names):
        monkeypatch.setattr(sdk_compat, "moved_names", lambda: names)
        forget_logged_warnings()

    yield move
    forget_logged_warnings()


def test_no_name_has_moved():
    """The installed release sets exactly the private names that lean spans have."""
    assert () == sdk_compat.moved_names()


def test_a_parent_based_sampler_has_its_parts():
    """The known decisions are read from them."""
    assert set(_PARTS) <= set(vars(sampling.DEFAULT_ON))
    assert KnownDecisions(True, False, True, False, True) == KnownDecisions.of(sampling.DEFAULT_ON)


def test_the_context_is_in_a_variable():
    """Unless the environment selects another runtime context."""
    runtime = contextvars_context.ContextVarsRuntimeContext
    assert "_current_context" in vars(runtime())
    assert current_context.context_variable() is not None


@pytest.mark.parametrize("name", sorted(sdk_compat.SPAN))
def test_a_name_that_a_release_has_moved(monkeypatch, name):
    """The missing name and the new one are found."""

    class Moved(sdk.Span):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            vars(self)[f"{name}_now"] = vars(self).pop(name)

        def start(self, *args, **kwargs):
            pass

    monkeypatch.setattr(sdk, "_Span", Moved)
    assert {f"Span.{name}", f"Span.{name}_now"} == set(sdk_compat._find_moved_names())


def test_spans_if_a_name_has_moved(moved, caplog):
    """They are the SDK's own, with one warning."""
    moved("Span._limits", "SpanContext")
    exporter = exporters.memory()
    with caplog.at_level(logging.WARNING, "tracekit"):
        provider = LiveTracerProvider(pipeline(exporter))
        for name in ("a", "b"):
            provider.get_tracer(name).start_span("work", attributes={"x": 1}).end()
    assert [("work", {"x": 1})] * 2 == [(s.name, dict(s.attributes)) for s in exporter.spans]
    assert not any(isinstance(span, LeanSpan) for span in exporter.spans)
    assert 1 == caplog.text.count("has moved Span._limits, SpanContext")


def test_decorated_functions_if_a_name_has_moved(moved):
    """Call site attributes, arguments, results and two filters work with the SDK's own spans."""
    moved("Span._limits")
    coarse, fine = exporters.memory(filter="info"), exporters.memory(filter="debug")
    with tracekit.init_telemetry("t", exporter=[coarse, fine]):

        @instrument(level="debug")
        def inner(x):
            return x

        @instrument(ret=True)
        def outer(x):
            return inner(x) + 1

        assert 3 == outer(2)
    assert ["outer"] == [span.name.rpartition(".")[2] for span in coarse.spans]
    assert ["inner", "outer"] == [span.name.rpartition(".")[2] for span in fine.spans]
    attributes = fine.spans[1].attributes
    assert 2 == attributes["x"]
    assert 3 == attributes["return"]
    assert "code.function.name" in attributes


def test_a_tracer_whose_spans_the_sdk_counts(monkeypatch):
    """It makes the SDK's own spans, because the SDK's metrics count only these."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    provider = LiveTracerProvider(pipeline(exporters.memory()))
    tracer = provider.get_tracer("t")
    if not hasattr(tracer, "_tracer_metrics"):
        pytest.skip("older releases have no such metrics")
    assert not isinstance(tracer.start_span("work"), LeanSpan)
