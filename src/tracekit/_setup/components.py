"""The components of a set-up, created from its configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

from tracekit._base.errors import ConfigurationError
from tracekit._delivery.batch_settings import BatchSettings
from tracekit._delivery.export_processor import ExportProcessor
from tracekit._filters.filter import Filter
from tracekit._sdk.fanout import Fanout
from tracekit._sdk.pipeline import Pipeline
from tracekit._sdk.start_counter import StartCounter
from tracekit._setup.configuration import Configuration
from tracekit._setup.exporter_choice import ResolvedExporter, resolve_exporters, shut_down_created
from tracekit._setup.exporter_filters import ExporterFilters
from tracekit._setup.filter_choice import resolve_filter
from tracekit._setup.libraries import Libraries
from tracekit._setup.propagator_choice import resolve_propagator
from tracekit._setup.resource import create_resource
from tracekit._setup.sampler_choice import resolve_sampler
from tracekit._values.redaction import Redaction


@dataclass(frozen=True)
class Components:
    """The components of a set-up.

    Attributes:
        pipeline: What spans pass through; None if `OTEL_SDK_DISABLED` is true.
        counter: The counter of started spans.
        exporters: The exporters with their names.
        export_processors: The span processors that deliver to the exporters, in the same order.
        processors: The span processors of the user.
        filters: The filters of the exporters.
        redaction: The redaction policy.
        propagator: The propagator of messages.
        libraries: The instrumentation libraries.
        continue_trace: Whether the process continues the trace of `TRACEPARENT`.
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
    limits = _span_limits()
    settings = BatchSettings.from_environment()
    processors = tuple(map(_check_processor, configuration.processors))
    id_generator = _check_id_generator(configuration.id_generator)
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
    fanout = Fanout((*processors, *export_processors))
    filters = _exporter_filters(default_filter, exporters, configuration)
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
    )


def _exporter_filters(
    default: Filter, exporters: tuple[ResolvedExporter, ...], configuration: Configuration
) -> ExporterFilters:
    own = {one.name: one.filter for one in exporters if one.filter is not None}
    replaced = configuration.exporter_filters
    if replaced is not None:
        own = {name: Filter(directives) for name, directives in replaced.items()}
    return ExporterFilters(default, own, tuple(one.name for one in exporters))


def _span_limits() -> SpanLimits:
    try:
        return SpanLimits()
    except ValueError as error:
        raise ConfigurationError(f"a span limit in the environment: {error}") from None


def _check_processor(value: Any) -> SpanProcessor:
    if not isinstance(value, SpanProcessor):
        raise ConfigurationError(
            f"processor={value!r} is not a SpanProcessor of the OpenTelemetry SDK; "
            f"pass an exporter as exporter="
        )
    return value


def _check_id_generator(value: Any) -> IdGenerator:
    if value is None:
        return RandomIdGenerator()
    if not isinstance(value, IdGenerator):
        raise ConfigurationError(
            f"id_generator={value!r} is not an IdGenerator of the OpenTelemetry SDK"
        )
    return value
