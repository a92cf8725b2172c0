"""What all spans of one tracer share."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope

from tracekit._sdk.fanout import Fanout


class TracerShared:
    """What the spans of one tracer share while its pipeline is the same.

    Attributes:
        processor: The processors of the pipeline.
        limits: The limits of a span.
        attribute_room: The number of attributes up to which the limits change none of them.
        resource: The resource.
        scope: The instrumentation scope.
        info: The instrumentation scope in the form that the SDK has deprecated.
        sampler: The sampler.
    """

    __slots__ = (
        "__weakref__",
        "attribute_room",
        "info",
        "limits",
        "processor",
        "resource",
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
        self.attribute_room = _attribute_room(limits)
        self.resource = resource
        self.scope = scope
        self.info = info
        self.sampler = sampler

    def replace(self, name: str, value: Any) -> TracerShared:
        """Return a copy with another value of one attribute."""
        parts = {one: getattr(self, one) for one in _PARTS}
        return TracerShared(**{**parts, name: value})


_PARTS: Final = ("processor", "limits", "resource", "scope", "info", "sampler")


def _attribute_room(limits: sdk.SpanLimits) -> float:
    if limits.max_span_attribute_length is not None:
        return -1
    max_attributes: int | None = limits.max_span_attributes
    return float("inf") if max_attributes is None else max_attributes
