"""A tracer provider whose pipeline can be exchanged while tracers of it are in use.

OpenTelemetry's global provider can be set once, and libraries keep the tracers they got from it. So
the provider that tracekit installs stays, and a new set-up gives it, and every tracer that was ever
made from it, another pipeline.
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
from tracekit._sdk.sampling import Decisions
from tracekit._sdk.tracer import LiveTracer

# What a pipeline without directives of its own lets through.
EVERYTHING: Final = FilterSet([Filter("trace")])


class LiveTracerProvider(sdk.TracerProvider):
    """The SDK's provider, with a pipeline that can be exchanged.

    Attributes:
        drops_unsampled_children: Whether the sampler drops every span whose parent is not
            sampled.
    """

    drops_unsampled_children = False

    def __init__(self, pipeline: Pipeline | None) -> None:
        self._live: dict[int, weakref.ref[LiveTracer]] = {}
        self._added: tuple[sdk.SpanProcessor, ...] = ()
        super().__init__(sampler=ALWAYS_OFF, resource=Resource({}), shutdown_on_exit=False)
        self._renew_locks()
        self._filters = EVERYTHING
        self.adopt(pipeline)
        forks.register(self)

    @property
    def filters(self) -> FilterSet:
        """Which spans are made, and for which exporter."""
        return self._filters

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Make a tracer, as the SDK's provider does."""
        tracer = super().get_tracer(*args, **kwargs)
        if isinstance(tracer, sdk.Tracer):
            # The SDK names the class that it makes; specialising the instance keeps whatever
            # a release puts into it.
            tracer.__class__ = LiveTracer
            assert isinstance(tracer, LiveTracer)  # noqa: S101 - told to the type checker
            self._admit(tracer)
        return tracer

    def _admit(self, tracer: LiveTracer) -> None:
        number = id(tracer)
        reference = weakref.ref(tracer, lambda gone: self._forget(number, gone))
        # The SDK takes any name, and text is all that a filter can look at.
        tracer.target = str(tracer._instrumentation_scope.name)
        with self._live_lock:
            tracer.follow(self.pipeline, self._filters)
            self._live[number] = reference

    def _forget(self, number: int, gone: weakref.ref[LiveTracer]) -> None:
        # The number may have been given to another tracer meanwhile.
        if self._live.get(number) is gone:
            self._live.pop(number, None)

    def _alive(self) -> list[LiveTracer]:
        # A copy, made in one go: a finalizer that runs meanwhile may make a tracer.
        tracers = [reference() for reference in self._live.copy().values()]
        return [tracer for tracer in tracers if tracer is not None]

    @property
    def added(self) -> tuple[sdk.SpanProcessor, ...]:
        """The processors that others have added; they stay when the pipeline is exchanged."""
        return self._added

    def add_span_processor(self, span_processor: sdk.SpanProcessor) -> None:
        """Send the spans of all tracers through one more processor, from pipeline to pipeline."""
        with self._live_lock:
            self._added = (*self._added, span_processor)
            self._send_through_added(self.pipeline)

    def forget_added(self) -> None:
        """Leave the added processors behind, which were shut down."""
        with self._live_lock:
            self._added = ()

    def _send_through_added(self, pipeline: Pipeline | None) -> None:
        if pipeline is None:
            return
        for one in self._added:
            if one not in pipeline.processor._span_processors:
                pipeline.processor.add_span_processor(one)

    def adopt(self, pipeline: Pipeline | None, *, with_added: bool = True) -> None:
        """Send the spans of all tracers through another pipeline from now on, or nowhere.

        Args:
            pipeline: The other one.
            with_added: Whether they go through what others have added, too.
        """
        with self._live_lock:
            if with_added:
                self._send_through_added(pipeline)
            self.pipeline: Pipeline | None = pipeline
            if pipeline is not None:
                self.sampler = pipeline.sampler
                self.id_generator = pipeline.id_generator  # type: ignore[assignment]  # the SDK narrows its own attribute
                self._resource = pipeline.resource
                self._active_span_processor = pipeline.processor
                self._span_limits = pipeline.limits
            self.drops_unsampled_children = (
                pipeline is not None and Decisions.of(pipeline.sampler).end_traces
            )
            self._filters = EVERYTHING if pipeline is None else pipeline.filters
            for tracer in self._alive():
                tracer.follow(pipeline, self._filters)

    def set_filters(self, filters: FilterSet) -> None:
        """Put other filters in force for all tracers; open spans end as they began."""
        with self._live_lock:
            self._filters = filters
            for tracer in self._alive():
                tracer.filters = filters

    def _handle_fork(self) -> None:
        # Called by the SDK from 1.40 on, which would renew the resource of the provider and not
        # that of the pipeline.
        return

    def after_fork_in_child(self) -> None:
        """Go on in a forked process, as a process of its own."""
        self._renew_locks()
        filters = self._filters
        self.adopt(None if self.pipeline is None else self.pipeline.in_child())
        self.set_filters(filters)

    def _renew_locks(self) -> None:
        # Reentrant: a signal handler or a finalizer may ask for a tracer while its own thread is in
        # here. The second is the SDK's, from 1.40 on; it makes objects while it holds it.
        self._live_lock = threading.RLock()
        self._tracers_lock: Any = threading.RLock()

    def tracer(self, target: str) -> trace.Tracer | None:
        """The tracer for a target, or None where nothing is recorded."""
        return None if self.pipeline is None else self.get_tracer(target)


@contextmanager
def global_provider(provider: trace.TracerProvider) -> Iterator[None]:
    """Put a provider in the place of OpenTelemetry's global one for a while.

    OpenTelemetry has no public way to take a global provider back, which a test needs.
    """
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        yield
    finally:
        trace._TRACER_PROVIDER = before
