"""`TelemetryBuilder`, and `init_telemetry` as one call over it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from tracekit._base.errors import ConfigurationError
from tracekit._filters.filter import Filter
from tracekit._setup import runtime
from tracekit._setup.components import Configuration, create_components
from tracekit._setup.telemetry import Telemetry
from tracekit._setup.workers import LocalInitializer

ExporterOption = str | SpanExporter | Iterable[str | SpanExporter]


@dataclass(frozen=True, init=False)
class TelemetryBuilder:
    """A set-up in steps.

    A builder is an immutable value: each step returns a new one. Nothing is checked or created
    before `build` or `install`.

    Args:
        service_name: The service's name. It takes precedence over `OTEL_SERVICE_NAME`.

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

    _configuration: Configuration

    def __init__(self, service_name: str | None = None) -> None:
        # A frozen dataclass forbids the plain assignment.
        object.__setattr__(self, "_configuration", Configuration(service_name))

    def _with(self, **changes: Any) -> TelemetryBuilder:
        changed = copy.copy(self)
        object.__setattr__(changed, "_configuration", replace(self._configuration, **changes))
        return changed

    @property
    def service_name(self) -> str | None:
        """The service's name, or None."""
        name: str | None = self._configuration.service_name
        return name

    def with_service_name(self, service_name: str) -> TelemetryBuilder:
        """Name the service; this takes precedence over `OTEL_SERVICE_NAME`."""
        return self._with(service_name=service_name)

    def with_exporter(
        self,
        exporter: ExporterOption,
        *,
        filter: str | Filter | None = None,
    ) -> TelemetryBuilder:
        """Add an exporter.

        Args:
            exporter: The destination of the spans. See `init_telemetry`.
            filter: The exporter's own filter. By default it uses the filter of the set-up.
        """
        return self._with(exporters=(*self._configuration.exporters, (exporter, filter)))

    def with_sampler(self, sampler: float | str | Sampler) -> TelemetryBuilder:
        """Set the sampler, which decides which traces are recorded. See `init_telemetry`."""
        return self._with(sampler=sampler)

    def with_filter(self, directives: str | Filter) -> TelemetryBuilder:
        """Set the filter, which decides which spans and events are recorded.

        See `init_telemetry`.
        """
        return self._with(filter=directives)

    def with_propagator(
        self, propagator: str | TextMapPropagator | list[str | TextMapPropagator]
    ) -> TelemetryBuilder:
        """Set the propagator, which writes the trace context into messages and reads it from them.

        See `init_telemetry`.
        """
        return self._with(propagator=propagator)

    def with_resource(self, resource: Mapping[str, Any] | Resource) -> TelemetryBuilder:
        """Set attributes of the resource, which identifies the source of the spans.

        See `init_telemetry`.
        """
        return self._with(resource=resource)

    def with_processor(self, processor: SpanProcessor) -> TelemetryBuilder:
        """Add a span processor of the SDK. It runs before the exporters' own."""
        return self._with(processors=(*self._configuration.processors, processor))

    def with_libraries(self, libraries: str | Iterable[str]) -> TelemetryBuilder:
        """Set the instrumentation libraries that `install` switches on. See `init_telemetry`."""
        return self._with(libraries=_read_once(libraries))

    def with_redaction(self, redact: bool | str | Iterable[str]) -> TelemetryBuilder:
        """Add names whose values are redacted, or turn redaction off. See `init_telemetry`."""
        return self._with(redact=_read_once(redact))

    def with_id_generator(self, id_generator: IdGenerator) -> TelemetryBuilder:
        """Set the generator of trace and span ids, one of the SDK."""
        return self._with(id_generator=id_generator)

    def with_continued_trace(self, continue_trace: bool) -> TelemetryBuilder:
        """Set whether the process continues the trace of `TRACEPARENT`. See `init_telemetry`."""
        return self._with(continue_trace=continue_trace)

    def with_signals(self, signals: bool) -> TelemetryBuilder:
        """Set whether spans are delivered when `SIGTERM` ends the process. See `init_telemetry`."""
        return self._with(signals=signals)

    def build(self) -> Telemetry:
        """Create a private set-up beside the installed one.

        Its spans are created through `Telemetry.tracer_provider`. Nothing global is touched, and no
        library is switched on. The set-up is shut down at exit if it still exists then.

        Raises:
            ConfigurationError: An argument is not valid. Nothing is left behind.
        """
        components = create_components(self._configuration)
        return runtime.build(components, LocalInitializer(self._configuration))

    def install(self) -> Telemetry:
        """Install the set-up for the whole process.

        It becomes OpenTelemetry's global provider and propagator. An earlier set-up of tracekit is
        flushed and replaced.

        Raises:
            ConfigurationError: An argument is not valid, or OpenTelemetry's global provider is not
                tracekit's. Nothing is installed.
        """
        runtime.check_no_foreign_provider()
        components = create_components(self._configuration)
        return runtime.install(components, LocalInitializer(self._configuration))


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
    signals: bool = True,
) -> Telemetry:
    """Set up tracing for the whole process. Call it once, in `main`.

    It installs OpenTelemetry's global provider and propagator. A second call flushes the first
    set-up and replaces it. Spans are delivered when the interpreter exits.

    Args:
        service_name: The service's name; by default `OTEL_SERVICE_NAME`.
        exporter: The destination of the spans: `"console"`, `"viewer"` (of this machine), `"otlp"`
            (gRPC), `"otlp-http"`, `"file:PATH"`, `"memory"`, `"none"`, the name of an entry point
            of `opentelemetry_traces_exporter`, an exporter, or a list of these. By default
            `OTEL_TRACES_EXPORTER`, else OTLP if the environment has an endpoint for it, else the
            console.
        sampler: The sampler, which decides which traces are recorded: a ratio from 0.0 to 1.0
            (parent-based), a name from `OTEL_TRACES_SAMPLER` such as
            `"parentbased_traceidratio:0.1"`, or a sampler. By default `OTEL_TRACES_SAMPLER`, else
            all traces are recorded unless the parent is not.
        filter: The filter, which decides which spans and events are recorded, as directives:
            `"info,shop.db=debug"`. By default `TRACEKIT_FILTER`, else `info`.
        propagator: The propagator of messages: names from `OTEL_PROPAGATORS`, a propagator, or a
            list of these. By default `OTEL_PROPAGATORS`, else W3C trace context and baggage.
        resource: Attributes of the resource, which identifies the source of the spans: a mapping,
            or a resource of the SDK.
        processors: Span processors of the SDK. They run before the exporters' own.
        libraries: The instrumentation libraries to switch on, by their entry points
            (`["fastapi", "sqlalchemy"]`), or `"auto"` for all installed ones.
        redact: Names whose values are redacted besides the standard ones; True for the standard
            ones alone, False for none.
        id_generator: The generator of trace and span ids.
        continue_trace: Whether the process continues the trace that `TRACEPARENT` names. A
            long-lived process passes False.
        signals: Whether spans are delivered when `SIGTERM` ends the process. Where the signal has
            its default action, a handler delivers first. The set-up has to be in the main thread
            for this.

    Returns:
        The handle of the set-up.

    Raises:
        ConfigurationError: An argument, or the variable in its place, is not valid, or
            OpenTelemetry's global provider is not tracekit's. Nothing is installed.

    Example:
        ```python
        import tracekit

        telemetry = tracekit.init_telemetry("user-service", exporter="console", sampler=0.1)
        ```
    """
    if not isinstance(processors, Iterable) or isinstance(processors, str):
        raise ConfigurationError(
            f"processors={processors!r}: expected a list; pass one SpanProcessor of the "
            f"OpenTelemetry SDK as processors=[processor]"
        )
    builder = TelemetryBuilder(service_name)._with(
        exporters=() if exporter is None else ((exporter, None),),
        sampler=sampler,
        filter=filter,
        propagator=propagator,
        resource=resource,
        processors=tuple(processors),
        libraries=_read_once(libraries),
        redact=_read_once(redact),
        id_generator=id_generator,
        continue_trace=continue_trace,
        signals=signals,
    )
    return builder.install()


def _read_once(names: Any) -> Any:
    """Return names as a tuple, because an iterator cannot be read twice, and all else unchanged."""
    is_iterable = isinstance(names, Iterable) and not isinstance(names, str)
    return tuple(names) if is_iterable else names
