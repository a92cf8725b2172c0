"""The parent and the links of a span: spans, span contexts, contexts or carriers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, set_span_in_context

from tracekit._base.errors import InstrumentationError
from tracekit._base.log import log_warning_once
from tracekit._recording.arguments import CURRENT
from tracekit._recording.carriers import extract, headers_of
from tracekit._recording.current_context import get_current, without_span

# The context that holds a span's parent, and the span's links.
Parentage = tuple[Context | None, Sequence[Link]]

_SINGLE_LINK: Final = (Link, Span, SpanContext, Mapping)
ACCEPTED: Final = (
    "a span, a span context, an OpenTelemetry context, or a carrier such as a message's headers"
)


def check_parent(parent: Any) -> None:
    """Check the type of a parent. A carrier is not read, because that may consume it.

    Raises:
        InstrumentationError: The object cannot be a parent.
    """
    types = (Context, Span, SpanContext, Iterable)
    is_text = isinstance(parent, (str, bytes, bytearray))
    if parent is not None and (is_text or not isinstance(parent, types)):
        raise InstrumentationError(f"{parent!r} is not {ACCEPTED}")


def check_links(links: Any) -> tuple[Any, ...]:
    """Check the types of links.

    Args:
        links: None, one link, or many. A link is a finished `Link`, or what is accepted as parent.

    Returns:
        The links, which can be read repeatedly.

    Raises:
        InstrumentationError: One of them cannot be a link.
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

    Args:
        parent: None for a new trace; a span, a span context, an OpenTelemetry context; or a
            carrier: a mapping, or pairs of names and values (text or bytes), which is read with the
            global propagator. A carrier without a trace starts a new one.

    Returns:
        The context. Apart from the span it holds what the current context holds.

    Raises:
        InstrumentationError: The object is not one of these.
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
    """Return the links of a span, without those whose carrier holds no trace.

    Args:
        links: None, one link, or many, as for `check_links`.

    Raises:
        InstrumentationError: One of them cannot be a link.
    """
    found = map(_resolve_link, check_links(links))
    return tuple(link for link in found if link.context.is_valid)


def _resolve_link(link: Any) -> Link:
    if isinstance(link, Link):
        return link
    return Link(trace.get_current_span(parent_context(link)).get_span_context())


def resolve_parentage(
    where: str, get_parent: Callable[[], Any], get_links: Callable[[], Any]
) -> Parentage:
    """Resolve a span's parent and links. A failure is logged, and the default is used instead.

    Args:
        where: The name of the function or the span for the log message.
        get_parent: Returns the parent, or `CURRENT`.
        get_links: Returns the links.
    """
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
    log_warning_once(
        (what, where, type(error)),
        "%s of %s could not be evaluated (%s); the traced program is not affected",
        what,
        where,
        type(error).__name__,
        error=error,
    )
