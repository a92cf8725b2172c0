"""The arguments that spans and events have in common, and their checks.

A parent or a link is a span, a span context, an OpenTelemetry context, or a carrier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    set_span_in_context,
)

from tracekit._base.errors import InstrumentationError
from tracekit._base.levels import Level
from tracekit._base.log import log_failure_once
from tracekit._recording.carriers import extract, headers_of
from tracekit._recording.current_context import get_current, without_span


class _Current:
    """The default of `parent`: the current span."""

    def __repr__(self) -> str:
        return "<the current span>"

    def __reduce__(self) -> str:
        return "CURRENT"


CURRENT: Final[Any] = _Current()


def parse_level(value: Level | str | int) -> Level:
    """Return the level of a span or an event; `OFF` is a level of filters only."""
    try:
        level = Level.of(value)
    except ValueError as error:
        raise InstrumentationError(f"level={value!r}: {error}") from None
    if level is Level.OFF:
        raise InstrumentationError(f"level={value!r}: a span cannot be OFF; filters can")
    return level


def parse_kind(value: SpanKind | str) -> SpanKind:
    """Return the span kind for a member of the enum or its name in any case."""
    if isinstance(value, SpanKind):
        return value
    kind = SpanKind.__members__.get(value.upper()) if isinstance(value, str) else None
    if kind is None:
        names = ", ".join(SpanKind.__members__)
        raise InstrumentationError(f"kind={value!r} is not a span kind; use one of {names}")
    return kind


def check_name(value: str | None) -> str | None:
    """Return a name that is not empty, or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InstrumentationError(f"name={value!r} is not the name of a span")
    return value


def check_attributes(value: Mapping[str, object] | None) -> Mapping[str, object]:
    """Return a mapping of attributes; an empty one for None."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InstrumentationError(f"attributes={value!r}: expected a mapping of names to values")
    return value


def calling_module(frame: FrameType) -> str:
    """Return the name of the module whose code runs in a frame; the default target."""
    return str(frame.f_globals.get("__name__", "__main__"))


# The context that holds a span's parent, and the span's links.
Parentage = tuple[Context | None, Sequence[Link]]

_SINGLE_LINK: Final = (Link, Span, SpanContext, Mapping)
ACCEPTED: Final = (
    "a span, a span context, an OpenTelemetry context, or a carrier such as a message's headers"
)


def check_parent(parent: Any) -> None:
    """Check the type of a parent. A carrier is not read, because that may consume it."""
    types = (Context, Span, SpanContext, Iterable)
    is_text = isinstance(parent, (str, bytes, bytearray))
    if parent is not None and (is_text or not isinstance(parent, types)):
        raise InstrumentationError(f"{parent!r} is not {ACCEPTED}")


def check_links(links: Any) -> tuple[Any, ...]:
    """Check the types of one link or many, and return them so that they can be read repeatedly.

    A link is a finished `Link`, or what is accepted as a parent.
    """
    if links is None:
        return ()
    if isinstance(links, _SINGLE_LINK):
        return (links,)
    if isinstance(links, (str, bytes, bytearray)) or not isinstance(links, Iterable):
        raise InstrumentationError(f"links={links!r}: expected links, or a list of {ACCEPTED}")
    found = tuple(links)
    for link in found:
        if not isinstance(link, Link):
            check_parent(link)
    return found


def parent_context(parent: Any) -> Context:
    """Return the context in which a span with this parent is started.

    None starts a new trace, and so does a carrier without a trace. Apart from the span, the context
    holds what the current one holds, unless the parent is itself a context.
    """
    check_parent(parent)
    current = get_current()
    if parent is None:
        return without_span(current)
    if isinstance(parent, Context):
        return parent
    if isinstance(parent, Span):
        return set_span_in_context(parent, current)
    if isinstance(parent, SpanContext):
        return set_span_in_context(NonRecordingSpan(parent), current)
    headers = headers_of(parent)
    if headers is None:
        raise InstrumentationError(f"{parent!r} is not {ACCEPTED}")
    return extract(headers, without_span(current))


def resolve_links(links: Any) -> tuple[Link, ...]:
    """Return the links of a span, without those whose carrier holds no trace."""
    found = map(_resolve_link, check_links(links))
    return tuple(link for link in found if link.context.is_valid)


def _resolve_link(link: Any) -> Link:
    if isinstance(link, Link):
        return link
    return Link(trace.get_current_span(parent_context(link)).get_span_context())


def resolve_parentage(
    where: str, get_parent: Callable[[], Any], get_links: Callable[[], Any]
) -> Parentage:
    """Resolve a span's parent and links. A failure is logged, and the default is used instead."""
    try:
        parent = get_parent()
        context = get_current() if parent is CURRENT else parent_context(parent)
    except Exception as error:
        warn_not_evaluated("the parent", where, error)
        context = get_current()
    links: tuple[Link, ...] = ()
    try:
        links = resolve_links(get_links())
    except Exception as error:
        warn_not_evaluated("the links", where, error)
    return context, links


def warn_not_evaluated(what: str, where: str, error: Exception) -> None:
    """Log, once for each function and type of exception, that an option was not evaluated."""
    log_failure_once((what, where), f"{what} of {where} could not be evaluated", error)
