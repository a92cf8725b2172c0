"""What a span passes through, from the sampler to the exporters, and what a tracer shares of it."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry.sdk import resources as sdk_resources
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope

from tracekit._filters.filter_set import FilterSet
from tracekit._sdk.fanout import Fanout


class TracerShared:
    """What the spans of one tracer share while its pipeline is the same.

    Attributes:
        attribute_room: The number of attributes up to which the limits change none of them.
        info: The instrumentation scope in the form that the SDK has deprecated.
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
        max_attributes: int | None = limits.max_span_attributes
        self.attribute_room = float("inf") if max_attributes is None else max_attributes
        if limits.max_span_attribute_length is not None:
            self.attribute_room = -1
        self.resource = resource
        self.scope = scope
        self.info = info
        self.sampler = sampler

    def replace(self, name: str, value: Any) -> TracerShared:
        """Return a copy with another value of one attribute."""
        names = ("processor", "limits", "resource", "scope", "info", "sampler")
        return TracerShared(**{**{one: getattr(self, one) for one in names}, name: value})


def process_identity() -> Resource:
    """Return the attributes that distinguish this process from its parent and its siblings."""
    # From 1.40 on the SDK has an id, which the metrics and logs of the process have too.
    detector = getattr(sdk_resources, "ServiceInstanceIdResourceDetector", None)
    found = {} if detector is None else dict(detector().detect().attributes)
    instance = found.get("service.instance.id") or str(uuid.uuid4())
    return Resource({"process.pid": os.getpid(), "service.instance.id": instance})


@dataclass(frozen=True)
class Pipeline:
    """The parts that a span passes through, from the sampler to the exporters.

    Any other processor than a `Fanout` is put into one.
    """

    sampler: Sampler
    resource: Resource
    processor: Fanout
    id_generator: IdGenerator
    limits: sdk.SpanLimits
    filters: FilterSet

    def __post_init__(self) -> None:
        if not isinstance(self.processor, Fanout):
            object.__setattr__(self, "processor", Fanout((self.processor,)))

    def in_child(self) -> Pipeline:
        """Return the pipeline of a forked child.

        A span that started in the parent ends in both processes, and the parent delivers it. So the
        inherited fan-out, which such spans refer to, loses its processors in the child.
        """
        inherited = self.processor
        processor = Fanout(inherited._span_processors, inherited.start_counter)
        inherited._span_processors = ()
        return replace(self, resource=self.resource.merge(process_identity()), processor=processor)
