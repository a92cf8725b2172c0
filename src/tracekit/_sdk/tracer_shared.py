"""What spans have in common: the tracer that they come from, and where they go."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope

from tracekit._sdk.fanout import Fanout


class TracerShared:
    """What the spans of one tracer have in common, as long as its pipeline is the same.

    Attributes:
        processor: Takes them when they start and when they end.
        limits: Bound them.
        room: How many attributes fit before the limits have a say in any.
        resource: Who they come from.
        scope: The instrumentation scope that they come from.
        info: The same in the form that the SDK has deprecated.
        sampler: Decided about them.
    """

    __slots__ = (
        "__weakref__",
        "info",
        "limits",
        "processor",
        "resource",
        "room",
        "sampler",
        "scope",
    )

    def __init__(
        self,
        processor: sdk.SpanProcessor,
        limits: sdk.SpanLimits,
        resource: Resource,
        scope: InstrumentationScope,
        info: InstrumentationInfo,
        sampler: Sampler,
    ) -> None:
        self.processor = processor if isinstance(processor, Fanout) else Fanout((processor,))
        self.limits = limits
        self.room = _room(limits)
        self.resource = resource
        self.scope = scope
        self.info = info
        self.sampler = sampler

    def replace(self, name: str, value: Any) -> TracerShared:
        """The same with something else under one name."""
        parts = {one: getattr(self, one) for one in _PARTS}
        return TracerShared(**{**parts, name: value})


_PARTS: Final = ("processor", "limits", "resource", "scope", "info", "sampler")


def _room(limits: sdk.SpanLimits) -> float:
    if limits.max_span_attribute_length is not None:
        return -1
    most: int | None = limits.max_span_attributes
    return float("inf") if most is None else most
