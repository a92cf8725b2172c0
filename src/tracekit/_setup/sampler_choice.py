"""Resolve the argument `sampler=`, or the environment in its place, to a sampler."""

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
from tracekit._setup.entry_points import create_component, entry_point_names

_GROUP: Final = "opentelemetry_traces_sampler"
_VARIABLE: Final = "OTEL_TRACES_SAMPLER"
_ARGUMENT_VARIABLE: Final = "OTEL_TRACES_SAMPLER_ARG"
_WITHOUT_ARGUMENT: Final[dict[str, Sampler]] = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": DEFAULT_ON,
    "parentbased_always_off": DEFAULT_OFF,
}
_WITH_RATIO: Final[dict[str, Callable[[float], Sampler]]] = {
    "traceidratio": TraceIdRatioBased,
    "parentbased_traceidratio": ParentBasedTraceIdRatio,
}


def resolve_sampler(value: Any) -> Sampler:
    """Return the sampler that a value names, or is.

    Args:
        value: A ratio from 0.0 to 1.0 (parent-based), a name of `OTEL_TRACES_SAMPLER` with its
            argument after a colon, a sampler, or None for the sampler of the environment.

    Raises:
        ConfigurationError: The value is none of these.
    """
    if value is None:
        return _from_environment()
    if isinstance(value, Sampler):
        return value
    if isinstance(value, str):
        name, _, argument = value.partition(":")
        return _resolve_name(name.strip().lower(), argument.strip(), f"sampler={value!r}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ParentBasedTraceIdRatio(_ratio(value, f"sampler={value!r}"))
    raise ConfigurationError(
        f"sampler={value!r} is not a sampler: use a ratio from 0.0 to 1.0, {_known_names()}, "
        f"or a Sampler of the OpenTelemetry SDK"
    )


def _from_environment() -> Sampler:
    name = os.environ.get(_VARIABLE, "").strip().lower()
    if not name:
        return DEFAULT_ON
    argument = os.environ.get(_ARGUMENT_VARIABLE, "").strip()
    return _resolve_name(name, argument, f"{_VARIABLE}={name!r}")


def _resolve_name(name: str, argument: str, argument_text: str) -> Sampler:
    if name in _WITHOUT_ARGUMENT:
        return _WITHOUT_ARGUMENT[name]
    if name in _WITH_RATIO:
        where = f"{argument_text} with the argument {argument!r}" if argument else argument_text
        return _WITH_RATIO[name](_ratio(argument or "1.0", where))
    sampler: Sampler | None = create_component(_GROUP, name, Sampler, argument_text, argument)
    if sampler is None:
        raise ConfigurationError(f"{argument_text} is unknown: use {_known_names()}")
    return sampler


def _ratio(value: float | str, argument_text: str) -> float:
    try:
        ratio = float(value)
    except ValueError:
        ratio = float("nan")
    if not 0.0 <= ratio <= 1.0:
        raise ConfigurationError(f"{argument_text}: the ratio must be a number from 0.0 to 1.0")
    return ratio


def _known_names() -> str:
    with_ratio = [f"{name}:0.1" for name in _WITH_RATIO]
    others = [
        name for name in entry_point_names(_GROUP) if name not in {*_WITHOUT_ARGUMENT, *_WITH_RATIO}
    ]
    return ", ".join(map(repr, [*_WITHOUT_ARGUMENT, *with_ratio, *others]))
