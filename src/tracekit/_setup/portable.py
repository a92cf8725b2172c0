"""Configurations in a form that can be pickled and sent to a worker process.

An argument that cannot be pickled is left out, and a warning says so once.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tracekit._base.log import log_warning_once
from tracekit._delivery.memory_exporter import MemoryExporter
from tracekit._setup.components import Configuration

_Exporters = tuple[tuple[Any, Any], ...]

# They identify the process that sends the configuration.
_PROCESS_ATTRIBUTES: Final = ("service.instance.id", "process.pid")
_REMEDIES: Final = {
    "exporter": "name the exporter ('otlp', 'file:PATH'), or use one of tracekit.exporters",
    "sampler": "give its name or a ratio, or use a class that can be pickled",
    "processor": "use a class that can be pickled, or add it in the worker",
}
_DEFAULT_REMEDY: Final = "give its name, or use a class that can be pickled"


class PortableConfiguration:
    """The parts of a configuration that can be sent to a worker process.

    Args:
        configuration: The complete configuration.
        setup_id: The identifier of the set-up. Each warning is logged once for it.
    """

    def __init__(self, configuration: Configuration, setup_id: str) -> None:
        self.configuration = configuration
        self._setup_id = setup_id

    @cached_property
    def pickled(self) -> bytes:
        """The changed fields of the configuration, pickled once, because each task brings them."""
        given = self.configuration
        portable = replace(
            given,
            exporters=self._portable_exporters(given.exporters),
            processors=tuple(
                one for one in given.processors if self._is_portable(one, "processor")
            ),
            sampler=self._portable(given.sampler, "sampler"),
            filter=self._portable(given.filter, "filter"),
            propagator=self._portable(given.propagator, "propagator"),
            id_generator=self._portable(given.id_generator, "id_generator"),
            resource=self._portable(_without_process_attributes(given.resource), "resource"),
            # The worker decides these two.
            continue_trace=True,
            export_local_roots_at_once=False,
        )
        return pickle.dumps(portable.changed_fields(), pickle.HIGHEST_PROTOCOL)

    def warn_of_memory_exporters(self) -> None:
        """Log once that spans in the memory of a worker do not reach this process."""
        for exporter, _ in _flattened(self.configuration.exporters):
            if _is_memory_exporter(exporter):
                log_warning_once(
                    (self._setup_id, "memory"),
                    "spans of worker processes do not reach exporter=%r, which is in the memory of "
                    "this one: send them to 'otlp' or 'file:PATH' as well",
                    exporter,
                )

    def _portable_exporters(
        self, given: tuple[tuple[Any, Any], ...]
    ) -> tuple[tuple[Any, Any], ...]:
        exporters = _flattened(given)
        portable = tuple(
            (exporter, own)
            for exporter, own in exporters
            if not _is_memory_exporter(exporter) and self._is_portable(exporter, "exporter")
        )
        # With no exporter at all the worker would use its environment's, or the console.
        return portable if portable or not exporters else (("none", None),)

    def _portable(self, value: Any, argument: str) -> Any:
        return value if value is None or self._is_portable(value, argument) else None

    def _is_portable(self, value: Any, argument: str) -> bool:
        try:
            pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            log_warning_once(
                (self._setup_id, argument, type(value)),
                "%s=%r does not go to worker processes, since it cannot be pickled (%s): %s; or "
                "call init_telemetry in an initializer of the workers",
                argument,
                value,
                error,
                _REMEDIES.get(argument, _DEFAULT_REMEDY),
            )
            return False
        return True


def _flattened(exporters: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return single exporters, each with its own filter as text, or None."""
    flat: list[tuple[Any, Any]] = []
    for exporter, given in exporters:
        if isinstance(exporter, (list, tuple)):
            flat.extend(_flattened([(one, given) for one in exporter]))
        else:
            own = given if given is not None else getattr(exporter, "own_filter", None)
            flat.append((exporter, None if own is None else str(own)))
    return flat


def _is_memory_exporter(exporter: object) -> bool:
    return exporter == "memory" or isinstance(exporter, (MemoryExporter, InMemorySpanExporter))


def _without_process_attributes(resource: Any) -> Any:
    if isinstance(resource, Resource):
        resource = resource.attributes
    if not isinstance(resource, Mapping):
        return resource
    kept = {name: value for name, value in resource.items() if name not in _PROCESS_ATTRIBUTES}
    return kept or None
