"""The parts that a span passes through, from the sampler to the exporters."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, replace

from opentelemetry.sdk import resources as sdk_resources
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from tracekit._filters.filter_set import FilterSet
from tracekit._sdk.fanout import Fanout


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

    Attributes:
        sampler: Decides whether a span is recorded and sampled.
        resource: The resource of every span.
        processor: The processors. Any other processor than a `Fanout` is put into one.
        id_generator: Generates the ids.
        limits: The limits of a span.
        filters: Decide which spans are made, and for which exporters.
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
