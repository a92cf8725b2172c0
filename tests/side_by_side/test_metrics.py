"""The SDK's metrics about its own spans, beside the SDK's."""

from __future__ import annotations

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import _internal as metrics_state
from opentelemetry.sdk import environment_variables
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler
from opentelemetry.trace import NonRecordingSpan

from tests.side_by_side.sides import assert_same
from tests.side_by_side.test_starting import in_context, remote

COUNTS = hasattr(environment_variables, "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED")
ENABLED = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"


def counted(reader):
    """The points of the metrics about spans, by their names."""
    data = reader.get_metrics_data()
    return (
        []
        if data is None
        else [
            (
                scope.scope.name,
                metric.name,
                metric.unit,
                sorted(map(point_of, metric.data.data_points)),
            )
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            # The reader counts its own collections, too.
            if ".span." in metric.name
        ]
    )


def point_of(point):
    return sorted(point.attributes.items()), point.value


@pytest.mark.parametrize("decision", Decision, ids=str)
@pytest.mark.parametrize("enabled", ["true", "false"])
def test_started_and_open_spans(decision, enabled, monkeypatch):
    """The releases that count them count the same at every point."""
    monkeypatch.setenv(ENABLED, enabled)
    # The global one, as a set-up finds it.
    monkeypatch.setattr(metrics_state, "_METER_PROVIDER", None)

    def script(side):
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader], shutdown_on_exit=False)
        monkeypatch.setattr(metrics_state, "_METER_PROVIDER", provider)
        assert metrics.get_meter_provider() is provider
        tracer = side.provider.get_tracer("counted")
        with tracer.start_as_current_span("a"):
            tracer.start_span("b")
            side.note(counted(reader))
        tracer.start_span("c", in_context(NonRecordingSpan(remote()))).end()
        ended = tracer.start_span("d")
        ended.end()
        ended.end()
        side.attempt(fail, tracer)
        side.note(counted(reader))
        provider.shutdown()

    side = assert_same(script, sampler=lambda side: StaticSampler(decision))
    assert (enabled == "true" and COUNTS) == bool(side.noted[-1])


def fail(tracer):
    with tracer.start_as_current_span("failing"):
        raise ValueError("no luck")
