"""Spans around a block of code, and the events and attributes of the current span."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, NoReturn

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind

from tracekit._base.errors import InstrumentationError
from tracekit._base.levels import Level
from tracekit._base.log import log_failure_once
from tracekit._filters.call_sites import registry
from tracekit._filters.filter_set import NO_EXPORTERS, FilterSet
from tracekit._recording.arguments import (
    CURRENT,
    calling_module,
    resolve_parentage,
    usable_arguments,
    usable_attributes,
)
from tracekit._recording.attributes import merge, thread_attributes, to_attributes
from tracekit._recording.current_context import tracer_for, tracer_for_child
from tracekit._recording.filter_decisions import (
    DecidedSpan,
    SuppressedSpan,
    add_event,
    decide_event,
    decide_span,
    nearest_recorded_span,
)
from tracekit._recording.span_lifecycle import ActiveSpan, SpanCallSite, log_failure, start_span


class span:  # noqa: N801 - a class that reads as a verb: `with span("lookup"):`
    """A span around a block of code.

    An argument that is not valid is logged once, and its default is used, because it may be data: a
    carrier that cannot be read leaves the current span as the parent. An exception that leaves the
    block is recorded as by `@instrument`. If the span is filtered out, the block runs without one,
    and what is set on the variable of the `with` statement is discarded. `async with` works as
    `with`.

    Args:
        name: The span's name.
        attributes: Its attributes; dotted names go here.
        level: The span's level for filters.
        target: The target for filters; by default the calling module's `__name__`.
        kind: The span's kind, as OpenTelemetry's enum or its name in any case.
        parent: None for a new trace; a span, a span context, an OpenTelemetry context or a carrier.
            By default the current span.
        links: A list of what `parent` accepts.
        **fields: Attributes with plain names.

    Raises:
        InstrumentationError: It is used as a decorator; `@instrument("name")` decorates a function.

    Example:
        ```python
        from tracekit import span

        with span("cache lookup", {"cache.key": "user:7"}, hit=False) as current:
            current.set_attribute("cache.size", 4096)
        ```
    """

    __slots__ = (
        "_active",
        "_attributes",
        "_fields",
        "_has_parentage",
        "_kind",
        "_links",
        "_name",
        "_parent",
        "_site",
    )

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, object] | None = None,
        /,
        *,
        level: Level | str | int = Level.INFO,
        target: str | None = None,
        kind: SpanKind | str = SpanKind.INTERNAL,
        parent: Any = CURRENT,
        links: Any = None,
        **fields: object,
    ) -> None:
        given = usable_arguments("span", name, attributes, level, target, kind)
        self._name, self._attributes, used_level, used_target, self._kind = given
        self._site = _block_site(used_target or calling_module(sys._getframe(1)), used_level)
        self._parent = parent
        self._links = links
        self._has_parentage = parent is not CURRENT or links is not None
        self._fields = fields
        self._active: ActiveSpan | None = None

    def __enter__(self) -> Span:
        if not self._site.disabled:
            try:
                self._start(self._site)
            except Exception as error:
                log_failure(self._site, error)
        active = self._active
        if active is None or isinstance(active.span, SuppressedSpan):
            return NonRecordingSpan(trace.get_current_span().get_span_context())
        return active.span

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> Literal[False]:
        return self.__exit__(kind, error, frames)

    def __call__(self, function: object) -> NoReturn:
        """Refuse to decorate a function, and say what does.

        Raises:
            InstrumentationError: Always.
        """
        raise InstrumentationError(
            f"@span({self._name!r}) on {function!r}: span() is for a block of code; decorate a "
            f"function with @instrument({self._name!r})"
        )

    def _start(self, site: SpanCallSite) -> None:
        tracer = tracer_for(site) if self._has_parentage else tracer_for_child(site)
        attributes = None if tracer is None else self._attributes_if_enabled(site)
        if tracer is not None and attributes is not None:
            parentage = None
            if self._has_parentage:
                where = f"span({self._name!r})"
                parentage = resolve_parentage(where, lambda: self._parent, lambda: self._links)
            started = start_span(site, tracer, self._name, attributes, parentage, kind=self._kind)
            self._active = ActiveSpan(site, started)

    def _attributes_if_enabled(self, site: SpanCallSite) -> dict[str, Any] | DecidedSpan | None:
        filters = registry.filters
        dynamic_filter = filters.dynamic_filter_for(site.target, site.level, self._name)
        if dynamic_filter is None:
            return self._describe_all({}) if site.exporter_mask != NO_EXPORTERS else None
        given = merge(self._attributes, self._fields)
        needed = {n: given[n] for n in dynamic_filter.needed_fields if n in given}
        return decide_span(dynamic_filter, lambda: to_attributes(needed, {}), self._describe_all)

    def _describe_all(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {**thread_attributes(), **to_attributes(self._attributes, self._fields)}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> Literal[False]:
        active, self._active = self._active, None
        if active is not None:
            if error is None:
                active.succeed(None)
            else:
                active.fail(error)
        return False


class BlockSite(SpanCallSite):
    """The call site of all blocks with one target and level, whatever their names."""

    __slots__ = ()

    def update_interest(self, filters: FilterSet) -> None:
        """Cache what the filters say; if they name spans or fields, each block asks them again."""
        super().update_interest(filters)
        self.disabled = self.exporter_mask == NO_EXPORTERS and not filters.is_dynamic


def _block_site(target: str, level: Level) -> BlockSite:
    site = _sites.get((target, level))
    if site is None:
        site = BlockSite(target, level)
        if len(_sites) < _MAX_SITES:
            _sites[target, level] = site
    return site


_MAX_SITES: Final = 10_000
_sites: Final[dict[tuple[str, Level], BlockSite]] = {}


def event(
    name: str,
    attributes: Mapping[str, object] | None = None,
    /,
    *,
    level: Level | str | int = Level.INFO,
    target: str | None = None,
    **fields: object,
) -> None:
    """Add an event to the current span; do nothing if the span does not record.

    Args:
        name: The event's name.
        attributes: Its attributes; dotted names go here.
        level: The event's level for filters, recorded as the attribute `level`.
        target: The target for filters; by default the calling module's `__name__`.
        **fields: Attributes with plain names.

    An argument that is not valid is logged once, and its default is used.

    Example:
        ```python
        from tracekit import event

        event("cache miss", {"cache.key": "user:7"}, level="debug", attempts=2)
        ```
    """
    span = nearest_recorded_span(trace.get_current_span())
    if not span.is_recording():
        return
    given = usable_arguments("event", name, attributes, level, target)
    event_target = given.target or calling_module(sys._getframe(1))
    try:
        exporter_mask, described = decide_event(
            span, event_target, given.level, lambda: to_attributes(given.attributes, fields)
        )
        if exporter_mask != NO_EXPORTERS:
            add_event(span, exporter_mask, given.name, {"level": given.level.name, **described})
    except Exception as error:
        log_failure_once(("event", name), f"event({name!r}) was not recorded", error)


def record(attributes: Mapping[str, object] | None = None, /, **fields: object) -> None:
    """Set attributes on the current span; do nothing if the span does not record.

    Args:
        attributes: Attributes; dotted names go here.
        **fields: Attributes with plain names.

    Attributes that are not a mapping, or pairs of a name and a value, are logged once.

    Example:
        ```python
        from tracekit import record

        record({"user.id": 7}, cached=True)
        ```
    """
    span = nearest_recorded_span(trace.get_current_span())
    if not span.is_recording():
        return
    try:
        given = usable_attributes("record()", attributes)
        span.set_attributes(to_attributes(given, fields))
    except Exception as error:
        names = ", ".join(fields)
        log_failure_once(("record", names), f"record({names}) was not recorded whole", error)
