"""Resolve the argument `propagator=`, or the environment in its place, to a propagator."""

from __future__ import annotations

import os
from typing import Any, Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracekit._base.errors import ConfigurationError
from tracekit._setup.entry_points import create_component, entry_point_names

_GROUP: Final = "opentelemetry_propagator"
_VARIABLE: Final = "OTEL_PROPAGATORS"
_DEFAULT: Final = "tracecontext,baggage"
# The packages of the names in the specification, for a hint where one is not installed.
_PACKAGES: Final = {
    "b3": "opentelemetry-propagator-b3",
    "b3multi": "opentelemetry-propagator-b3",
    "jaeger": "opentelemetry-propagator-jaeger",
}


def resolve_propagator(value: Any) -> TextMapPropagator:
    """Return the propagator that a value names, or is.

    Args:
        value: Names as in `OTEL_PROPAGATORS`, separated by commas; a propagator; a list of names
            and propagators; or None for the propagators of the environment.

    Raises:
        ConfigurationError: A propagator is unknown or cannot be created.
    """
    if value is None:
        text = os.environ.get(_VARIABLE, "").strip()
        argument = f"{_VARIABLE}={text!r}" if text else "propagator"
        return _resolve_names(text or _DEFAULT, argument)
    if isinstance(value, TextMapPropagator):
        return value
    if isinstance(value, str):
        return _resolve_names(value, f"propagator={value!r}")
    if isinstance(value, (list, tuple)):
        return CompositePropagator([resolve_propagator(one) for one in value if one is not None])
    raise ConfigurationError(
        f"propagator={value!r} is not a propagator: use {_known_names()}, a propagator of "
        f"OpenTelemetry, or a list of these"
    )


def _resolve_names(text: str, argument: str) -> TextMapPropagator:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if "none" in names:
        return CompositePropagator([])
    if not names:
        raise ConfigurationError(f"{argument} names no propagator: use {_known_names()}")
    propagators = [_resolve_name(name, argument) for name in dict.fromkeys(names)]
    return propagators[0] if len(propagators) == 1 else CompositePropagator(propagators)


def _resolve_name(name: str, argument: str) -> TextMapPropagator:
    if name == "tracecontext":
        return TraceContextTextMapPropagator()
    if name == "baggage":
        return W3CBaggagePropagator()
    propagator: TextMapPropagator | None = create_component(
        _GROUP, name, TextMapPropagator, argument
    )
    if propagator is None:
        package = _PACKAGES.get(name)
        remedy = f"run: pip install {package}" if package else f"use {_known_names()}"
        raise ConfigurationError(f"{argument}: the propagator {name!r} is not installed; {remedy}")
    return propagator


def _known_names() -> str:
    return ", ".join(map(repr, [*entry_point_names(_GROUP), "none"]))
