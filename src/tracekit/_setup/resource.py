"""Resolve the argument `resource=` and the service name to a resource."""

from __future__ import annotations

import platform
import socket
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.resources import Resource

from tracekit._base.errors import ConfigurationError
from tracekit._sdk.pipeline import process_identity


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
    named = Resource({} if service_name is None else {"service.name": service_name})
    environment = Resource.create()
    return _process_resource().merge(environment).merge(_check_resource(given)).merge(named)


def _check_resource(value: Any) -> Resource:
    if value is None:
        return Resource({})
    if isinstance(value, Resource):
        return value
    if isinstance(value, Mapping) and all(isinstance(name, str) and name for name in value):
        return Resource(dict(value))
    raise ConfigurationError(
        f"resource={value!r}: expected a mapping of attribute names to values, or a Resource of "
        f"the OpenTelemetry SDK"
    )


def _process_resource() -> Resource:
    attributes = {
        "telemetry.distro.name": "otel-tracekit",
        "telemetry.distro.version": version("otel-tracekit"),
        "host.name": socket.gethostname(),
        "os.type": platform.system().lower(),
        "process.runtime.name": platform.python_implementation().lower(),
        "process.runtime.version": platform.python_version(),
    }
    return Resource(attributes).merge(process_identity())
