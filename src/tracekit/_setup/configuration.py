"""The configuration of a set-up: what the program asked for, before anything is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Configuration:
    """The arguments of a set-up, as they were given.

    It is an immutable value. `create_components` checks it and creates what it names.

    Attributes:
        service_name: The service's name.
        exporters: Exporters, each with its own filter or None.
        sampler: The head sampler.
        filter: The filter of every exporter that has none of its own.
        propagator: The propagator of messages.
        resource: Attributes of the resource, or a resource.
        processors: Span processors of the user.
        libraries: Names of instrumentation libraries.
        redact: Names whose values are redacted, or whether the standard names are.
        id_generator: The generator of trace and span ids.
        continue_trace: Whether the process continues the trace of `TRACEPARENT`.
        export_local_roots_at_once: Whether the end of a local root starts an export without waiting
            for the batch's delay.
        exporter_filters: The filters of single exporters by name, which replace those in
            `exporters`.
    """

    service_name: Any = None
    exporters: tuple[tuple[Any, Any], ...] = ()
    sampler: Any = None
    filter: Any = None
    propagator: Any = None
    resource: Any = None
    processors: tuple[Any, ...] = ()
    libraries: Any = None
    redact: Any = True
    id_generator: Any = None
    continue_trace: bool = True
    export_local_roots_at_once: bool = False
    exporter_filters: Mapping[str, str] | None = None

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, by name."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) is not field.default
        }


def read_once(names: Any) -> Any:
    """Return names as a tuple, because an iterator of names cannot be read twice.

    Args:
        names: An iterable of names. A single name and everything else is returned unchanged.
    """
    is_iterable = isinstance(names, Iterable) and not isinstance(names, str)
    return tuple(names) if is_iterable else names
