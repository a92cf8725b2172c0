"""The resource: who the spans come from."""

from __future__ import annotations

import os
import platform
import socket
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.resources import Resource

from tracekit._base.errors import ConfigurationError


def make_resource(service_name: str | None, given: Any) -> Resource:
    """Put the resource together.

    A later source wins: what tracekit finds out by itself, `OTEL_RESOURCE_ATTRIBUTES` and
    `OTEL_SERVICE_NAME`, the given resource, the service name.

    Args:
        service_name: The service's name, or None.
        given: A mapping of attributes, a resource of the SDK, or None.

    Raises:
        ConfigurationError: The name is empty, or the resource is none.
    """
    if service_name is not None and not (isinstance(service_name, str) and service_name.strip()):
        raise ConfigurationError(
            f"service_name={service_name!r}: expected a name that is not empty"
        )
    own = {} if service_name is None else {"service.name": service_name}
    return _found_out().merge(Resource.create()).merge(_given(given)).merge(Resource(own))


def _given(value: Any) -> Resource:
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


def _found_out() -> Resource:
    return Resource(
        {
            "telemetry.distro.name": "otel-tracekit",
            "telemetry.distro.version": version("otel-tracekit"),
            "service.instance.id": str(uuid.uuid4()),
            "host.name": socket.gethostname(),
            "os.type": platform.system().lower(),
            "process.pid": os.getpid(),
            "process.runtime.name": platform.python_implementation().lower(),
            "process.runtime.version": platform.python_version(),
        }
    )
