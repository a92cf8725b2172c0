"""What a set-up consists of, every argument read and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import SpanProcessor

from tracekit._delivery.processor import Delivery
from tracekit._filters.filter import Filter
from tracekit._filters.filter_set import FilterSet
from tracekit._sdk.pipeline import Pipeline
from tracekit._sdk.start_counter import StartCounter
from tracekit._setup.libraries import Libraries
from tracekit._values.redaction import Redaction

if TYPE_CHECKING:
    from tracekit._setup.workers import InWorker

Discard = Callable[[], None]


@dataclass(frozen=True)
class Parts:
    """The parts of a set-up.

    Attributes:
        pipeline: What the spans go through, or None where `OTEL_SDK_DISABLED` says so.
        counter: Counts the spans that are started.
        deliveries: Hand the spans to the exporters.
        processors: The user's own processors.
        filter: Which spans and events are wanted where an exporter says nothing else.
        own_filters: Which ones an exporter wants, by its name.
        filters: The filters of all exporters, in their order.
        redaction: Which names are redacted.
        propagator: Writes and reads the context of a trace.
        libraries: The instrumentation libraries to switch on.
        continue_trace: Whether the trace that the environment names goes on here.
        in_worker: Sets processes that work for this one up in the same way.
        discard: Gives back what was made, where the set-up does not come about.
    """

    pipeline: Pipeline | None
    counter: StartCounter
    deliveries: tuple[Delivery, ...]
    processors: tuple[SpanProcessor, ...]
    filter: Filter
    own_filters: Mapping[str, Filter]
    filters: FilterSet
    redaction: Redaction
    propagator: TextMapPropagator
    libraries: Libraries
    continue_trace: bool
    in_worker: InWorker
    discard: Discard


def filter_set(default: Filter, filters: Iterable[Filter]) -> FilterSet:
    """The filters of the exporters in their order; the default where there is no exporter."""
    return FilterSet(list(filters) or [default])
