"""Set-up: `TelemetryBuilder`, and `init_telemetry` as one call over it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    SpanLimits,
    SpanProcessor,
)
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from tracekit._base.errors import ConfigurationError
from tracekit._delivery.batch_settings import BatchSettings
from tracekit._filters.filter import Filter
from tracekit._sdk.fanout import Fanout
from tracekit._sdk.pipeline import Pipeline
from tracekit._sdk.provider import LiveTracerProvider
from tracekit._setup import exporter_choice, propagator_choice, runtime, sampler_choice
from tracekit._setup.filter_choice import resolve_filter
from tracekit._setup.libraries import AUTO, Libraries
from tracekit._setup.parts import Parts, filter_set
from tracekit._setup.resource import make_resource
from tracekit._setup.telemetry import Telemetry
from tracekit._setup.workers import InWorker
from tracekit._values.redaction import Redaction

ExporterOption = str | SpanExporter | Iterable[str | SpanExporter]


@dataclass(frozen=True)
class TelemetryBuilder:
    """A set-up in the making; an immutable value, so that each step gives a new one.

    Nothing is made or checked before `build` or `install`.

    Attributes:
        service_name: The service's name; it wins over `OTEL_SERVICE_NAME`.

    Example:
        ```python
        from tracekit import TelemetryBuilder, exporters

        memory = exporters.memory()
        telemetry = (
            TelemetryBuilder("user-service")
            .with_exporter(memory)
            .with_sampler(0.1)
            .with_filter("info,shop.db=debug")
            .build()
        )
        telemetry.shutdown()
        ```
    """

    service_name: str | None = None
    _exporters: tuple[Any, ...] = ()
    _sampler: Any = None
    _filter: Any = None
    _propagator: Any = None
    _resource: Any = None
    _processors: tuple[Any, ...] = ()
    _libraries: Any = None
    _redact: Any = True
    _id_generator: Any = field(default=None)
    _continue_trace: bool = True
    _prompt: bool = False
    # What was changed live, by the name of the exporter; for workers that come later.
    _own_filters: Mapping[str, str] | None = None

    def with_service_name(self, service_name: str) -> TelemetryBuilder:
        """Name the service."""
        return replace(self, service_name=service_name)

    def with_exporter(
        self,
        exporter: ExporterOption,
        *,
        filter: str | Filter | None = None,
    ) -> TelemetryBuilder:
        """Add an exporter.

        Args:
            exporter: `"console"`, `"viewer"`, `"otlp"`, `"otlp-http"`, `"file:PATH"`, `"memory"`,
                `"none"`, a name that a package declares, an exporter, or a list of these.
            filter: Which spans and events it wants; by default those that the set-up wants.
        """
        return replace(self, _exporters=(*self._exporters, (exporter, filter)))

    def with_sampler(self, sampler: float | str | Sampler) -> TelemetryBuilder:
        """Decide which traces are recorded.

        Args:
            sampler: A ratio from 0.0 to 1.0 (parent-based), a name of `OTEL_TRACES_SAMPLER` such as
                `"parentbased_traceidratio:0.1"`, or a sampler.
        """
        return replace(self, _sampler=sampler)

    def with_filter(self, directives: str | Filter) -> TelemetryBuilder:
        """Decide which spans and events are wanted."""
        return replace(self, _filter=directives)

    def with_propagator(
        self, propagator: str | TextMapPropagator | list[str | TextMapPropagator]
    ) -> TelemetryBuilder:
        """Decide how the context of a trace is written into messages and read from them."""
        return replace(self, _propagator=propagator)

    def with_resource(self, resource: Mapping[str, Any] | Resource) -> TelemetryBuilder:
        """Say more about who the spans come from."""
        return replace(self, _resource=resource)

    def with_processor(self, processor: SpanProcessor) -> TelemetryBuilder:
        """Add a span processor; it runs before the exporters' own."""
        return replace(self, _processors=(*self._processors, processor))

    def with_libraries(self, libraries: str | Iterable[str]) -> TelemetryBuilder:
        """Switch instrumentation libraries on when the set-up is installed."""
        is_read_once = isinstance(libraries, Iterable) and not isinstance(libraries, str)
        return replace(self, _libraries=tuple(libraries) if is_read_once else libraries)

    def with_redaction(self, redact: bool | str | Iterable[str]) -> TelemetryBuilder:
        """Add names whose values are redacted, or turn redaction off."""
        return replace(self, _redact=redact)

    def with_id_generator(self, id_generator: IdGenerator) -> TelemetryBuilder:
        """Decide where trace and span ids come from."""
        return replace(self, _id_generator=id_generator)

    def with_continued_trace(self, continue_trace: bool) -> TelemetryBuilder:
        """Decide whether the trace that `TRACEPARENT` in the environment names goes on here."""
        return replace(self, _continue_trace=continue_trace)

    def build(self) -> Telemetry:
        """Make a private set-up, beside whatever is installed; nothing global is touched.

        Its spans are made through `Telemetry.tracer_provider`. Libraries are not switched on. Like
        one that is installed it is shut down when the interpreter exits, if it still exists then.

        Raises:
            ConfigurationError: An argument cannot be used; nothing is left behind.
        """
        parts = parts_of(self)
        provider = LiveTracerProvider(parts.pipeline)
        telemetry = Telemetry(parts, provider, on_filters=provider.set_filters)
        runtime.deliver_at_exit(telemetry)
        return telemetry

    def install(self) -> Telemetry:
        """Make the set-up and put it in force for the whole process.

        It becomes OpenTelemetry's global provider and propagator. An earlier set-up of tracekit is
        flushed and replaced.

        Raises:
            ConfigurationError: An argument cannot be used, or someone else's provider is in place;
                nothing is installed.
        """
        runtime.check_no_foreign_provider()
        return runtime.install(parts_of(self))


def parts_of(builder: TelemetryBuilder) -> Parts:
    """Read and check every argument, and make the parts of the set-up.

    Raises:
        ConfigurationError: An argument cannot be used; nothing is left behind.
    """
    wanted = resolve_filter(builder._filter)
    sampler = sampler_choice.choose(builder._sampler)
    propagator = propagator_choice.choose(builder._propagator)
    redaction = Redaction.of(builder._redact)
    resource = make_resource(builder.service_name, builder._resource)
    limits = _limits()
    settings = BatchSettings.from_environment()
    processors = tuple(_checked_processor(one) for one in builder._processors)
    id_generator = _checked_id_generator(builder._id_generator)
    libraries = Libraries.find(builder._libraries)
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    chosen = [] if disabled else exporter_choice.choose(builder._exporters)
    deliveries = tuple(
        one.delivery(settings, bit, prompt=builder._prompt) for bit, one in enumerate(chosen)
    )
    processor = Fanout((*processors, *deliveries))
    portable = replace(
        builder,
        _redact=builder._redact if isinstance(builder._redact, bool) else redaction,
        # Read once: the names may have come from an iterator.
        _libraries=AUTO if builder._libraries == AUTO else tuple(libraries.instrumentors),
    )
    own = {one.name: one.filter for one in chosen if one.filter is not None}
    if builder._own_filters is not None:
        own = {name: Filter(directives) for name, directives in builder._own_filters.items()}
    filters = filter_set(wanted, [own.get(one.name, wanted) for one in chosen])
    return Parts(
        pipeline=None
        if disabled
        else Pipeline(sampler, resource, processor, id_generator, limits, filters),
        counter=processor.starts,
        deliveries=deliveries,
        processors=processors,
        filter=wanted,
        own_filters=own,
        filters=filters,
        redaction=redaction,
        propagator=propagator,
        libraries=libraries,
        continue_trace=builder._continue_trace,
        in_worker=InWorker(secrets.token_hex(8), builder=portable),
        discard=lambda: exporter_choice.discard(chosen),
    )


def init_telemetry(
    service_name: str | None = None,
    *,
    exporter: ExporterOption | None = None,
    sampler: float | str | Sampler | None = None,
    filter: str | Filter | None = None,
    propagator: str | TextMapPropagator | list[str | TextMapPropagator] | None = None,
    resource: Mapping[str, Any] | Resource | None = None,
    processors: Iterable[SpanProcessor] = (),
    libraries: str | Iterable[str] | None = None,
    redact: bool | str | Iterable[str] = True,
    id_generator: IdGenerator | None = None,
    continue_trace: bool = True,
) -> Telemetry:
    """Set everything up for the whole process: call it once, in `main`.

    It becomes OpenTelemetry's global provider and propagator. A second call flushes the first
    set-up and replaces it. Spans are delivered at the exit of the interpreter.

    Args:
        service_name: The service's name; by default `OTEL_SERVICE_NAME`.
        exporter: Where the spans go: `"console"`, `"viewer"` (of this machine), `"otlp"` (gRPC),
            `"otlp-http"`, `"file:PATH"`, `"memory"`, `"none"`, a name that a package declares, an
            exporter, or a list of these. By default what `OTEL_TRACES_EXPORTER` says, else OTLP
            where an endpoint for it is in the environment, else the console.
        sampler: Which traces are recorded: a ratio from 0.0 to 1.0 (parent-based), a name of
            `OTEL_TRACES_SAMPLER` such as `"parentbased_traceidratio:0.1"`, or a sampler. By default
            what `OTEL_TRACES_SAMPLER` says, else all that the parent does not decide otherwise.
        filter: Which spans and events are wanted, as directives: `"info,shop.db=debug"`. By
            default what `TRACEKIT_FILTER` says, else `info`.
        propagator: How context is written and read: names as in `OTEL_PROPAGATORS`, a propagator,
            or a list. By default what `OTEL_PROPAGATORS` says, else W3C trace context and baggage.
        resource: More about who the spans come from: attributes, or a resource of the SDK.
        processors: Span processors of the SDK, to run before the exporters' own.
        libraries: Instrumentation libraries to switch on, by the names that they declare
            (`["fastapi", "sqlalchemy"]`), or `"auto"` for all that are installed.
        redact: Names whose values are redacted besides the usual ones; False turns redaction off.
        id_generator: Where trace and span ids come from.
        continue_trace: Whether the trace that `TRACEPARENT` in the environment names goes on here;
            a process that lives long says False.

    Returns:
        The handle to it.

    Raises:
        ConfigurationError: An argument, or a variable in its place, cannot be used; or
            OpenTelemetry already has a global provider that is not tracekit's. Nothing is
            installed.

    Example:
        ```python
        import tracekit

        telemetry = tracekit.init_telemetry("user-service", exporter="console", sampler=0.1)
        ```
    """
    return TelemetryBuilder(
        service_name=service_name,
        _exporters=() if exporter is None else ((exporter, None),),
        _sampler=sampler,
        _filter=filter,
        _propagator=propagator,
        _resource=resource,
        _processors=_several_processors(processors),
        _libraries=libraries,
        _redact=redact,
        _id_generator=id_generator,
        _continue_trace=continue_trace,
    ).install()


def _limits() -> SpanLimits:
    try:
        return SpanLimits()
    except ValueError as error:
        raise ConfigurationError(f"a span limit of the environment: {error}") from None


def _several_processors(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise ConfigurationError(
            f"processors={value!r}: expected several, in a list; a SpanProcessor of the "
            f"OpenTelemetry SDK goes in as processors=[processor]"
        )
    return tuple(value)


def _checked_processor(value: Any) -> SpanProcessor:
    if not isinstance(value, SpanProcessor):
        raise ConfigurationError(
            f"processor={value!r} is no SpanProcessor of the OpenTelemetry SDK; "
            f"an exporter goes into exporter="
        )
    return value


def _checked_id_generator(value: Any) -> IdGenerator:
    if value is None:
        return RandomIdGenerator()
    if not isinstance(value, IdGenerator):
        raise ConfigurationError(
            f"id_generator={value!r} is no IdGenerator of the OpenTelemetry SDK"
        )
    return value
