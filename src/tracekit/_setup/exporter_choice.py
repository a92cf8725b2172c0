"""Resolve the argument `exporter=`, or the environment in its place, to exporters."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tracekit import exporters
from tracekit._base.errors import ConfigurationError
from tracekit._console.exporter import ConsoleExporter
from tracekit._delivery.batch_processor import BatchProcessor
from tracekit._delivery.batch_schedule import BatchSettings
from tracekit._delivery.export_processor import ExportProcessor, SimpleProcessor
from tracekit._delivery.memory_exporter import MemoryExporter
from tracekit._filters.filter import Filter
from tracekit._setup.choices import resolve_filter
from tracekit._setup.entry_points import create_component, entry_point_names

_GROUP: Final = "opentelemetry_traces_exporter"
_BUILT_IN: Final = ("console", "viewer", "otlp", "otlp-http", "file:PATH", "memory", "none")
_ENDPOINT_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
_IMMEDIATE: Final = (MemoryExporter, InMemorySpanExporter, ConsoleExporter, ConsoleSpanExporter)


def _create_viewer_exporter() -> SpanExporter:
    # gRPC is loaded only by programs that send spans over it.
    from tracekit._otlp.viewer_exporter import ViewerExporter

    return ViewerExporter()


_FACTORIES: Final[dict[str, Callable[[], SpanExporter]]] = {
    "console": exporters.console,
    "memory": exporters.memory,
    "otlp": exporters.otlp,
    "otlp-http": lambda: exporters.otlp(protocol="http"),
    "viewer": _create_viewer_exporter,
}
_NAMES_BY_CLASS: Final = {
    "ConsoleExporter": "console",
    "FileExporter": "file",
    "MemoryExporter": "memory",
    "OtlpGrpcExporter": "otlp",
    "OtlpHttpExporter": "otlp-http",
    "ViewerExporter": "viewer",
}


@dataclass(frozen=True)
class ResolvedExporter:
    """An exporter with its name in messages and statistics.

    Attributes:
        is_created: Whether it was created from a name, so that a set-up that fails shuts it down.
        filter: The exporter's own filter, or None for the filter of the set-up.
    """

    name: str
    exporter: SpanExporter
    is_created: bool
    filter: Filter | None = None

    def create_processor(
        self, settings: BatchSettings, index: int, *, export_local_roots_at_once: bool
    ) -> ExportProcessor:
        """Create the span processor that exports to the exporter, whose filter has the index."""
        if isinstance(self.exporter, _IMMEDIATE):
            return SimpleProcessor(self.exporter, self.name, index)
        max_delay: float = getattr(self.exporter, "max_schedule_delay", settings.schedule_delay)
        if max_delay < settings.schedule_delay:
            settings = replace(settings, schedule_delay=max_delay)
        return BatchProcessor(
            self.exporter,
            self.name,
            settings,
            bit=index,
            export_local_roots_at_once=export_local_roots_at_once,
        )


def resolve_exporters(given: Iterable[tuple[Any, Any]]) -> list[ResolvedExporter]:
    """Create or accept the exporters of a set-up.

    Args:
        given: Names, exporters and lists of these, each with its directives or None. If there are
            none, the environment names the exporters.

    Returns:
        The exporters, with distinct names.

    Raises:
        ConfigurationError: An exporter is unknown or cannot be created. Exporters that were created
            before are shut down.
    """
    resolved: list[ResolvedExporter] = []
    try:
        for value, directives in list(given) or [(_from_environment(), None)]:
            own = None if directives is None else resolve_filter(directives)
            for one in _resolve(value, "exporter"):
                resolved.append(one if own is None else replace(one, filter=own))
    except BaseException:
        shut_down_created(resolved)
        raise
    return _with_distinct_names(resolved)


def shut_down_created(exporters: Iterable[ResolvedExporter]) -> None:
    """Shut down the exporters that were created from names."""
    for one in exporters:
        if one.is_created:
            one.exporter.shutdown()


def _from_environment() -> Any:
    text = os.environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if text:
        return [name.strip() for name in text.split(",") if name.strip()]
    has_endpoint = any(os.environ.get(variable, "").strip() for variable in _ENDPOINT_VARIABLES)
    return "otlp" if has_endpoint else "console"


def _resolve(value: Any, argument: str) -> Iterator[ResolvedExporter]:
    if isinstance(value, str):
        yield from _resolve_name(value, argument)
    elif isinstance(value, SpanExporter):
        class_name = type(value).__name__
        name = _NAMES_BY_CLASS.get(class_name, class_name)
        own = getattr(value, "own_filter", None)
        yield ResolvedExporter(name, value, is_created=False, filter=own)
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            yield from _resolve(one, f"{argument}[{index}]")
    else:
        is_class = inspect.isclass(value) and issubclass(value, SpanExporter)
        hint = f"; pass an instance: {value.__name__}()" if is_class else ""
        raise ConfigurationError(
            f"{argument}={value!r} is not an exporter: use {_known_names()}, an exporter of "
            f"tracekit.exporters, a SpanExporter of the OpenTelemetry SDK, or a list of these{hint}"
        )


def _resolve_name(name: str, argument: str) -> Iterator[ResolvedExporter]:
    if name == "none":
        return
    if name.startswith("file:"):
        exporter: SpanExporter | None = exporters.file(name.removeprefix("file:"))
        name = "file"
    elif name in _FACTORIES:
        exporter = _FACTORIES[name]()
    else:
        exporter = create_component(_GROUP, name, SpanExporter, f"{argument}={name!r}")
    if exporter is None:
        raise ConfigurationError(f"{argument}={name!r} is unknown: use {_known_names()}")
    yield ResolvedExporter(name, exporter, is_created=True)


def _known_names() -> str:
    declared = [name for name in entry_point_names(_GROUP) if name not in _BUILT_IN]
    return ", ".join(map(repr, [*_BUILT_IN, *declared]))


def _with_distinct_names(resolved: list[ResolvedExporter]) -> list[ResolvedExporter]:
    seen: dict[str, int] = {}
    distinct = []
    for one in resolved:
        seen[one.name] = seen.get(one.name, 0) + 1
        suffix = f"-{seen[one.name]}" if seen[one.name] > 1 else ""
        distinct.append(replace(one, name=one.name + suffix))
    return distinct
