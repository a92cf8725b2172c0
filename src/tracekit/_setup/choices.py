"""Resolve the arguments of a set-up, or the environment in their place, to objects.

The exporters have a module of their own.
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log_warning
from tracekit._filters.filter import Filter, filter_from_environment, find_misspelt_levels
from tracekit._sdk.pipeline import process_identity
from tracekit._setup.entry_points import create_component, entry_point_names

_SAMPLERS: Final = "opentelemetry_traces_sampler"
_SAMPLERS_BY_NAME: Final[dict[str, Sampler]] = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": DEFAULT_ON,
    "parentbased_always_off": DEFAULT_OFF,
}
_SAMPLERS_WITH_RATIO: Final[dict[str, Callable[[float], Sampler]]] = {
    "traceidratio": TraceIdRatioBased,
    "parentbased_traceidratio": ParentBasedTraceIdRatio,
}

_PROPAGATORS: Final = "opentelemetry_propagator"
_DEFAULT_PROPAGATORS: Final = "tracecontext,baggage"
_PROPAGATORS_BY_NAME: Final[dict[str, Callable[[], TextMapPropagator]]] = {
    "tracecontext": TraceContextTextMapPropagator,
    "baggage": W3CBaggagePropagator,
}
# The packages of the names in the specification, for a hint where one is not installed.
_PROPAGATOR_PACKAGES: Final = {
    "b3": "opentelemetry-propagator-b3",
    "b3multi": "opentelemetry-propagator-b3",
    "jaeger": "opentelemetry-propagator-jaeger",
}


def resolve_filter(directives: str | Filter | None) -> Filter:
    """Parse directives, and warn of a target that is probably a misspelt level.

    Raises:
        FilterSyntaxError: The text does not parse.
    """
    resolved = filter_from_environment() if directives is None else Filter(directives)
    for word, level in find_misspelt_levels(resolved):
        log_warning("filter: %r is taken for a target; did you mean the level %r?", word, level)
    return resolved


def resolve_sampler(value: Any) -> Sampler:
    """Return the sampler that a value names, or is.

    Args:
        value: A ratio from 0.0 to 1.0 (parent-based), a name of `OTEL_TRACES_SAMPLER` with its
            argument after a colon, a sampler, or None for the sampler of the environment.

    Raises:
        ConfigurationError: The value is none of these.
    """
    if value is None:
        name = os.environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
        argument = os.environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
        source = f"OTEL_TRACES_SAMPLER={name!r}"
        return _named_sampler(name, argument, source) if name else DEFAULT_ON
    if isinstance(value, Sampler):
        return value
    source = f"sampler={value!r}"
    if isinstance(value, str):
        name, _, argument = value.partition(":")
        return _named_sampler(name.strip().lower(), argument.strip(), source)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ParentBasedTraceIdRatio(_ratio(value, source))
    raise ConfigurationError(
        f"{source} is not a sampler: use a ratio from 0.0 to 1.0, {_sampler_names()}, or a Sampler "
        f"of the OpenTelemetry SDK"
    )


def _named_sampler(name: str, argument: str, source: str) -> Sampler:
    if name in _SAMPLERS_BY_NAME:
        return _SAMPLERS_BY_NAME[name]
    if name in _SAMPLERS_WITH_RATIO:
        where = f"{source} with the argument {argument!r}" if argument else source
        return _SAMPLERS_WITH_RATIO[name](_ratio(argument or "1.0", where))
    sampler: Sampler | None = create_component(_SAMPLERS, name, Sampler, source, argument)
    if sampler is None:
        raise ConfigurationError(f"{source} is unknown: use {_sampler_names()}")
    return sampler


def _ratio(value: float | str, source: str) -> float:
    try:
        ratio = float(value)
    except ValueError:
        ratio = float("nan")
    if not 0.0 <= ratio <= 1.0:
        raise ConfigurationError(f"{source}: the ratio must be a number from 0.0 to 1.0")
    return ratio


def _sampler_names() -> str:
    built_in = {**_SAMPLERS_BY_NAME, **_SAMPLERS_WITH_RATIO}
    others = [name for name in entry_point_names(_SAMPLERS) if name not in built_in]
    with_ratio = [f"{name}:0.1" for name in _SAMPLERS_WITH_RATIO]
    return ", ".join(map(repr, [*_SAMPLERS_BY_NAME, *with_ratio, *others]))


def resolve_propagator(value: Any) -> TextMapPropagator:
    """Return the propagator that a value names, or is.

    Args:
        value: Names as in `OTEL_PROPAGATORS`, separated by commas; a propagator; a list of names
            and propagators; or None for the propagators of the environment.

    Raises:
        ConfigurationError: A propagator is unknown or cannot be created.
    """
    if value is None:
        text = os.environ.get("OTEL_PROPAGATORS", "").strip()
        source = f"OTEL_PROPAGATORS={text!r}" if text else "propagator"
        return _named_propagators(text or _DEFAULT_PROPAGATORS, source)
    if isinstance(value, TextMapPropagator):
        return value
    if isinstance(value, str):
        return _named_propagators(value, f"propagator={value!r}")
    if isinstance(value, (list, tuple)):
        return CompositePropagator([resolve_propagator(one) for one in value if one is not None])
    raise ConfigurationError(
        f"propagator={value!r} is not a propagator: use {_propagator_names()}, a propagator of "
        f"OpenTelemetry, or a list of these"
    )


def _named_propagators(text: str, source: str) -> TextMapPropagator:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if "none" in names:
        return CompositePropagator([])
    if not names:
        raise ConfigurationError(f"{source} names no propagator: use {_propagator_names()}")
    propagators = [_named_propagator(name, source) for name in dict.fromkeys(names)]
    return propagators[0] if len(propagators) == 1 else CompositePropagator(propagators)


def _named_propagator(name: str, source: str) -> TextMapPropagator:
    if name in _PROPAGATORS_BY_NAME:
        return _PROPAGATORS_BY_NAME[name]()
    created: TextMapPropagator | None = create_component(
        _PROPAGATORS, name, TextMapPropagator, source
    )
    if created is None:
        package = _PROPAGATOR_PACKAGES.get(name)
        remedy = f"run: pip install {package}" if package else f"use {_propagator_names()}"
        raise ConfigurationError(f"{source}: the propagator {name!r} is not installed; {remedy}")
    return created


def _propagator_names() -> str:
    return ", ".join(map(repr, [*entry_point_names(_PROPAGATORS), "none"]))


def create_resource(service_name: str | None, given: Any) -> Resource:
    """Create the resource of a set-up.

    A later source replaces the attributes of an earlier one: the attributes of the process,
    `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`, the given resource, the service name.

    Args:
        service_name: The service's name, or None.
        given: A mapping of attributes, a resource of the SDK, or None.

    Raises:
        ConfigurationError: The name is empty, or `given` is none of these.
    """
    if service_name is not None and not (isinstance(service_name, str) and service_name.strip()):
        raise ConfigurationError(f"service_name={service_name!r}: expected a non-empty name")
    if given is None:
        given = {}
    if isinstance(given, Mapping) and all(isinstance(name, str) and name for name in given):
        given = Resource(dict(given))
    if not isinstance(given, Resource):
        raise ConfigurationError(
            f"resource={given!r}: expected a mapping of attribute names to values, or a Resource "
            f"of the OpenTelemetry SDK"
        )
    process = {
        "telemetry.distro.name": "otel-tracekit",
        "telemetry.distro.version": version("otel-tracekit"),
        "host.name": socket.gethostname(),
        "os.type": platform.system().lower(),
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": platform.python_version(),
    }
    named = Resource({} if service_name is None else {"service.name": service_name})
    resource = Resource(process).merge(process_identity()).merge(Resource.create())
    return resource.merge(given).merge(named)


def span_limits() -> SpanLimits:
    """Return the limits of the environment.

    Raises:
        ConfigurationError: A variable is not valid.
    """
    try:
        return SpanLimits()
    except ValueError as error:
        raise ConfigurationError(f"a span limit in the environment: {error}") from None


def check_processor(value: Any) -> SpanProcessor:
    """Return a span processor of the user.

    Raises:
        ConfigurationError: It is something else.
    """
    if not isinstance(value, SpanProcessor):
        raise ConfigurationError(
            f"processor={value!r} is not a SpanProcessor of the OpenTelemetry SDK; "
            f"pass an exporter as exporter="
        )
    return value


def resolve_id_generator(value: Any) -> IdGenerator:
    """Return the user's generator of ids, or that of the SDK for None.

    Raises:
        ConfigurationError: It is something else.
    """
    if value is None:
        return RandomIdGenerator()
    if not isinstance(value, IdGenerator):
        raise ConfigurationError(
            f"id_generator={value!r} is not an IdGenerator of the OpenTelemetry SDK"
        )
    return value
