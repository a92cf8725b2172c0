"""What a program asks for, and the components that are created from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import SpanProcessor

from tracekit._base.errors import ConfigurationError
from tracekit._delivery.batch_schedule import BatchSettings
from tracekit._delivery.export_processor import ExportProcessor
from tracekit._filters.filter import Filter
from tracekit._filters.filter_set import FilterSet
from tracekit._sdk.fanout import Fanout, StartCounter
from tracekit._sdk.pipeline import Pipeline
from tracekit._setup.choices import (
    check_processor,
    create_resource,
    resolve_filter,
    resolve_id_generator,
    resolve_propagator,
    resolve_sampler,
    span_limits,
)
from tracekit._setup.exporter_choice import ResolvedExporter, resolve_exporters, shut_down_created
from tracekit._setup.libraries import Libraries
from tracekit._values.redaction import Redaction


@dataclass(frozen=True)
class Configuration:
    """The arguments of a set-up as they were given, before anything is resolved.

    Attributes:
        exporters: Exporters, each with its own filter or None.
        export_local_roots_at_once: Whether the end of a local root starts an export without waiting
            for the batch's delay.
        signals: Whether spans are delivered when `SIGTERM` ends the process.
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
    signals: bool = True
    exporter_filters: Mapping[str, str] | None = None

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, by name."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) is not field.default
        }


@dataclass(frozen=True)
class ExporterFilters:
    """The filters of a set-up's exporters.

    Attributes:
        default: The filter of every exporter that has none of its own.
        own: The filters of single exporters, by the exporter's name.
        exporters: The names of all exporters, in their order.
    """

    default: Filter
    own: Mapping[str, Filter]
    exporters: tuple[str, ...]

    def by_exporter(self) -> dict[str, Filter]:
        """Return the filter of each exporter, by the exporter's name."""
        return {name: self.own.get(name, self.default) for name in self.exporters}

    def filter_set(self) -> FilterSet:
        """Return the filters of all exporters in their order; without exporters the default."""
        return FilterSet(list(self.by_exporter().values()) or [self.default])

    def replaced(self, new: Filter, exporter: str | None) -> ExporterFilters:
        """Return these filters with another one for one exporter, or for all and the default.

        Raises:
            ConfigurationError: No exporter has the name.
        """
        if exporter is None:
            return replace(self, default=new, own={})
        if exporter not in self.exporters:
            known = ", ".join(map(repr, self.exporters)) or "none"
            raise ConfigurationError(f"exporter={exporter!r} is not set up; exporters: {known}")
        return replace(self, own={**self.own, exporter: new})


@dataclass(frozen=True)
class Components:
    """The components of a set-up.

    Attributes:
        pipeline: What spans pass through; None if `OTEL_SDK_DISABLED` is true.
        counter: The counter of started spans.
        export_processors: The span processors that deliver to the exporters, in the same order.
        processors: The span processors of the user.
    """

    pipeline: Pipeline | None
    counter: StartCounter
    exporters: tuple[ResolvedExporter, ...]
    export_processors: tuple[ExportProcessor, ...]
    processors: tuple[SpanProcessor, ...]
    filters: ExporterFilters
    redaction: Redaction
    propagator: TextMapPropagator
    libraries: Libraries
    continue_trace: bool
    signals: bool

    def discard(self) -> None:
        """Shut down the exporters that were created for a set-up that failed."""
        shut_down_created(self.exporters)


def create_components(configuration: Configuration) -> Components:
    """Check every argument and create the components. Nothing global is touched.

    Raises:
        ConfigurationError: An argument, or the variable in its place, is not valid. Exporters that
            were created before are shut down.
    """
    default_filter = resolve_filter(configuration.filter)
    sampler = resolve_sampler(configuration.sampler)
    propagator = resolve_propagator(configuration.propagator)
    redaction = Redaction.of(configuration.redact)
    resource = create_resource(configuration.service_name, configuration.resource)
    limits = span_limits()
    settings = BatchSettings.from_environment()
    processors = tuple(map(check_processor, configuration.processors))
    id_generator = resolve_id_generator(configuration.id_generator)
    if not isinstance(configuration.signals, bool):
        raise ConfigurationError(
            f"signals={configuration.signals!r}: expected True, to deliver spans when SIGTERM ends "
            f"the process, or False"
        )
    libraries = Libraries.find(configuration.libraries)
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    # Last, so that an error in another argument leaves no exporter open.
    exporters = () if is_disabled else tuple(resolve_exporters(configuration.exporters))
    export_processors = tuple(
        exporter.create_processor(
            settings, index, export_local_roots_at_once=configuration.export_local_roots_at_once
        )
        for index, exporter in enumerate(exporters)
    )
    if configuration.exporter_filters is None:
        own = {one.name: one.filter for one in exporters if one.filter is not None}
    else:
        own = {name: Filter(text) for name, text in configuration.exporter_filters.items()}
    filters = ExporterFilters(default_filter, own, tuple(one.name for one in exporters))
    fanout = Fanout((*processors, *export_processors))
    pipeline = Pipeline(sampler, resource, fanout, id_generator, limits, filters.filter_set())
    return Components(
        pipeline=None if is_disabled else pipeline,
        counter=fanout.start_counter,
        exporters=exporters,
        export_processors=export_processors,
        processors=processors,
        filters=filters,
        redaction=redaction,
        propagator=propagator,
        libraries=libraries,
        continue_trace=configuration.continue_trace,
        signals=configuration.signals,
    )
