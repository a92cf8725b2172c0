"""Tracing for Python the way Rust's `tracing` does it, on OpenTelemetry.

Put `@instrument` on functions, call `init_telemetry` once, and see what happened as a tree: in the
terminal at once, and in any OTLP backend with one word changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracekit import describe
from tracekit._errors import (
    ConfigurationError,
    FilterSyntaxError,
    InstrumentationError,
    TracekitError,
)
from tracekit._filter import Filter
from tracekit._instrument import instrument
from tracekit._levels import Level
from tracekit._spans import event, record, span

if TYPE_CHECKING:
    from tracekit import exporters, testing
    from tracekit._builder import TelemetryBuilder, init_telemetry
    from tracekit._engine._counts import ExporterStats, Stats
    from tracekit._telemetry import Telemetry

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
    "exporters",
    "init_telemetry",
    "instrument",
    "record",
    "span",
    "testing",
]

__version__ = "0.1.0"

# A library that decorates its functions must not pay for the SDK; the set-up loads when asked for.
_LOADED_LATE = {
    "ExporterStats": "tracekit._engine._counts",
    "Stats": "tracekit._engine._counts",
    "Telemetry": "tracekit._telemetry",
    "TelemetryBuilder": "tracekit._builder",
    "exporters": "tracekit.exporters",
    "init_telemetry": "tracekit._builder",
    "testing": "tracekit.testing",
}


def __getattr__(name: str) -> Any:
    module_name = _LOADED_LATE.get(name)
    if module_name is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(module_name)
    value = module if module_name == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
