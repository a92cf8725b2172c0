"""The set-up of a process, written down for the processes that work for it."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from multiprocessing import process as _process
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tracekit._base.log import log_warning_once
from tracekit._delivery.memory_exporter import MemoryExporter
from tracekit._filters.filter import Filter
from tracekit._setup import runtime as _installation

if TYPE_CHECKING:
    from tracekit._setup.builder import TelemetryBuilder

# Those of the process that the worker works for.
_NOT_OF_THE_WORKER: Final = ("service.instance.id", "process.pid")
# For the worker to decide.
_NOT_SHIPPED: Final = ("_continue_trace", "_prompt")
_WAYS_OUT: Final = {
    "exporter": "name the exporter ('otlp', 'file:PATH'), or take one of tracekit.exporters",
    "sampler": "give it by name or ratio, or of a class that can be pickled",
    "processor": "give one of a class that can be pickled, or add it in the worker itself",
}
_OTHER_WAY_OUT: Final = "give it by name, or of a class that can be pickled"


class InWorker:
    """Sets up a process that works for this one, as this one is set up.

    It can be pickled, and called with whatever an engine passes to its hooks. In a process that is
    set up so already, because it was forked or called this before, it does nothing.
    """

    # Ray asks for it, as of a function.
    __name__ = "in_worker"

    def __init__(
        self,
        identity: str,
        *,
        builder: TelemetryBuilder | None = None,
        description: bytes | None = None,
    ) -> None:
        """Made by `TelemetryBuilder`, and from what another process wrote down.

        Args:
            identity: Tells this set-up from others.
            builder: What it is made by.
            description: The same, as `describe` writes it down.
        """
        self.identity = identity
        self._builder = builder
        self._description = description
        self._has_warned = False

    def follow(self, default: Filter, own: Mapping[str, Filter]) -> None:
        """Give workers other filters from now on.

        Args:
            default: For every exporter that has none of its own.
            own: For an exporter, by its name.
        """
        if self._builder is not None:
            filters = {name: str(one) for name, one in own.items()}
            self._builder = replace(self._builder, _filter=str(default), _own_filters=filters)
            self._description = None

    def say_what_is_not_shared(self) -> None:
        """Say once that spans in the memory of a worker process are not seen by its parent."""
        if self._builder is not None and not self._has_warned:
            self._has_warned = True
            warn_of_memory(self._builder, self.identity)

    # gunicorn counts the parameters that are no keywords, and wants these two.
    def __call__(
        self, server: object = None, worker: object = None, *more: object, **named: object
    ) -> None:
        """Set this process up; what is passed does not matter, and nothing is raised.

        Args:
            server: Ignored.
            worker: Ignored.
            *more: Ignored.
            **named: Ignored, but for Celery's signal, which tells that this is a process of Celery.
        """
        _installation.set_up_worker(self.identity, self._install)
        _deliver_when_celery_leaves(named.get("signal"))

    def _install(self) -> None:
        # The builder makes one of these for each set-up.
        from tracekit._setup.builder import TelemetryBuilder

        arguments = pickle.loads(self._written())  # noqa: S301 - of the process that we work for
        # Of the processes of multiprocessing it is known how they end.
        prompt = _process.parent_process() is None
        # Which trace a task belongs to comes with the task.
        TelemetryBuilder(**arguments, _prompt=prompt, _continue_trace=False).install()

    def _written(self) -> bytes:
        if self._description is None:
            assert self._builder is not None  # noqa: S101 - told to the type checker
            self._description = describe(self._builder, self.identity)
        return self._description

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self.identity, self._written())


def _arrived(identity: str, description: bytes) -> InWorker:
    return InWorker(identity, description=description)


def describe(builder: TelemetryBuilder, identity: str) -> bytes:
    """Write a set-up down for other processes.

    What cannot go there is left out, and said once with the way out.

    Args:
        builder: The set-up.
        identity: Tells this set-up from others.

    Returns:
        The pickled arguments of an equal builder.
    """
    unset = type(builder)()
    portable = replace(
        builder,
        _exporters=_portable_exporters(builder._exporters, identity),
        _processors=tuple(
            one for one in builder._processors if _travels(one, "processor", identity)
        ),
        _sampler=_portable(builder._sampler, "sampler", identity),
        _filter=_portable(builder._filter, "filter", identity),
        _propagator=_portable(builder._propagator, "propagator", identity),
        _id_generator=_portable(builder._id_generator, "id_generator", identity),
        _resource=_portable(_resource_of_worker(builder._resource), "resource", identity),
    )
    values = {one.name: getattr(portable, one.name) for one in fields(portable)}
    changed = {name: value for name, value in values.items() if value is not getattr(unset, name)}
    return pickle.dumps(changed, pickle.HIGHEST_PROTOCOL)


def warn_of_memory(builder: TelemetryBuilder, identity: str) -> None:
    """Say once that spans in the memory of a worker process are not seen by its parent."""
    for one, _ in _flat(builder._exporters):
        if _stays_in_memory(one):
            _say_memory(one, identity)


def _portable_exporters(
    exporters: tuple[tuple[Any, Any], ...], identity: str
) -> tuple[tuple[Any, Any], ...]:
    flat = _flat(exporters)
    kept = tuple(
        (one, own)
        for one, own in flat
        if not _stays_in_memory(one) and _travels(one, "exporter", identity)
    )
    # Without any, the worker would take what its environment says, or the console.
    return kept if kept or not flat else (("none", None),)


def _flat(exporters: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The exporters one by one, each with its own filter as text, or None."""
    flat: list[tuple[Any, Any]] = []
    for one, given in exporters:
        if isinstance(one, (list, tuple)):
            flat.extend(_flat([(several, given) for several in one]))
        else:
            own = given if given is not None else getattr(one, "own_filter", None)
            flat.append((one, None if own is None else str(own)))
    return flat


def _stays_in_memory(exporter: object) -> bool:
    return exporter == "memory" or isinstance(exporter, (MemoryExporter, InMemorySpanExporter))


def _say_memory(exporter: object, identity: str) -> None:
    log_warning_once(
        (identity, "memory"),
        "spans of worker processes do not reach exporter=%r, which is in the memory of this one: "
        "send them to 'otlp' or 'file:PATH' as well",
        exporter,
    )


def _portable(value: Any, argument: str, identity: str) -> Any:
    return value if value is None or _travels(value, argument, identity) else None


def _travels(value: Any, argument: str, identity: str) -> bool:
    try:
        pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        way_out = _WAYS_OUT.get(argument, _OTHER_WAY_OUT)
        log_warning_once(
            (identity, argument, type(value)),
            "%s=%r does not go to worker processes, since it cannot be pickled (%s): %s; or set "
            "them up with init_telemetry in an initializer of theirs",
            argument,
            value,
            error,
            way_out,
        )
        return False
    return True


def _resource_of_worker(resource: Any) -> Any:
    if isinstance(resource, Resource):
        resource = resource.attributes
    if not isinstance(resource, Mapping):
        return resource
    kept = {name: value for name, value in resource.items() if name not in _NOT_OF_THE_WORKER}
    return kept or None


def _deliver_when_celery_leaves(signal: object) -> None:
    # A process of Celery's pool leaves through os._exit and runs no finalizers. What it does before
    # is to send this signal.
    if getattr(signal, "name", None) == "worker_process_init":
        shutdown = sys.modules["celery.signals"].worker_process_shutdown
        shutdown.connect(_deliver, weak=False, dispatch_uid="tracekit")


def _deliver(**_: object) -> None:
    _installation.deliver()
