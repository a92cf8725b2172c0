"""What a span may hang under or point at: a span, a span context, a context, or a carrier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, set_span_in_context

from tracekit._base.errors import InstrumentationError
from tracekit._base.log import log_warning_once
from tracekit._recording.carriers import Headers, extract, headers_of
from tracekit._recording.current_context import get_current, no_span
from tracekit._recording.options import CURRENT

# The context that holds a span's parent, and what the span points at.
Parentage = tuple[Context | None, Sequence[Link]]

_ONE_LINK: Final = (Link, Span, SpanContext, Mapping)
ACCEPTED: Final = (
    "a span, a span context, an OpenTelemetry context, or a carrier such as a message's headers"
)


def context_of(parent: Any) -> Context:
    """The context in which a span with this parent is started.

    Args:
        parent: None for a new trace; a span, a span context, an OpenTelemetry context; or a
            carrier: a mapping, or pairs of names and values (text or bytes), read through the
            global propagator. A carrier that holds no trace begins a new one.

    Returns:
        The context, with everything but the span as it is now.

    Raises:
        InstrumentationError: It is not one of these.
    """
    current = get_current()
    if parent is None:
        return no_span(current)
    if isinstance(parent, Context):
        return parent
    if isinstance(parent, Span):
        return set_span_in_context(parent, current)
    if isinstance(parent, SpanContext):
        return set_span_in_context(NonRecordingSpan(parent), current)
    return extract(_headers(parent), no_span(current))


def check_parent(parent: Any) -> None:
    """Refuse what can be no parent whatever it holds.

    Raises:
        InstrumentationError: It has no type of a parent.
    """
    known = (Context, Span, SpanContext, Iterable)
    is_text = isinstance(parent, (str, bytes, bytearray))
    if parent is not None and (is_text or not isinstance(parent, known)):
        raise InstrumentationError(f"{parent!r} is not {ACCEPTED}")


def check_links(targets: Any) -> Any:
    """Refuse what can be no links whatever they hold.

    Returns:
        The links, to be read at any time.

    Raises:
        InstrumentationError: One of them is nothing that can be linked to.
    """
    if targets is None or isinstance(targets, _ONE_LINK):
        return targets
    if isinstance(targets, (str, bytes, bytearray)) or not isinstance(targets, Iterable):
        raise InstrumentationError(f"links={targets!r}: expected links, or a list of {ACCEPTED}")
    found = tuple(targets)
    for target in found:
        if not isinstance(target, Link):
            check_parent(target)
    return found


def links_of(targets: Any) -> tuple[Link, ...]:
    """The links of a span.

    Args:
        targets: One or many of what `context_of` takes, or finished `Link`s.

    Returns:
        A link for each; none for a carrier that holds no trace.

    Raises:
        InstrumentationError: One of them is nothing that can be linked to.
    """
    if targets is None:
        return ()
    one = isinstance(targets, _ONE_LINK)
    found = [_link(target) for target in ([targets] if one else targets)]
    return tuple(link for link in found if link.context.is_valid)


def _link(target: Any) -> Link:
    if isinstance(target, Link):
        return target
    return Link(trace.get_current_span(context_of(target)).get_span_context())


def _headers(value: Any) -> Headers:
    headers = headers_of(value)
    if headers is None:
        raise InstrumentationError(f"{value!r} is not {ACCEPTED}")
    return headers


def resolve_parentage(where: str, parent: Callable[[], Any], links: Callable[[], Any]) -> Parentage:
    """Find a span's parent and links; what cannot be found is logged and left out.

    Args:
        where: What a message calls the place.
        parent: Gives the parent, or `CURRENT`.
        links: Gives the links.
    """
    try:
        found = parent()
        context = get_current() if found is CURRENT else context_of(found)
    except Exception as error:
        not_evaluated("the parent", where, error)
        context = get_current()
    pointed_at: tuple[Link, ...] = ()
    try:
        pointed_at = links_of(links())
    except Exception as error:
        not_evaluated("the links", where, error)
    return context, pointed_at


def not_evaluated(what: str, where: str, error: Exception) -> None:
    """Log, once for each place and kind of failure, that something could not be evaluated."""
    log_warning_once(
        (what, where, type(error)),
        "%s of %s could not be evaluated (%s); the traced program is not affected",
        what,
        where,
        type(error).__name__,
        error=error,
    )
