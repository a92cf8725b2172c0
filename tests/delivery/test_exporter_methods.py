"""The method of an exporter that is called, for exporters that wrap or extend others."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import tracekit
from tracekit import exporters

pytestmark = pytest.mark.usefixtures("global_telemetry", "no_otlp_environment")


def test_an_exporter_that_wraps_another_is_called():
    """A class with `export` of its own decides, although it passes other attributes on."""

    class Dropping(SpanExporter):
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def export(self, spans):
            kept.extend(span.name for span in spans)
            return SpanExportResult.SUCCESS

    kept = []
    inner = exporters.otlp(endpoint="http://127.0.0.1:1")
    with tracekit.init_telemetry("t", exporter=Dropping(inner)), tracekit.span("work"):
        pass
    assert ["work"] == kept


def test_a_subclass_with_an_export_of_its_own_is_called():
    """Its `export` counts, and not the method of the class above."""

    class Dropping(type(exporters.otlp())):
        def export(self, spans):
            kept.extend(span.name for span in spans)
            return SpanExportResult.SUCCESS

    kept = []
    with tracekit.init_telemetry("t", exporter=Dropping()), tracekit.span("work"):
        pass
    assert ["work"] == kept
