"""A tracer that makes lean spans, and follows its provider from pipeline to pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
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

from tracekit._code.current import get_current, span_in
from tracekit._code.scopes import NotMade, open_scope, scope_of
from tracekit._engine import reliance
from tracekit._engine.fanout import Fanout
from tracekit._engine.ids import draw
from tracekit._engine.pipeline import Pipeline
from tracekit._engine.sampling import Decisions
from tracekit._engine.span import LeanSpan, Origin, is_plain
from tracekit._engine.views import is_partly_wanted, remember
from tracekit._ground.constants import NO_CONSTANTS, Constants
from tracekit._ground.levels import Level
from tracekit._ground.verdicts import NOBODY, FilterSet, Judgement

_new_span: Final = object.__new__
_new_tuple: Final = tuple.__new__
_TRACE_ID, _IS_REMOTE, _FLAGS, _STATE, _IS_VALID = 0, 2, 3, 4, 5
_NO_STATE: Final = TraceState.get_default()
_ALL_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))
_SAMPLED: Final = int(TraceFlags.SAMPLED)
# The flag is as old as the SDK's own question whether ids are random.
_RANDOM: Final = 2 if hasattr(IdGenerator, "is_trace_id_random") else 0
# Whether a span records the exception that leaves its block, and takes it for a failure.
_BOTH: Final = (True, True)
# Stands for the attributes that a sampler is asked about where they are in two parts.
_IN_TWO_PARTS: Final[Any] = object()


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
    _origin: Origin
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

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _PREPARED_FROM:
            self._prepare()

    def _prepare(self) -> None:
        self._is_lean = False
        self._decisions = Decisions.of(self.sampler)
        self._draws = type(self.id_generator) is RandomIdGenerator
        processor = self.span_processor
        if isinstance(processor, Fanout) and reliance.holds(self):
            scope, info = self._instrumentation_scope, self.instrumentation_info
            limits, resource = self._span_limits, self.resource
            self._origin = Origin(processor, limits, resource, scope, info, self.sampler)
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
        wanted, scope = self._judge(name, attributes, around)
        if wanted == NOBODY or self.idle:
            made: Span = NotMade(around)
        else:
            on_exit = record_exception, set_status_on_exception
            if self._is_lean:
                given = _own_copy(attributes)
                rest = NO_CONSTANTS, attributes, start_time, on_exit
                made = self._start(around, name, context, kind, links or (), given, *rest)
            else:
                rest_of = attributes, links, start_time, *on_exit
                made = super().start_span(name, context, kind, *rest_of)
            self._remember(made, wanted, around)
        open_scope(made, scope)
        return made

    def start_wanted(
        self,
        wanted: int,
        name: str,
        context: Context | None,
        kind: SpanKind,
        links: Sequence[Link],
        given: dict[str, Any],
        constants: Constants,
    ) -> Span:
        """Start a span that went through the filters already.

        Args:
            wanted: The mask of the exporters that want it.
            name: Its name.
            context: The context of its parent, or None for the current one.
            kind: Its kind.
            links: What it points at.
            given: Its attributes, clean and its own.
            constants: Those that all spans of its place in the program have besides.
        """
        around = span_in(get_current() if context is None else context)
        if self.idle:
            return NotMade(around)
        if self._is_lean:
            made = self._start(around, name, context, kind, links, given, constants)
        else:
            made = super().start_span(name, context, kind, {**constants, **given}, links)
        is_whole = around is INVALID_SPAN or (type(around) is LeanSpan and around._is_whole)
        if not (is_whole and self.filters.is_uniform):
            self._remember(made, wanted, around)
        return made

    def _start(  # noqa: PLR0912 - the path of every span, without a call more than it needs
        self,
        around: Span,
        name: str,
        context: Context | None,
        kind: SpanKind,
        links: Sequence[Link],
        given: dict[str, Any] | None,
        constants: Constants,
        attributes: Attributes = _IN_TWO_PARTS,
        start_time: int | None = None,
        on_exit: tuple[bool, bool] = _BOTH,
    ) -> Span:
        # Attributes that are clean are `given`. Others, which the span has to look at, are
        # `attributes`, and the sampler looks at them first, as in the SDK.
        parent: Any = around._context if type(around) is LeanSpan else _context_of(around)
        if parent is None or not parent[_IS_VALID]:
            trace_id = draw(128) or 1 if self._draws else self.id_generator.generate_trace_id()
            parent, state, decided = None, _NO_STATE, self._decisions.root
        else:
            trace_id, state = parent[_TRACE_ID], parent[_STATE]
            place = 3 if parent[_IS_REMOTE] else 1
            decided = self._decisions[place + (parent[_FLAGS] & _SAMPLED)]
        is_recorded = decided
        if decided is None or given is None:
            offered = attributes
            if given is not None and attributes is _IN_TWO_PARTS:
                offered = {**constants, **given}
            result = self.sampler.should_sample(context, trace_id, name, kind, offered, links)
            decision: Any = result.decision
            decided, is_recorded = decision.is_sampled(), decision.is_recording()
            state = _NO_STATE if result.trace_state is None else result.trace_state
            if given is None or result.attributes != (offered or {}):
                given, constants, attributes = None, NO_CONSTANTS, result.attributes
        if self._draws:
            random_bit = _RANDOM if parent is None else parent[_FLAGS] & _RANDOM
            flags = _ALL_FLAGS[random_bit | decided]
            own = _new_tuple(SpanContext, (trace_id, draw(64) or 1, False, flags, state, True))
        else:
            own = self._new_context(parent, trace_id, decided, state)
        if not is_recorded:
            return NonRecordingSpan(own)
        span = _new_span(LeanSpan)
        span._origin = origin = self._origin
        span._name = name
        span._context = own
        span._is_open = True
        if parent is not None:
            span._parent = parent
        if kind is not SpanKind.INTERNAL:
            span._kind = kind
        if given is None or len(given) + len(constants) > origin.room:
            span.bind(attributes if given is None else {**constants, **given})
        else:
            span._constants, span._given = constants, given
        if links:
            span._links = span._new_links(links)
        if on_exit is not _BOTH:
            span._record_exception, span._set_status_on_exception = on_exit
        processor = origin.processor
        processor.starts.add()
        span._start_time = time_ns() if start_time is None else start_time
        for hook in processor.starting:
            hook(span, parent_context=context)
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


# What a tracer prepares its spans from; all of it may be given to it at any time.
_PREPARED_FROM: Final = reliance.TRACER | reliance.TRACER_OF_SOME


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
