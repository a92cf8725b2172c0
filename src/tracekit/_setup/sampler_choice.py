"""From what `sampler=` was given, or the environment says, to a sampler."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)

from tracekit._base.errors import ConfigurationError
from tracekit._setup import named_components

_GROUP: Final = "opentelemetry_traces_sampler"
_VARIABLE: Final = "OTEL_TRACES_SAMPLER"
_ARGUMENT_VARIABLE: Final = "OTEL_TRACES_SAMPLER_ARG"
_PLAIN: Final[dict[str, Sampler]] = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": DEFAULT_ON,
    "parentbased_always_off": DEFAULT_OFF,
}
_BY_RATIO: Final[dict[str, Callable[[float], Sampler]]] = {
    "traceidratio": TraceIdRatioBased,
    "parentbased_traceidratio": ParentBasedTraceIdRatio,
}


def choose(value: Any) -> Sampler:
    """The sampler that was asked for.

    Args:
        value: A ratio from 0.0 to 1.0 (parent-based), a name of `OTEL_TRACES_SAMPLER` with its
            argument behind a colon, a sampler, or None for what the environment says.

    Raises:
        ConfigurationError: It is none of these.
    """
    if value is None:
        return _of_environment()
    if isinstance(value, Sampler):
        return value
    if isinstance(value, str):
        name, _, argument = value.partition(":")
        return _by_name(name.strip().lower(), argument.strip(), f"sampler={value!r}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ParentBasedTraceIdRatio(_ratio(value, f"sampler={value!r}"))
    raise ConfigurationError(
        f"sampler={value!r} is no sampler: say a ratio from 0.0 to 1.0, {_known()}, "
        f"or a Sampler of the OpenTelemetry SDK"
    )


def _of_environment() -> Sampler:
    name = os.environ.get(_VARIABLE, "").strip().lower()
    if not name:
        return DEFAULT_ON
    argument = os.environ.get(_ARGUMENT_VARIABLE, "").strip()
    return _by_name(name, argument, f"{_VARIABLE}={name!r}")


def _by_name(name: str, argument: str, asked: str) -> Sampler:
    if name in _PLAIN:
        return _PLAIN[name]
    if name in _BY_RATIO:
        where = f"{asked} with the argument {argument!r}" if argument else asked
        return _BY_RATIO[name](_ratio(argument or "1.0", where))
    point = named_components.find(_GROUP, name)
    if point is None:
        raise ConfigurationError(f"{asked} is unknown: say {_known()}")
    made = named_components.make(point, asked, argument)
    if not isinstance(made, Sampler):
        raise ConfigurationError(f"{asked}: {point.value} makes no Sampler")
    return made


def _ratio(value: float | str, asked: str) -> float:
    try:
        ratio = float(value)
    except ValueError:
        ratio = float("nan")
    if not 0.0 <= ratio <= 1.0:
        raise ConfigurationError(f"{asked}: the ratio must be a number from 0.0 to 1.0")
    return ratio


def _known() -> str:
    with_ratio = [f"{name}:0.1" for name in _BY_RATIO]
    others = [name for name in named_components.names(_GROUP) if name not in {*_PLAIN, *_BY_RATIO}]
    return ", ".join(map(repr, [*_PLAIN, *with_ratio, *others]))
