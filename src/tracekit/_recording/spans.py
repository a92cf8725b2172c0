"""What is recorded in a function's body: spans of a block, events, and attributes added later."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any, Final, Literal

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind

from tracekit._base.levels import Level
from tracekit._base.log import log_warning_once
from tracekit._filters.call_sites import registry
from tracekit._filters.filter_set import NO_EXPORTERS, FilterSet
from tracekit._recording.attributes import thread_attributes, to_attributes
from tracekit._recording.filter_decisions import (
    DecidedAttributes,
    SuppressedSpan,
    add_event,
    current_scope,
    event_mask,
    recorded_span_around,
)
from tracekit._recording.options import (
    CURRENT,
    parse_attributes,
    parse_kind,
    parse_level,
    parse_name,
)
from tracekit._recording.parents import Parentage, check_links, check_parent, resolve_parentage
from tracekit._recording.recording import Recording, RecordingSite, give_up, start_span
from tracekit._recording.tracers import tracer_here, tracer_of


class span:  # noqa: N801 - read as a verb at the place of use: `with span("lookup"):`
    """A span around a block of code.

    The arguments are checked when the span is made; a carrier that cannot be read is logged, and
    the current span is the parent. An exception that leaves the block is
    recorded as by `@instrument`. Where the span is filtered out, the block runs without one, and
    what is set on the variable of the `with` statement goes nowhere.

    Args:
        name: The span's name.
        attributes: Its attributes; dotted names go here.
        level: How important the span is.
        target: What filters match on; by default the calling module's `__name__`.
        kind: The span's kind, as OpenTelemetry's enum or its name in any case.
        parent: None for a new trace; a span, a span context, an OpenTelemetry context or a carrier.
            By default the current span.
        links: A list of what `parent` takes.
        **fields: Attributes with plain names.

    Raises:
        InstrumentationError: The name, attributes, level, kind, parent or links are not valid.

    Example:
        ```python
        from tracekit import span

        with span("cache lookup", {"cache.key": "user:7"}, hit=False) as current:
            current.set_attribute("cache.size", 4096)
        ```
    """

    __slots__ = (
        "_attributes",
        "_fields",
        "_kind",
        "_links",
        "_name",
        "_parent",
        "_recording",
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
        parse_name(name)
        self._site = _site_of(target or _module_of(sys._getframe(1)), parse_level(level))
        self._name = name
        self._kind = parse_kind(kind)
        if parent is not CURRENT:
            check_parent(parent)
        self._parent = parent
        self._links = None if links is None else check_links(links)
        self._attributes = parse_attributes(attributes)
        self._fields = fields
        self._recording: Recording | None = None

    def __enter__(self) -> Span:
        site = self._site
        if not site.disabled:
            try:
                self._start(site)
            except Exception as error:
                give_up(site, error)
        recording = self._recording
        if recording is None or isinstance(recording.span, SuppressedSpan):
            return NonRecordingSpan(trace.get_current_span().get_span_context())
        return recording.span

    def _start(self, site: RecordingSite) -> None:
        is_here = self._parent is CURRENT and self._links is None
        tracer = tracer_here(site) if is_here else tracer_of(site)
        attributes = None if tracer is None else self._described(site)
        if tracer is not None and attributes is not None:
            parentage = self._parentage()
            made = start_span(site, tracer, self._name, attributes, parentage, kind=self._kind)
            self._recording = Recording(site, made)

    def _described(self, site: RecordingSite) -> dict[str, Any] | None:
        filters = registry.filters
        dynamic_filter = filters.dynamic_filter_for(site.target, site.level, self._name)
        if dynamic_filter is None:
            return self._all_attributes() if site.exporter_mask != NO_EXPORTERS else None
        given = {**self._attributes, **self._fields}
        needed = {name: given[name] for name in dynamic_filter.needed_fields if name in given}
        outer = current_scope()
        decision = dynamic_filter.decide(to_attributes(needed, {}), outer)
        if decision.exporter_mask != NO_EXPORTERS:
            return DecidedAttributes(self._all_attributes(), decision)
        return None if decision.scope is outer else DecidedAttributes({}, decision)

    def _all_attributes(self) -> dict[str, Any]:
        return {**thread_attributes(), **to_attributes(self._attributes, self._fields)}

    def _parentage(self) -> Parentage | None:
        if self._parent is CURRENT and self._links is None:
            return None
        where = f"span({self._name!r})"
        return resolve_parentage(where, lambda: self._parent, lambda: self._links)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> Literal[False]:
        recording, self._recording = self._recording, None
        if recording is not None:
            if error is None:
                recording.succeed(None)
            else:
                recording.fail(error)
        return False


def event(
    name: str,
    attributes: Mapping[str, object] | None = None,
    /,
    *,
    level: Level | str | int = Level.INFO,
    target: str | None = None,
    **fields: object,
) -> None:
    """Add an event to the current span; without one that records, nothing happens.

    Args:
        name: The event's name.
        attributes: Its attributes; dotted names go here.
        level: How important the event is; it is recorded as the attribute `level`.
        target: What filters match on; by default the calling module's `__name__`.
        **fields: Attributes with plain names.

    Raises:
        InstrumentationError: The name, the attributes or the level are not valid.

    Example:
        ```python
        from tracekit import event

        event("cache miss", {"cache.key": "user:7"}, level="debug", attempts=2)
        ```
    """
    parse_name(name)
    given = parse_attributes(attributes)
    importance = parse_level(level)
    current = recorded_span_around(trace.get_current_span())
    if not current.is_recording():
        return
    module = target or _module_of(sys._getframe(1))
    try:
        wanted = event_mask(module, importance, lambda: to_attributes(given, fields), current)
        if wanted != NO_EXPORTERS:
            described = {"level": importance.name, **to_attributes(given, fields)}
            add_event(current, wanted, name, described)
    except Exception as error:
        _not_recorded("event", name, error)


def record(attributes: Mapping[str, object] | None = None, /, **fields: object) -> None:
    """Set attributes on the current span; without one that records, nothing happens.

    Args:
        attributes: Attributes; dotted names go here.
        **fields: Attributes with plain names.

    Raises:
        InstrumentationError: The attributes are not a mapping.

    Example:
        ```python
        from tracekit import record

        record({"user.id": 7}, cached=True)
        ```
    """
    given = parse_attributes(attributes)
    current = recorded_span_around(trace.get_current_span())
    if not current.is_recording():
        return
    try:
        current.set_attributes(to_attributes(given, fields))
    except Exception as error:
        _not_recorded("record", ", ".join(map(str, {**given, **fields})), error)


def _not_recorded(what: str, name: str, error: Exception) -> None:
    log_warning_once(
        (what, name, type(error)),
        "%s(%r) was not recorded (%s); the traced program is not affected",
        what,
        name,
        type(error).__name__,
        error=error,
    )


class BlockSite(RecordingSite):
    """Everything that is recorded in passing from one target at one level, under any name."""

    __slots__ = ()

    def update_interest(self, filters: FilterSet) -> None:
        """Take a new verdict; where names and fields count, each block asks for itself."""
        super().update_interest(filters)
        self.disabled = self.exporter_mask == NO_EXPORTERS and not filters.is_dynamic


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "__main__"))


def _site_of(target: str, level: Level) -> BlockSite:
    site = _sites.get((target, level))
    if site is None:
        site = BlockSite(target, level)
        if len(_sites) < _MOST_SITES:
            _sites[target, level] = site
    return site


_MOST_SITES: Final = 10_000
_sites: Final[dict[tuple[str, Level], BlockSite]] = {}
