"""A tracer provider whose pipeline can be exchanged while its tracers are in use.

OpenTelemetry's global provider can be set once, and libraries keep the tracers that they got from
it. So the provider that tracekit installs stays, and a new set-up gives another pipeline to it and
to every tracer that it has made.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tracekit._base import forks
from tracekit._filters.filter import Filter
from tracekit._filters.filter_set import FilterSet
from tracekit._sdk.pipeline import Pipeline
from tracekit._sdk.sampling import KnownDecisions
from tracekit._sdk.tracer import LiveTracer

# The filters of a pipeline without directives: every span is made.
UNFILTERED: Final = FilterSet([Filter("trace")])


class LiveTracerProvider(sdk.TracerProvider):
    """The SDK's provider, with a pipeline that can be exchanged.

    Attributes:
        pipeline: The pipeline, or None where nothing is recorded.
        added_processors: The processors from `add_span_processor`, which every new pipeline gets
            too.
        drops_unsampled_children: Whether the sampler drops every span whose parent is not
            sampled.
    """

    drops_unsampled_children = False

    def __init__(self, pipeline: Pipeline | None) -> None:
        self._live_tracers: dict[int, weakref.ref[LiveTracer]] = {}
        self.added_processors: tuple[sdk.SpanProcessor, ...] = ()
        super().__init__(sampler=ALWAYS_OFF, resource=Resource({}), shutdown_on_exit=False)
        self._create_locks()
        self.set_pipeline(pipeline)
        forks.register(self)

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Return a new tracer, as the SDK's provider does."""
        tracer = super().get_tracer(*args, **kwargs)
        if isinstance(tracer, sdk.Tracer):
            # The SDK has no parameter for the class of its tracers. A new class for the same
            # instance keeps every attribute that a release of the SDK sets.
            tracer.__class__ = LiveTracer
            assert isinstance(tracer, LiveTracer)  # noqa: S101 - for the type checker
            self._add_live_tracer(tracer)
        return tracer

    def _add_live_tracer(self, tracer: LiveTracer) -> None:
        key = id(tracer)
        reference = weakref.ref(tracer, lambda dead: self._remove_live_tracer(key, dead))
        # The SDK accepts any object as a name, and filters match text.
        tracer.target = str(tracer._instrumentation_scope.name)
        with self._live_lock:
            tracer.set_pipeline(self.pipeline, self._filters)
            self._live_tracers[key] = reference

    def _remove_live_tracer(self, key: int, dead: weakref.ref[LiveTracer]) -> None:
        # Another tracer may have got the same id meanwhile.
        if self._live_tracers.get(key) is dead:
            self._live_tracers.pop(key, None)

    def _all_live_tracers(self) -> list[LiveTracer]:
        # `copy` is atomic. A finalizer that runs meanwhile can make a tracer.
        tracers = [reference() for reference in self._live_tracers.copy().values()]
        return [tracer for tracer in tracers if tracer is not None]

    def add_span_processor(self, span_processor: sdk.SpanProcessor) -> None:
        """Add a processor to this pipeline and to every later one."""
        with self._live_lock:
            self.added_processors = (*self.added_processors, span_processor)
            self._add_processors_to(self.pipeline)

    def forget_added_processors(self) -> None:
        """Remove the added processors from later pipelines, because they were shut down."""
        with self._live_lock:
            self.added_processors = ()

    def _add_processors_to(self, pipeline: Pipeline | None) -> None:
        if pipeline is None:
            return
        for one in self.added_processors:
            if one not in pipeline.processor._span_processors:
                pipeline.processor.add_span_processor(one)

    def set_pipeline(self, pipeline: Pipeline | None, *, with_added: bool = True) -> None:
        """Give all tracers another pipeline, or None to record nothing.

        Open spans end in the pipeline that they started in. `with_added` says whether the pipeline
        gets the `added_processors`.
        """
        with self._live_lock:
            if with_added:
                self._add_processors_to(pipeline)
            self.pipeline: Pipeline | None = pipeline
            if pipeline is not None:
                self.sampler = pipeline.sampler
                self.id_generator = pipeline.id_generator  # type: ignore[assignment]  # the SDK narrows its own attribute
                self._resource = pipeline.resource
                self._active_span_processor = pipeline.processor
                self._span_limits = pipeline.limits
            self.drops_unsampled_children = (
                pipeline is not None and KnownDecisions.of(pipeline.sampler).drop_unsampled_children
            )
            self._filters = UNFILTERED if pipeline is None else pipeline.filters
            for tracer in self._all_live_tracers():
                tracer.set_pipeline(pipeline, self._filters)

    def set_filters(self, filters: FilterSet) -> None:
        """Give all tracers other filters. Open spans end as they started."""
        with self._live_lock:
            self._filters = filters
            for tracer in self._all_live_tracers():
                tracer.filters = filters

    def _handle_fork(self) -> None:
        # The SDK calls this from 1.40 on. Its method would update the resource of the provider, and
        # not that of the pipeline.
        return

    def after_fork_in_child(self) -> None:
        """Replace the locks and the pipeline in a forked child. The filters stay."""
        self._create_locks()
        filters = self._filters
        self.set_pipeline(None if self.pipeline is None else self.pipeline.in_child())
        self.set_filters(filters)

    def _create_locks(self) -> None:
        # Reentrant: a signal handler or a finalizer can ask for a tracer while its thread holds
        # one. The SDK has the second lock from 1.40 on, and makes objects while it holds it.
        self._live_lock = threading.RLock()
        self._tracers_lock: Any = threading.RLock()

    def tracer(self, target: str) -> trace.Tracer | None:
        """Return a tracer for a target, or None where nothing is recorded."""
        return None if self.pipeline is None else self.get_tracer(target)


@contextmanager
def global_provider(provider: trace.TracerProvider) -> Iterator[None]:
    """Replace OpenTelemetry's global provider in a block.

    OpenTelemetry has no public function that restores a global provider, which a test needs.
    """
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        yield
    finally:
        trace._TRACER_PROVIDER = before
