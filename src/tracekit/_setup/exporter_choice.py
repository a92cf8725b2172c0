"""From what `exporter=` was given, or the environment says, to exporters."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tracekit import exporters
from tracekit._base.errors import ConfigurationError
from tracekit._console.exporter import ConsoleExporter
from tracekit._delivery.batch import BatchDelivery
from tracekit._delivery.batch_settings import BatchSettings
from tracekit._delivery.immediate import ImmediateDelivery
from tracekit._delivery.memory_exporter import MemoryExporter
from tracekit._delivery.processor import Delivery
from tracekit._filters.filter import Filter
from tracekit._setup import named_components
from tracekit._setup.filter_choice import resolve_filter

_GROUP: Final = "opentelemetry_traces_exporter"
_BUILT_IN: Final = ("console", "otlp", "otlp-http", "file:PATH", "memory", "viewer", "none")
_ENDPOINT_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)


_IMMEDIATE: Final = (MemoryExporter, InMemorySpanExporter, ConsoleExporter, ConsoleSpanExporter)


@dataclass(frozen=True)
class Chosen:
    """An exporter, what it is called, and whether it was made here.

    Attributes:
        name: What messages and statistics call it.
        exporter: The exporter.
        made_here: Whether it was made from a name, so that it is this set-up's to shut down where
            the set-up fails.
        filter: Which spans it wants, or None for those that the set-up wants.
    """

    name: str
    exporter: SpanExporter
    made_here: bool
    filter: Filter | None = None

    def delivery(self, settings: BatchSettings, bit: int, *, prompt: bool = False) -> Delivery:
        """The processor that hands the spans to it.

        Args:
            settings: The sizes and the delay of batches.
            bit: Which of the filters is the exporter's.
            prompt: Whether the end of a trace's local root is not to wait for the delay.
        """
        if isinstance(self.exporter, _IMMEDIATE):
            return ImmediateDelivery(self.exporter, self.name, bit)
        most_delay = getattr(self.exporter, "most_delay", settings.schedule_delay)
        if most_delay < settings.schedule_delay:
            settings = replace(settings, schedule_delay=most_delay)
        return BatchDelivery(self.exporter, self.name, settings, bit=bit, prompt=prompt)


def choose(wanted: Iterable[tuple[Any, Any]]) -> list[Chosen]:
    """Make the exporters that were asked for.

    Args:
        wanted: Names, exporters and lists of these, each with its directives or None; empty for
            what the environment says.

    Returns:
        The exporters, each with a name of its own.

    Raises:
        ConfigurationError: One of them is unknown or cannot be made; those made before it are shut
            down.
    """
    chosen: list[Chosen] = []
    try:
        for value, directives in list(wanted) or [(_of_environment(), None)]:
            own = None if directives is None else resolve_filter(directives)
            made = _choose(value, "exporter")
            chosen.extend(one if own is None else replace(one, filter=own) for one in made)
    except BaseException:
        discard(chosen)
        raise
    return _with_distinct_names(chosen)


def discard(chosen: Iterable[Chosen]) -> None:
    """Shut down what was made for a set-up that did not come about."""
    for one in chosen:
        if one.made_here:
            one.exporter.shutdown()


def _of_environment() -> Any:
    text = os.environ.get("OTEL_TRACES_EXPORTER", "").strip()
    if text:
        return [name.strip() for name in text.split(",") if name.strip()]
    has_endpoint = any(os.environ.get(variable, "").strip() for variable in _ENDPOINT_VARIABLES)
    return "otlp" if has_endpoint else "console"


def _choose(value: Any, argument: str) -> list[Chosen]:
    if isinstance(value, str):
        return _by_name(value, argument)
    if isinstance(value, SpanExporter):
        own = getattr(value, "own_filter", None)
        return [Chosen(_name_of(value), value, made_here=False, filter=own)]
    if isinstance(value, (list, tuple)):
        chosen: list[Chosen] = []
        try:
            for index, one in enumerate(value):
                chosen.extend(_choose(one, f"{argument}[{index}]"))
        except BaseException:
            discard(chosen)
            raise
        return chosen
    instance = ""
    if inspect.isclass(value) and issubclass(value, SpanExporter):
        instance = f"; pass an instance: {value.__name__}()"
    raise ConfigurationError(
        f"{argument}={value!r} is no exporter: say {_known()}, an exporter of tracekit.exporters, "
        f"a SpanExporter of the OpenTelemetry SDK, or a list of these{instance}"
    )


def _by_name(name: str, argument: str) -> list[Chosen]:
    if name == "none":
        return []
    if name.startswith("file:"):
        return [Chosen("file", exporters.file(name.removeprefix("file:")), made_here=True)]
    maker = _MAKERS.get(name)
    if maker is not None:
        return [Chosen(name, maker(), made_here=True)]
    point = named_components.find(_GROUP, name)
    if point is None:
        raise ConfigurationError(f"{argument}={name!r} is unknown: say {_known()}")
    made = named_components.make(point, f"{argument}={name!r}")
    if not isinstance(made, SpanExporter):
        raise ConfigurationError(f"{argument}={name!r}: {point.value} makes no SpanExporter")
    return [Chosen(name, made, made_here=True)]


def _make_viewer() -> SpanExporter:
    # gRPC is loaded where spans are sent by it.
    from tracekit._otlp.viewer_exporter import ViewerExporter

    return ViewerExporter()


_MAKERS: Final[dict[str, Callable[[], SpanExporter]]] = {
    "console": exporters.console,
    "memory": exporters.memory,
    "otlp": exporters.otlp,
    "otlp-http": lambda: exporters.otlp(protocol="http"),
    "viewer": _make_viewer,
}


def _known() -> str:
    declared = [name for name in named_components.names(_GROUP) if name not in _BUILT_IN]
    return ", ".join(map(repr, [*_BUILT_IN, *declared]))


_NAMES: Final = {
    "ConsoleExporter": "console",
    "FileExporter": "file",
    "MemoryExporter": "memory",
    "OtlpGrpcExporter": "otlp",
    "OtlpHttpExporter": "otlp-http",
    "ViewerExporter": "viewer",
}


def _name_of(exporter: SpanExporter) -> str:
    return _NAMES.get(type(exporter).__name__, type(exporter).__name__)


def _with_distinct_names(chosen: list[Chosen]) -> list[Chosen]:
    seen: dict[str, int] = {}
    distinct = []
    for one in chosen:
        seen[one.name] = seen.get(one.name, 0) + 1
        suffix = f"-{seen[one.name]}" if seen[one.name] > 1 else ""
        distinct.append(replace(one, name=one.name + suffix))
    return distinct
