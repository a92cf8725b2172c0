"""The private names of the SDK that lean spans and their tracer depend on.

A lean span has the SDK's methods and sets their attributes itself. If a release renames an
attribute, or adds one, such a span would fail inside the program. So the names are looked up once,
on a span that the SDK made. If one has moved, the SDK's own spans are made instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from tracekit._base.log import log_warning_once

# The attributes that the SDK sets on every span. A lean span has all of them.
SPAN: Final = frozenset(
    {
        "_attributes",
        "_context",
        "_end_time",
        "_events",
        "_instrumentation_info",
        "_instrumentation_scope",
        "_kind",
        "_limits",
        "_links",
        "_lock",
        "_name",
        "_parent",
        "_record_exception",
        "_resource",
        "_sampler",
        "_set_status_on_exception",
        "_span_processor",
        "_start_time",
        "_status",
        "_trace_config",
    }
)
# The attributes that only newer releases set.
SPAN_OF_SOME: Final = frozenset({"_record_end_metrics"})
# The private methods that a lean span calls.
SPAN_METHODS: Final = ("_add_event", "_new_events", "_new_links", "_readable_span")
# The attributes of a tracer, and those of newer releases.
TRACER: Final = frozenset(
    {
        "_instrumentation_scope",
        "_span_limits",
        "id_generator",
        "instrumentation_info",
        "resource",
        "sampler",
        "span_processor",
    }
)
TRACER_OF_SOME: Final = frozenset({"_tracer_config", "_tracer_metrics"})


def can_make_lean_spans(tracer: sdk.Tracer) -> bool:
    """Whether a tracer can make lean spans.

    It cannot if a name has moved, if the SDK has disabled the tracer, or if the SDK counts its
    spans for metrics of its own.
    """
    moved = moved_names()
    if moved:
        log_warning_once(
            "names that have moved in the SDK",
            "this release of opentelemetry-sdk has moved %s; spans are the SDK's own, which cost "
            "several times as much",
            ", ".join(moved),
        )
        return False
    config = getattr(tracer, "_tracer_config", None)
    metrics = getattr(tracer, "_tracer_metrics", None)
    is_counted = metrics is not None and type(metrics).__name__ != "NoOpTracerMetrics"
    return not is_counted and getattr(config, "is_enabled", True)


@lru_cache(maxsize=1)
def moved_names() -> tuple[str, ...]:
    """Return the names that the installed release of OpenTelemetry lacks, or has in addition."""
    return tuple(_find_moved_names())


def _find_moved_names() -> Iterator[str]:
    provider = sdk.TracerProvider(
        sampler=ALWAYS_ON, resource=Resource({}), shutdown_on_exit=False, id_generator=_FixedIds()
    )
    tracer = provider.get_tracer("tracekit")
    if isinstance(tracer, sdk.Tracer):
        span = tracer.start_span("a span to look at")
        names = frozenset(vars(span))
        yield from (f"Span.{name}" for name in sorted(SPAN ^ (names - SPAN_OF_SOME)))
        yield from (f"Span.{name}" for name in SPAN_METHODS if not hasattr(span, name))
        of_tracer = frozenset(vars(tracer)) - TRACER_OF_SOME
        yield from (f"Tracer.{name}" for name in sorted(TRACER ^ of_tracer))
    if not _is_span_context_a_tuple_of_six():
        yield "SpanContext"
    if not _has_bounded_attributes_a_dict():
        yield "BoundedAttributes"
    if "_span_processors" not in vars(sdk.SynchronousMultiSpanProcessor()):  # type: ignore[no-untyped-call]  # untyped in the SDK
        yield "SynchronousMultiSpanProcessor._span_processors"


class _FixedIds(IdGenerator):
    """Takes no number from the generator of the program."""

    def generate_trace_id(self) -> int:
        return 1

    def generate_span_id(self) -> int:
        return 1


def _is_span_context_a_tuple_of_six() -> bool:
    parts = 3, 5, True, TraceFlags(1), TraceState([("a", "b")])
    made = SpanContext(*parts)
    return tuple(made) == (*parts, True) and vars(made) == {}


def _has_bounded_attributes_a_dict() -> bool:
    bounded: Any = BoundedAttributes(2, {"a": 1}, immutable=False)
    if type(getattr(bounded, "_dict", None)) is not dict or not hasattr(bounded, "_immutable"):
        return False
    bounded._dict["b"] = 2
    return dict(bounded) == {"a": 1, "b": 2}
