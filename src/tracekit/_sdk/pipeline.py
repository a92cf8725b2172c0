"""What a span goes through, from the decision to record it to the exporters."""

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
    """What tells this process from its parent and its siblings."""
    # The SDK's own from 1.40 on, so that metrics and logs of the process name the same instance.
    detector = getattr(sdk_resources, "ServiceInstanceIdResourceDetector", None)
    found = {} if detector is None else dict(detector().detect().attributes)
    instance = found.get("service.instance.id") or str(uuid.uuid4())
    return Resource({"process.pid": os.getpid(), "service.instance.id": instance})


@dataclass(frozen=True)
class Pipeline:
    """What a span goes through, from the decision to record it to the exporters.

    Attributes:
        sampler: Decides whether it is recorded.
        resource: Who it comes from.
        processor: Takes it when it starts and when it ends; any processor, put into a `Fanout`.
        id_generator: Gives it its ids.
        limits: Bound it.
        filters: Which spans are made, and for which exporter.
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
        """The same for a forked process.

        Spans that began in the parent and end in the child as well go nowhere: they are the
        parent's to deliver.
        """
        inherited = self.processor
        processor = Fanout(inherited._span_processors, inherited.starts)
        inherited._span_processors = ()
        return replace(self, resource=self.resource.merge(process_identity()), processor=processor)
