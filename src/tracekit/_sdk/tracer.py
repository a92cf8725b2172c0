"""A tracer that makes lean spans, and follows its provider from pipeline to pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import SamplingResult
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
)
from opentelemetry.util.types import Attributes

from tracekit._base.levels import Level
from tracekit._filters.filter_set import ALL_EXPORTERS, NO_EXPORTERS, FilterDecision, FilterSet
from tracekit._recording.attributes import NO_SITE_ATTRIBUTES, SiteAttributes
from tracekit._recording.current_context import SPAN_KEY, get_current, span_in
from tracekit._recording.filter_decisions import FilteredSpan, open_scope, scope_of
from tracekit._sdk import sdk_compat
from tracekit._sdk.fanout import Fanout
from tracekit._sdk.ids import draw
from tracekit._sdk.pipeline import Pipeline
from tracekit._sdk.sampling import Decisions
from tracekit._sdk.span import LeanSpan, is_plain
from tracekit._sdk.tracer_shared import TracerShared
from tracekit._sdk.views import has_wanted_record, record_wanted, specialize

_new_span: Final = object.__new__
_new_tuple: Final = tuple.__new__
_TRACE_ID, _IS_REMOTE, _FLAGS, _STATE, _IS_VALID = 0, 2, 3, 4, 5
_NO_STATE: Final = TraceState.get_default()
_ALL_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))
_SAMPLED: Final = int(TraceFlags.SAMPLED)
# The flag is as old as the SDK's own question whether ids are random.
_RANDOM: Final = 2 if hasattr(IdGenerator, "is_trace_id_random") else 0


class StartSpanArguments(NamedTuple):
    """What only a caller of `start_span` says about a span.

    Attributes:
        attributes: Its attributes, as they were given.
        start_time: When it started, in nanoseconds since the epoch; None for now.
        record_exception: Whether an exception that leaves its block is recorded.
        set_status_on_exception: Whether such an exception makes it a failure.
    """

    attributes: Attributes = None
    start_time: int | None = None
    record_exception: bool = True
    set_status_on_exception: bool = True

    def tell(self, span: LeanSpan) -> None:
        """Put it on a span, besides the attributes."""
        if self.start_time is not None:
            span._start_time = self.start_time
        if self.record_exception is not True:
            span._record_exception = self.record_exception
        if self.set_status_on_exception is not True:
            span._set_status_on_exception = self.set_status_on_exception


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
    _is_lean: bool = False
    _shared: TracerShared
    _decisions: Decisions
    # Whether ids are drawn in a row of our own, in place of the SDK's generator of random ones.
    _draws: bool

    def follow(self, pipeline: Pipeline | None, filters: FilterSet) -> None:
        """Go over to another pipeline, or to none."""
        self.filters = filters
        if pipeline is not None:
            vars(self).update(
                sampler=pipeline.sampler,
                resource=pipeline.resource,
                span_processor=pipeline.processor,
                id_generator=pipeline.id_generator,
                _span_limits=pipeline.limits,
            )
            self._prepare()
        self.idle = pipeline is None
        self._is_lean = self._is_lean and not self.idle

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _PREPARED_FROM:
            self._prepare()

    def _prepare(self) -> None:
        self._is_lean = False
        self._decisions = Decisions.of(self.sampler)
        self._draws = type(self.id_generator) is RandomIdGenerator
        processor = self.span_processor
        if isinstance(processor, Fanout) and sdk_compat.holds(self):
            scope, info = self._instrumentation_scope, self.instrumentation_info
            limits, resource = self._span_limits, self.resource
            self._shared = TracerShared(processor, limits, resource, scope, info, self.sampler)
            self._is_lean = True

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT002 - the SDK's own parameters
        set_status_on_exception: bool = True,  # noqa: FBT002
    ) -> Span:
        """Start a span, as the SDK's tracer does, if a filter wants it.

        Spans of other libraries have the level INFO, and the name of their instrumentation scope
        for a target.
        """
        around = span_in(get_current() if context is None else context)
        wanted, scope = self._decide(name, attributes, around)
        if wanted == NO_EXPORTERS:
            made: Span = FilteredSpan(around)
        else:
            said = StartSpanArguments(
                attributes, start_time, record_exception, set_status_on_exception
            )
            given, links = _own_copy(attributes), links or ()
            made = self.start_wanted(
                wanted, name, context, kind, links, given, NO_SITE_ATTRIBUTES, said
            )
        open_scope(made, scope)
        return made

    def start_wanted(  # noqa: PLR0912 - every span's path, in as few calls as can be
        self,
        wanted: int,
        name: str,
        context: Context | None,
        kind: SpanKind,
        links: Sequence[Link],
        given: dict[str, Any] | None,
        site_attributes: SiteAttributes,
        said: StartSpanArguments | None = None,
    ) -> Span:
        """Start a span that went through the filters already.

        Args:
            wanted: The mask of the exporters that want it.
            name: Its name.
            context: The context of its parent, or None for the current one.
            kind: Its kind.
            links: What it points at.
            given: Its attributes, clean and its own; None where they are to be looked at.
            site_attributes: Those that all spans of its call site have in addition.
            said: What only callers of `start_span` say.
        """
        around: Any = (get_current() if context is None else context).get(SPAN_KEY)
        if type(around) is LeanSpan:
            parent: Any = around._context
        elif around is None:
            parent, around = None, INVALID_SPAN
        else:
            around = span_in(get_current() if context is None else context)
            parent = _context_of(around)
        if not self._is_lean:
            merged = None if given is None else {**site_attributes.mapping, **given}
            return self._start_otherwise(wanted, around, name, context, kind, links, merged, said)
        if parent is None or not parent[_IS_VALID]:
            trace_id = draw(128) or 1 if self._draws else self.id_generator.generate_trace_id()
            parent, state, decided = None, _NO_STATE, self._decisions.root
        else:
            trace_id, state = parent[_TRACE_ID], parent[_STATE]
            place = 3 if parent[_IS_REMOTE] else 1
            decided = self._decisions[place + (parent[_FLAGS] & _SAMPLED)]
        is_recorded = decided
        if decided is None or given is None:
            # Attributes that have to be looked at are the sampler's to refuse, as in the SDK.
            every: Attributes = (
                {**site_attributes.mapping, **(given or {})} if said is None else said.attributes
            )
            result = self.sampler.should_sample(context, trace_id, name, kind, every, links)
            decided, is_recorded, state = _read(result)
            # A sampler may write into the very attributes that it is shown.
            if given is None or result.attributes != {**site_attributes.mapping, **given}:
                given, site_attributes = None, NO_SITE_ATTRIBUTES
                said = (said or _NO_ARGUMENTS)._replace(attributes=result.attributes)
        if self._draws:
            random_bit = _RANDOM if parent is None else parent[_FLAGS] & _RANDOM
            flags = _ALL_FLAGS[random_bit | decided]
            own = _new_tuple(SpanContext, (trace_id, draw(64) or 1, False, flags, state, True))
        else:
            own = self._new_context(parent, trace_id, decided, state)
        if not is_recorded:
            return NonRecordingSpan(own)
        span = self._make(own, parent, name, kind, links, given, site_attributes, said)
        span._is_sampled = decided
        span.exporter_mask = wanted
        if type(around) is not LeanSpan:
            is_partly_seen = around is not INVALID_SPAN and has_wanted_record(around)
        else:
            is_partly_seen = around.exporter_mask != ALL_EXPORTERS or bool(around._tracekit_parents)
        if is_partly_seen:
            record_wanted(span, wanted, around, self.filters.exporter_count)
        for hook in span._shared.processor.starting:
            hook(span, parent_context=context)
        return span

    def _make(
        self,
        own: SpanContext,
        parent: SpanContext | None,
        name: str,
        kind: SpanKind,
        links: Sequence[Link],
        given: dict[str, Any] | None,
        site_attributes: SiteAttributes,
        said: StartSpanArguments | None,
    ) -> LeanSpan:
        span = _new_span(LeanSpan)
        span._shared = origin = self._shared
        span._name = name
        span._context = own
        span._parent = parent
        span._kind = kind
        span._site_attributes = site_attributes
        span._given = given
        span._last = span._end_time = None
        if given is None:
            span.bind(said.attributes if said is not None else None)
        elif len(given) + len(site_attributes.mapping) > origin.room:
            span.bind({**site_attributes.mapping, **given})
        if links:
            span.point_at(links)
        origin.processor.starts.add()
        span._start_time = time_ns()
        if said is not None:
            said.tell(span)
        return span

    def _new_context(
        self, parent: Any, trace_id: int, is_sampled: bool, state: TraceState
    ) -> SpanContext:
        # In the order in which the SDK asks a generator.
        if parent is not None:
            random_bit = parent[_FLAGS] & _RANDOM
        else:
            random_bit = _RANDOM and _RANDOM * self.id_generator.is_trace_id_random()
        flags = _ALL_FLAGS[random_bit | is_sampled]
        span_id = self.id_generator.generate_span_id()
        return SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=state)

    def _start_otherwise(
        self,
        wanted: int,
        around: Span,
        name: str,
        context: Context | None,
        kind: SpanKind,
        links: Sequence[Link],
        attributes: dict[str, Any] | None,
        said: StartSpanArguments | None,
    ) -> Span:
        # Without a pipeline, or where a lean span would not be what the SDK's is.
        if self.idle:
            return FilteredSpan(around)
        rest: Any = (attributes, links) if said is None else (said.attributes, links, *said[1:])
        made = specialize(super().start_span(name, context, kind, *rest))
        if wanted != ALL_EXPORTERS or has_wanted_record(around):
            record_wanted(made, wanted, around, self.filters.exporter_count)
        return made

    def _decide(self, name: str, attributes: Attributes, around: Span) -> FilterDecision:
        dynamic_filter = self.filters.dynamic_filter_for(self.target, Level.INFO, name)
        if dynamic_filter is None:
            scope = scope_of(around) if self.filters.is_dynamic else None
            return FilterDecision(self.filters.static_mask(self.target, Level.INFO), scope)
        # What is no mapping is the SDK's to take or to refuse.
        fields = attributes if isinstance(attributes, Mapping) else {}
        return dynamic_filter.decide(fields, scope_of(around))


_NO_ARGUMENTS: Final = StartSpanArguments()
# What a tracer prepares its spans from; all of it may be given to it at any time.
_PREPARED_FROM: Final = sdk_compat.TRACER | sdk_compat.TRACER_OF_SOME


def _read(result: SamplingResult) -> tuple[bool, bool, TraceState]:
    """Whether a span is sampled, whether it is recorded, and the state of its trace."""
    decision: Any = result.decision
    state = _NO_STATE if result.trace_state is None else result.trace_state
    return decision.is_sampled(), decision.is_recording(), state


def _context_of(around: Span) -> SpanContext | None:
    context = around.get_span_context()
    if context is not None and not isinstance(context, SpanContext):
        raise TypeError("parent_span_context must be a SpanContext or None.")
    return context


def _own_copy(attributes: Attributes) -> dict[str, Any] | None:
    """A copy of attributes that need no cleaning; None where some do."""
    if attributes is None:
        return {}
    if type(attributes) is not dict or not all(map(is_plain, attributes, attributes.values())):
        return None
    return attributes.copy()
