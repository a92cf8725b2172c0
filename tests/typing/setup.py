"""What a type checker sees of set-up."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from typing_extensions import assert_type

import tracekit
from tracekit import Filter, Level, Telemetry, TelemetryBuilder, exporters
from tracekit.testing import capture_spans

telemetry = tracekit.init_telemetry(
    "shop",
    exporter=["console", exporters.memory(), ConsoleSpanExporter()],
    sampler=0.1,
    filter=Filter("info"),
    propagator=["tracecontext"],
    resource={"tier": "web"},
    libraries=["fastapi"],
    redact=["plate"],
)
assert_type(telemetry, Telemetry)
assert_type(telemetry.flush(timeout=1), bool)
assert_type(telemetry.stats.exported, int)
assert_type(telemetry.tracer_provider, TracerProvider)
assert_type(telemetry.filter.enables("shop", Level.INFO), bool)
assert_type(
    TelemetryBuilder("shop").with_exporter("otlp").with_sampler(ALWAYS_ON).build(), Telemetry
)

with capture_spans(steady=True) as spans:
    assert_type(len(spans), int)

tracekit.init_telemetry(exporter=1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
