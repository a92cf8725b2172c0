"""A tracer that makes lean spans, and whose pipeline can be exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final

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
from tracekit._sdk.ids import random_bits
from tracekit._sdk.pipeline import Pipeline, TracerShared
from tracekit._sdk.sampling import KnownDecisions
from tracekit._sdk.span import LeanSpan, StartSpanArguments, is_plain
from tracekit._sdk.views import has_wanted_record, record_wanted, specialize

_new_span: Final = object.__new__
_new_tuple: Final = tuple.__new__
_TRACE_ID, _IS_REMOTE, _FLAGS, _STATE, _IS_VALID = 0, 2, 3, 4, 5
_NO_STATE: Final = TraceState.get_default()
_ALL_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))
_SAMPLED: Final = int(TraceFlags.SAMPLED)
# The SDK sets this flag from the release on in which it asks the generator whether ids are random.
_RANDOM: Final = 2 if hasattr(IdGenerator, "is_trace_id_random") else 0


class LiveTracer(sdk.Tracer):
    """A tracer of a `LiveTracerProvider`.

    Attributes:
        is_idle: Whether there is no pipeline. Nothing is recorded then, and the context of the
            parent is passed on, as without an SDK.
        filters: The filters in force.
        target: The target of its spans, which filters match.
    """

    is_idle: bool = False
    filters: FilterSet
    target: str
    _makes_lean_spans: bool = False
    _shared: TracerShared
    _known_decisions: KnownDecisions
    # Whether `random_bits` makes the ids, in place of the SDK's own random generator.
    _draws_ids: bool

    def set_pipeline(self, pipeline: Pipeline | None, filters: FilterSet) -> None:
        """Use another pipeline, or none, and other filters."""
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
        self.is_idle = pipeline is None
        self._makes_lean_spans = self._makes_lean_spans and not self.is_idle

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _PREPARED_FROM:
            self._prepare()

    def _prepare(self) -> None:
        self._makes_lean_spans = False
        self._known_decisions = KnownDecisions.of(self.sampler)
        self._draws_ids = type(self.id_generator) is RandomIdGenerator
        processor = self.span_processor
        if isinstance(processor, Fanout) and sdk_compat.can_make_lean_spans(self):
            scope, info = self._instrumentation_scope, self.instrumentation_info
            limits, resource = self._span_limits, self.resource
            self._shared = TracerShared(processor, limits, resource, scope, info, self.sampler)
            self._makes_lean_spans = True

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
        """Start a span, as the SDK's tracer does, if an exporter wants it.

        A span of another library has the level INFO, and its target is the name of its
        instrumentation scope.
        """
        parent_span = span_in(get_current() if context is None else context)
        wanted, scope = self._decide(name, attributes, parent_span)
        if wanted == NO_EXPORTERS:
            span: Span = FilteredSpan(parent_span)
        else:
            arguments = StartSpanArguments(
                attributes, start_time, record_exception, set_status_on_exception
            )
            own, links = _plain_copy(attributes), links or ()
            span = self.start_wanted(
                wanted, name, context, kind, links, own, NO_SITE_ATTRIBUTES, arguments
            )
        open_scope(span, scope)
        return span

    def start_wanted(  # noqa: PLR0912 - every span's path, in as few calls as can be
        self,
        wanted: int,
        name: str,
        context: Context | None,
        kind: SpanKind,
        links: Sequence[Link],
        own: dict[str, Any] | None,
        site: SiteAttributes,
        arguments: StartSpanArguments | None = None,
    ) -> Span:
        """Start a span about which the filters have decided.

        Args:
            wanted: The mask of the exporters that want it.
            name: Its name.
            context: The context that holds its parent, or None for the current one.
            kind: Its kind.
            links: Its links.
            own: Its own attributes, which need no cleaning. The span keeps the mapping.
                None if `arguments` has attributes that the SDK has to clean.
            site: The attributes that all spans of its call site have.
            arguments: The arguments of `start_span`, if a caller of that started it.
        """
        current = get_current() if context is None else context
        parent_span: Any = current.get(SPAN_KEY)
        if type(parent_span) is LeanSpan:
            parent: Any = parent_span._context
        elif parent_span is None:
            parent, parent_span = None, INVALID_SPAN
        else:
            parent_span = span_in(current)
            parent = _span_context_of(parent_span)
        if not self._makes_lean_spans:
            every = None if own is None else {**site.mapping, **own}
            return self._start_sdk_span(
                wanted, parent_span, name, context, kind, links, every, arguments
            )
        draws_ids = self._draws_ids
        if parent is None or not parent[_IS_VALID]:
            trace_id = random_bits(128) or 1 if draws_ids else self.id_generator.generate_trace_id()
            parent, state, decided = None, _NO_STATE, self._known_decisions.root
        else:
            trace_id, state = parent[_TRACE_ID], parent[_STATE]
            # The place in `KnownDecisions`, where sampled stands behind unsampled.
            unsampled = 3 if parent[_IS_REMOTE] else 1
            decided = self._known_decisions[unsampled + (parent[_FLAGS] & _SAMPLED)]
        is_recorded = decided
        if decided is None or own is None:
            # As in the SDK, the sampler sees the attributes before they are cleaned.
            seen: Attributes = {**site.mapping, **(own or {})}
            if arguments is not None:
                seen = arguments.attributes
            result = self.sampler.should_sample(context, trace_id, name, kind, seen, links)
            decided, is_recorded, state = _parse_result(result)
            # A sampler can write into the attributes that it gets.
            if own is None or result.attributes != {**site.mapping, **own}:
                own, site = None, NO_SITE_ATTRIBUTES
                arguments = (arguments or _NO_ARGUMENTS)._replace(attributes=result.attributes)
        if draws_ids:
            random_bit = _RANDOM if parent is None else parent[_FLAGS] & _RANDOM
            flags = _ALL_FLAGS[random_bit | decided]
            span_id = random_bits(64) or 1
            made = _new_tuple(SpanContext, (trace_id, span_id, False, flags, state, True))
        else:
            made = self._new_span_context(parent, trace_id, decided, state)
        if not is_recorded:
            return NonRecordingSpan(made)
        span = self._make(made, parent, name, kind, links, own, site, arguments)
        span._is_sampled = decided
        span.exporter_mask = wanted
        if type(parent_span) is LeanSpan:
            has_record = parent_span.exporter_mask != ALL_EXPORTERS or bool(
                parent_span._tracekit_parents
            )
        else:
            has_record = parent_span is not INVALID_SPAN and has_wanted_record(parent_span)
        if has_record:
            record_wanted(span, wanted, parent_span, self.filters.exporter_count)
        for hook in span._shared.processor.starting:
            hook(span, parent_context=context)
        return span

    def _make(
        self,
        span_context: SpanContext,
        parent: SpanContext | None,
        name: str,
        kind: SpanKind,
        links: Sequence[Link],
        own: dict[str, Any] | None,
        site: SiteAttributes,
        arguments: StartSpanArguments | None,
    ) -> LeanSpan:
        span = _new_span(LeanSpan)
        span._shared = shared = self._shared
        span._name = name
        span._context = span_context
        span._parent = parent
        span._kind = kind
        span._site_attributes = site
        span._own_attributes = own
        span._last_attribute = span._end_time = None
        if own is None:
            span.set_unchecked_attributes(arguments.attributes if arguments is not None else None)
        elif len(own) + len(site.mapping) > shared.attribute_room:
            span.set_unchecked_attributes({**site.mapping, **own})
        if links:
            span.set_links(links)
        shared.processor.start_counter.add()
        span._start_time = time_ns()
        if arguments is not None:
            arguments.apply_to(span)
        return span

    def _new_span_context(
        self, parent: Any, trace_id: int, is_sampled: bool, state: TraceState
    ) -> SpanContext:
        # The generator is called in the same order as by the SDK.
        if parent is not None:
            random_bit = parent[_FLAGS] & _RANDOM
        else:
            random_bit = _RANDOM and _RANDOM * self.id_generator.is_trace_id_random()
        flags = _ALL_FLAGS[random_bit | is_sampled]
        span_id = self.id_generator.generate_span_id()
        return SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=state)

    def _start_sdk_span(
        self,
        wanted: int,
        parent_span: Span,
        name: str,
        context: Context | None,
        kind: SpanKind,
        links: Sequence[Link],
        attributes: dict[str, Any] | None,
        arguments: StartSpanArguments | None,
    ) -> Span:
        # There is no pipeline, or the SDK's span has something that a lean span has not.
        if self.is_idle:
            return FilteredSpan(parent_span)
        rest: Any = (
            (attributes, links)
            if arguments is None
            else (arguments.attributes, links, *arguments[1:])
        )
        span = specialize(super().start_span(name, context, kind, *rest))
        if wanted != ALL_EXPORTERS or has_wanted_record(parent_span):
            record_wanted(span, wanted, parent_span, self.filters.exporter_count)
        return span

    def _decide(self, name: str, attributes: Attributes, parent_span: Span) -> FilterDecision:
        dynamic_filter = self.filters.dynamic_filter_for(self.target, Level.INFO, name)
        if dynamic_filter is None:
            scope = scope_of(parent_span) if self.filters.is_dynamic else None
            return FilterDecision(self.filters.static_mask(self.target, Level.INFO), scope)
        # The SDK accepts or rejects attributes that are not a mapping.
        fields = attributes if isinstance(attributes, Mapping) else {}
        return dynamic_filter.decide(fields, scope_of(parent_span))


_NO_ARGUMENTS: Final = StartSpanArguments()
# A program can assign these attributes of a tracer at any time.
_PREPARED_FROM: Final = sdk_compat.TRACER | sdk_compat.TRACER_OF_SOME


def _parse_result(result: SamplingResult) -> tuple[bool, bool, TraceState]:
    """Return whether a span is sampled, whether it is recorded, and the state of its trace."""
    decision: Any = result.decision
    state = _NO_STATE if result.trace_state is None else result.trace_state
    return decision.is_sampled(), decision.is_recording(), state


def _span_context_of(parent_span: Span) -> SpanContext | None:
    context = parent_span.get_span_context()
    if context is not None and not isinstance(context, SpanContext):
        raise TypeError("parent_span_context must be a SpanContext or None.")
    return context


def _plain_copy(attributes: Attributes) -> dict[str, Any] | None:
    """Return a copy of attributes, or None if the SDK has to clean one of them."""
    if attributes is None:
        return {}
    if type(attributes) is not dict or not all(map(is_plain, attributes, attributes.values())):
        return None
    return attributes.copy()
