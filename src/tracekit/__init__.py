"""Tracing for Python in the style of Rust's `tracing`, on OpenTelemetry.

Put `@instrument` on functions and call `init_telemetry` once. The terminal then shows each trace as
a tree, and another exporter sends the same spans to any OTLP backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracekit._base.errors import (
    ConfigurationError,
    FilterSyntaxError,
    InstrumentationError,
    TracekitError,
)
from tracekit._base.levels import Level
from tracekit._filters.filter import Filter
from tracekit._instrument.decorator import instrument
from tracekit._recording.spans import event, record, span

if TYPE_CHECKING:
    from tracekit import describe, executors, exporters, logs, propagation, testing
    from tracekit._context.blocking import run_blocking
    from tracekit._context.snapshots import preserve_context
    from tracekit._delivery.stats import ExporterStats, Stats
    from tracekit._setup.builder import TelemetryBuilder, init_telemetry
    from tracekit._setup.telemetry import Telemetry

__all__ = [
    "ConfigurationError",
    "ExporterStats",
    "Filter",
    "FilterSyntaxError",
    "InstrumentationError",
    "Level",
    "Stats",
    "Telemetry",
    "TelemetryBuilder",
    "TracekitError",
    "describe",
    "event",
    "executors",
    "exporters",
    "init_telemetry",
    "instrument",
    "logs",
    "preserve_context",
    "propagation",
    "record",
    "run_blocking",
    "span",
    "testing",
]

__version__ = "0.1.0"

# A library that decorates its functions must not load the SDK, or other parts that it does not use.
# So all names but the decorator and the functions for a function's body are loaded on first access.
_LAZY_NAMES = {
    "ExporterStats": "tracekit._delivery.stats",
    "Stats": "tracekit._delivery.stats",
    "Telemetry": "tracekit._setup.telemetry",
    "TelemetryBuilder": "tracekit._setup.builder",
    "describe": "tracekit.describe",
    "executors": "tracekit.executors",
    "exporters": "tracekit.exporters",
    "init_telemetry": "tracekit._setup.builder",
    "logs": "tracekit.logs",
    "preserve_context": "tracekit._context.snapshots",
    "propagation": "tracekit.propagation",
    "run_blocking": "tracekit._context.blocking",
    "testing": "tracekit.testing",
}


def __getattr__(name: str) -> Any:
    module_name = _LAZY_NAMES.get(name)
    if module_name is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(module_name)
    value = module if module_name == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
