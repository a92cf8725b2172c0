"""Worker processes that are set up like their parent.

An initializer is sent to the worker. It calls `set_up_worker` there, with the configuration of the
parent in pickled form. An argument that cannot be pickled is left out, and a warning says so once.
"""

from __future__ import annotations

import pickle
import secrets
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from multiprocessing import process as _process
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tracekit._base.log import log_warning_once
from tracekit._delivery.memory_exporter import MemoryExporter
from tracekit._setup import runtime
from tracekit._setup.components import (
    Components,
    Configuration,
    ExporterFilters,
    create_components,
)
from tracekit._setup.process_exit import live_setups

# They identify the process that sends the configuration.
_PROCESS_ATTRIBUTES: Final = ("service.instance.id", "process.pid")
_REMEDIES: Final = {
    "exporter": "name the exporter ('otlp', 'file:PATH'), or use one of tracekit.exporters",
    "sampler": "give its name or a ratio, or use a class that can be pickled",
    "processor": "use a class that can be pickled, or add it in the worker",
}
_DEFAULT_REMEDY: Final = "give its name, or use a class that can be pickled"


def set_up_worker(setup_id: str, pickled: bytes) -> None:
    """Set up this process like the process that pickled the changed fields of a configuration.

    It does nothing if the process was set up so before, and never raises.
    """

    def create_setup() -> tuple[Components, LocalInitializer]:
        # The process that this one works for pickled them.
        fields = pickle.loads(pickled)  # noqa: S301  # see above
        configuration = Configuration(
            **fields,
            # Each task brings the trace that it belongs to.
            continue_trace=False,
            # Processes of multiprocessing run finalizers. Other engines may kill their workers.
            export_local_roots_at_once=_process.parent_process() is None,
        )
        return create_components(configuration), LocalInitializer(configuration)

    runtime.install_in_worker(setup_id, create_setup)


class PickledInitializer:
    """Sets up the worker process that calls it: `Telemetry.in_worker` after unpickling."""

    # Ray reads the name of its hook, as of a function.
    __name__ = "in_worker"

    def __init__(self, setup_id: str, pickled: bytes) -> None:
        self.setup_id = setup_id
        self._pickled = pickled

    # gunicorn counts the positional parameters, and expects these two.
    def __call__(
        self, server: object = None, worker: object = None, *args: object, **kwargs: object
    ) -> None:
        """Set up this process. All arguments but the `signal` of Celery are ignored."""
        set_up_worker(self.setup_id, self.pickled_configuration())
        # A process of Celery's pool sends a signal, then ends by os._exit and runs no finalizer.
        if getattr(kwargs.get("signal"), "name", None) == "worker_process_init":
            shutdown = sys.modules["celery.signals"].worker_process_shutdown
            shutdown.connect(_flush, weak=False, dispatch_uid="tracekit")

    def pickled_configuration(self) -> bytes:
        """Return the changed fields of the configuration, pickled."""
        return self._pickled

    def __reduce__(self) -> tuple[Any, ...]:
        return PickledInitializer, (self.setup_id, self.pickled_configuration())


def _flush(**_: object) -> None:
    live_setups.flush()


class LocalInitializer(PickledInitializer):
    """The initializer in the process whose configuration it sends."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(secrets.token_hex(8), b"")
        self._configuration = configuration
        # The configuration that was pickled, and the result.
        self._last_pickled: tuple[Configuration | None, bytes] = None, b""
        self._has_warned = False

    def use_filters(self, filters: ExporterFilters) -> None:
        """Send other filters from now on."""
        self._configuration = replace(
            self._configuration,
            filter=str(filters.default),
            exporter_filters={name: str(one) for name, one in filters.own.items()},
        )

    def warn_of_memory_exporters(self) -> None:
        """Log once that spans in the memory of a worker do not reach this process."""
        # Called for each task.
        if self._has_warned:
            return
        self._has_warned = True
        for exporter, _ in _flattened(self._configuration.exporters):
            if _is_memory_exporter(exporter):
                log_warning_once(
                    (self.setup_id, "memory"),
                    "spans of worker processes do not reach exporter=%r, which is in the memory of "
                    "this one: send them to 'otlp' or 'file:PATH' as well",
                    exporter,
                )

    def pickled_configuration(self) -> bytes:
        """Return the changed fields of the configuration, pickled."""
        # Pickled once per configuration, because each task brings them.
        configuration = self._configuration
        pickled_from, pickled = self._last_pickled
        if pickled_from is not configuration:
            pickled = self._pickle(configuration)
            self._last_pickled = configuration, pickled
        return pickled

    def _pickle(self, given: Configuration) -> bytes:
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
                (self.setup_id, argument, type(value)),
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
