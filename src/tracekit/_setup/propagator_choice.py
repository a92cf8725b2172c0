"""From what `propagator=` was given, or the environment says, to a propagator."""

from __future__ import annotations

import os
from typing import Any, Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracekit._base.errors import ConfigurationError
from tracekit._setup import named_components

_GROUP: Final = "opentelemetry_propagator"
_VARIABLE: Final = "OTEL_PROPAGATORS"
_DEFAULT: Final = "tracecontext,baggage"
# Known by name for what they need; the package that declares the name may not be installed.
_PACKAGES: Final = {
    "b3": "opentelemetry-propagator-b3",
    "b3multi": "opentelemetry-propagator-b3",
    "jaeger": "opentelemetry-propagator-jaeger",
}


def choose(value: Any) -> TextMapPropagator:
    """The propagator that was asked for.

    Args:
        value: Names as in `OTEL_PROPAGATORS`, separated by commas; a propagator; a list of names
            and propagators; or None for what the environment says.

    Raises:
        ConfigurationError: One of them is unknown or cannot be made.
    """
    if value is None:
        text = os.environ.get(_VARIABLE, "").strip()
        asked = f"{_VARIABLE}={text!r}" if text else "propagator"
        return _of_names(text or _DEFAULT, asked)
    if isinstance(value, TextMapPropagator):
        return value
    if isinstance(value, str):
        return _of_names(value, f"propagator={value!r}")
    if isinstance(value, (list, tuple)):
        return CompositePropagator([choose(one) for one in value if one is not None])
    raise ConfigurationError(
        f"propagator={value!r} is no propagator: say {_known()}, a propagator of OpenTelemetry, "
        f"or a list of these"
    )


def _of_names(text: str, asked: str) -> TextMapPropagator:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if "none" in names:
        return CompositePropagator([])
    if not names:
        raise ConfigurationError(f"{asked} names no propagator: say {_known()}")
    made = [_of_name(name, asked) for name in dict.fromkeys(names)]
    return made[0] if len(made) == 1 else CompositePropagator(made)


def _of_name(name: str, asked: str) -> TextMapPropagator:
    if name == "tracecontext":
        return TraceContextTextMapPropagator()
    if name == "baggage":
        return W3CBaggagePropagator()
    point = named_components.find(_GROUP, name)
    if point is None:
        package = _PACKAGES.get(name)
        remedy = f"run: pip install {package}" if package else f"say {_known()}"
        raise ConfigurationError(f"{asked}: the propagator {name!r} is not installed; {remedy}")
    made = named_components.make(point, asked)
    if not isinstance(made, TextMapPropagator):
        raise ConfigurationError(f"{asked}: {point.value} makes no propagator")
    return made


def _known() -> str:
    return ", ".join(map(repr, [*named_components.names(_GROUP), "none"]))
