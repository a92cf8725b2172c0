"""A tracer provider whose pipeline can be exchanged while tracers of it are in use.

OpenTelemetry's global provider can be set once, and libraries keep the tracers they got from it. So
the provider that tracekit installs stays, and a new set-up gives it, and every tracer that was ever
made from it, another pipeline.
"""

from __future__ import annotations

import os
import threading
import uuid
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk import resources as sdk_resources
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import Attributes

from tracekit._code.scopes import NotMade, open_scope, scope_of
from tracekit._engine.views import is_partly_wanted, remember
from tracekit._ground import forks
from tracekit._ground.filter import Filter
from tracekit._ground.levels import Level
from tracekit._ground.verdicts import NOBODY, FilterSet, Judgement

# What a pipeline without directives of its own lets through.
EVERYTHING: Final = FilterSet([Filter("trace")])


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
        processor: Takes it when it starts and when it ends.
        id_generator: Gives it its ids.
        limits: Bound it.
        filters: Which spans are made, and for which exporter.
    """

    sampler: Sampler
    resource: Resource
    processor: sdk.SynchronousMultiSpanProcessor
    id_generator: IdGenerator
    limits: sdk.SpanLimits
    filters: FilterSet

    def in_child(self) -> Pipeline:
        """The same for a forked process.

        Spans that began in the parent and end in the child as well go nowhere: they are the
        parent's to deliver.
        """
        inherited = self.processor
        processor = sdk.SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]  # untyped in the SDK
        for one in inherited._span_processors:
            processor.add_span_processor(one)
        inherited._span_processors = ()
        return replace(self, resource=self.resource.merge(process_identity()), processor=processor)


class LiveTracer(sdk.Tracer):
    """A tracer that follows its provider from pipeline to pipeline.

    Attributes:
        idle: Whether no pipeline is there, so that nothing is recorded and the parent's context is
            passed on, as without an SDK.
        target: What filters match on.
    """

    idle: bool = False
    filters: FilterSet
    target: str

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        *args: Any,
        **kwargs: Any,
    ) -> Span:
        """Start a span, as the SDK's tracer does, if a filter wants it.

        Spans of other libraries have the level INFO, and the name of their instrumentation scope
        for a target.
        """
        around = trace.get_current_span(context)
        wanted, scope = self._judge(name, attributes, around)
        if wanted == NOBODY or self.idle:
            made: Span = NotMade(around)
        else:
            made = super().start_span(name, context, kind, attributes, *args, **kwargs)
            self._remember(made, wanted, around)
        open_scope(made, scope)
        return made

    def start_wanted(self, wanted: int, name: str, context: Context | None, *args: Any) -> Span:
        """Start a span that went through the filters already.

        Args:
            wanted: The mask of the exporters that want it.
            name: Its name.
            context: The context of its parent, or None for the current one.
            *args: What `start_span` takes besides.
        """
        around = trace.get_current_span(context)
        if self.idle:
            return NotMade(around)
        made = super().start_span(name, context, *args)
        self._remember(made, wanted, around)
        return made

    def _remember(self, made: Span, wanted: int, around: Span) -> None:
        # Below a span that began under other filters, some exporters may still miss the parent.
        if not self.filters.is_uniform or is_partly_wanted(around):
            remember(made, wanted, around, self.filters.exporters)

    def _judge(self, name: str, attributes: Attributes, around: Span) -> Judgement:
        judge = self.filters.judge(self.target, Level.INFO, name)
        if judge is None:
            scope = scope_of(around) if self.filters.is_dynamic else None
            return Judgement(self.filters.static_mask(self.target, Level.INFO), scope)
        # What is no mapping is the SDK's to take or to refuse.
        fields = attributes if isinstance(attributes, Mapping) else {}
        return judge.decide(fields, scope_of(around))

    def follow(self, pipeline: Pipeline | None, filters: FilterSet) -> None:
        """Go over to another pipeline, or to none."""
        self.filters = filters
        if pipeline is not None:
            self.sampler = pipeline.sampler
            self.resource = pipeline.resource
            self.span_processor = pipeline.processor
            self.id_generator = pipeline.id_generator
            self._span_limits = pipeline.limits
        self.idle = pipeline is None


class LiveTracerProvider(sdk.TracerProvider):
    """The SDK's provider, with a pipeline that can be exchanged."""

    def __init__(self, pipeline: Pipeline | None) -> None:
        self._live: dict[int, weakref.ref[LiveTracer]] = {}
        self._added: tuple[sdk.SpanProcessor, ...] = ()
        super().__init__(sampler=ALWAYS_OFF, resource=Resource({}), shutdown_on_exit=False)
        self._renew_locks()
        self._filters = EVERYTHING
        self.adopt(pipeline)
        forks.watch(self)

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

    def begin_anew(self) -> None:
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
