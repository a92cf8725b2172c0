"""What the engine relies on in the SDK that is not of its public interface.

A lean span has the SDK's methods and sets their attributes itself. Where a release names these
otherwise, or has one more, such a span would fail in the middle of the program. So it is looked up
once, on a span that the SDK made, and where anything has moved, the SDK's own spans are made.
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

# What the SDK sets on every span; lean spans have all of it.
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
# What only newer releases set.
SPAN_OF_SOME: Final = frozenset({"_record_end_metrics"})
# What lean spans call on themselves.
SPAN_METHODS: Final = ("_add_event", "_new_events", "_new_links", "_readable_span")
# What a tracer is known by, and what may keep it from making spans of our own.
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


def holds(tracer: sdk.Tracer) -> bool:
    """Whether a tracer of the SDK's can make lean spans.

    It cannot where it is to make none, or is to count them for the SDK's own metrics, which both
    stay the SDK's business.
    """
    missing = moved()
    if missing:
        log_warning_once(
            ("reliance",),
            "this release of opentelemetry-sdk has moved %s; spans are the SDK's own, which cost "
            "several times as much",
            ", ".join(missing),
        )
        return False
    config = getattr(tracer, "_tracer_config", None)
    metrics = getattr(tracer, "_tracer_metrics", None)
    is_counted = metrics is not None and type(metrics).__name__ != "NoOpTracerMetrics"
    return not is_counted and getattr(config, "is_enabled", True)


@lru_cache(maxsize=1)
def moved() -> tuple[str, ...]:
    """What the installed release of OpenTelemetry has under another name, or more of."""
    return tuple(_moved())


def _moved() -> Iterator[str]:
    tracer = _tracer()
    if isinstance(tracer, sdk.Tracer):
        span = tracer.start_span("a span to look at")
        names = frozenset(vars(span))
        yield from (f"Span.{name}" for name in sorted(SPAN ^ (names - SPAN_OF_SOME)))
        yield from (f"Span.{name}" for name in SPAN_METHODS if not hasattr(span, name))
        yield from _moved_of_tracer(frozenset(vars(tracer)))
    if not _is_tuple_of_six():
        yield "SpanContext"
    if not _is_open_mapping():
        yield "BoundedAttributes"
    if "_span_processors" not in vars(sdk.SynchronousMultiSpanProcessor()):  # type: ignore[no-untyped-call]  # untyped in the SDK
        yield "SynchronousMultiSpanProcessor._span_processors"


def _moved_of_tracer(names: frozenset[str]) -> Iterator[str]:
    return (f"Tracer.{name}" for name in sorted(TRACER ^ (names - TRACER_OF_SOME)))


class _Ones(IdGenerator):
    """Draws nothing from the program's random numbers."""

    def generate_trace_id(self) -> int:
        return 1

    def generate_span_id(self) -> int:
        return 1


def _tracer() -> Any:
    provider = sdk.TracerProvider(
        sampler=ALWAYS_ON, resource=Resource({}), shutdown_on_exit=False, id_generator=_Ones()
    )
    return provider.get_tracer("tracekit")


def _is_tuple_of_six() -> bool:
    parts = 3, 5, True, TraceFlags(1), TraceState([("a", "b")])
    made = SpanContext(*parts)
    return tuple(made) == (*parts, True) and vars(made) == {}


def _is_open_mapping() -> bool:
    bounded: Any = BoundedAttributes(2, {"a": 1}, immutable=False)
    if type(getattr(bounded, "_dict", None)) is not dict or not hasattr(bounded, "_immutable"):
        return False
    bounded._dict["b"] = 2
    return dict(bounded) == {"a": 1, "b": 2}
