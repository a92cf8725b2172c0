"""Logfire, set up to send nothing but what is measured."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter


def logfire_behind(exporter: SpanExporter) -> Any:
    """Make an instance of Logfire that has this exporter, behind the SDK's batch processor."""
    import logfire

    return logfire.configure(
        local=True,
        send_to_logfire=False,
        console=False,
        metrics=False,
        additional_span_processors=[BatchSpanProcessor(exporter)],
    )
