"""The arguments that spans and events have in common, and their checks.

A parent or a link is a span, a span context, an OpenTelemetry context, or a carrier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType
from typing import Any, Final, NamedTuple, TypeVar

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
from tracekit._base.log import log_failure_once, log_warning_once
from tracekit._recording.carriers import extract, headers_of
from tracekit._recording.current_context import get_current, without_span
from tracekit._values.attribute_values import to_attribute_value
from tracekit._values.bounded_text import MAX_NAME

T = TypeVar("T")


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


def check_target(value: str | None) -> str | None:
    """Return a target that is not empty, or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InstrumentationError(f"target={value!r} is not a target; use a name such as shop.db")
    return value


class BlockArguments(NamedTuple):
    """The arguments of a `span` or an event, each in one form."""

    name: str
    attributes: Mapping[str, object]
    level: Level
    target: str | None
    kind: SpanKind


def usable_arguments(
    function: str,
    name: Any,
    attributes: Any,
    level: Any,
    target: Any,
    kind: Any = SpanKind.INTERNAL,
) -> BlockArguments:
    """Return the arguments of a call in the running program, with defaults for wrong ones.

    They may be data, so a wrong one must not raise. It is logged once for each name of a span or
    an event.

    `function` is the name of the function that was called.
    """
    try:
        return BlockArguments(
            _required_name(name),
            check_attributes(attributes),
            parse_level(level),
            check_target(target),
            parse_kind(kind),
        )
    except Exception:
        name = _usable_name(function, name)
        where = f"{function}({name[:MAX_NAME]!r})"
        return BlockArguments(
            name,
            usable_attributes(where, attributes),
            _usable("level", where, parse_level, level, Level.INFO),
            _usable("target", where, check_target, target, None),
            _usable("kind", where, parse_kind, kind, SpanKind.INTERNAL),
        )


def _required_name(name: Any) -> str:
    if type(name) is not str or not name.strip():
        raise InstrumentationError("a span and an event need a name")
    return name


def _usable_name(function: str, name: Any) -> str:
    text = "" if name is None else str(to_attribute_value(name))
    if text.strip():
        return text
    _log_unusable("name", function)
    return function


def usable_attributes(where: str, attributes: Any) -> Mapping[str, object]:
    """Return a mapping for a mapping, None or pairs; an empty one, and a warning, for others."""
    return _usable("attributes", where, _mapping_of, attributes, {})


def _mapping_of(attributes: Any) -> Mapping[str, object]:
    return dict(attributes) if _are_pairs(attributes) else check_attributes(attributes)


def _are_pairs(attributes: object) -> bool:
    return isinstance(attributes, (list, tuple)) and all(map(_is_pair, attributes))


def _is_pair(value: object) -> bool:
    match value:
        case (str(), _):
            return isinstance(value, tuple)
    return False


def _usable(what: str, where: str, check: Callable[[Any], T], value: Any, default: T) -> T:
    try:
        return check(value)
    except Exception as error:
        _log_unusable(what, where, error)
        return default


def _log_unusable(what: str, where: str, error: Exception | None = None) -> None:
    # Without the value, which may be a secret, and whose text may be of any length.
    log_warning_once(
        ("unusable", where, what),
        "the %s of %s is not valid and is not used; the traced program is not affected",
        what,
        where,
        error=error,
    )


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
    return _valid(map(_resolve_link, check_links(links)))


def _usable_links(where: str, links: Any) -> tuple[Link, ...]:
    is_single = links is None or isinstance(links, (*_SINGLE_LINK, str, bytes, bytearray))
    each: Any = (() if links is None else (links,)) if is_single else links
    found = (_usable("links", where, _resolve_link, link, None) for link in each)
    return _valid(link for link in found if link is not None)


def _valid(links: Iterable[Link]) -> tuple[Link, ...]:
    return tuple(link for link in links if link.context.is_valid)


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
        links = _usable_links(where, get_links())
    except Exception as error:
        warn_not_evaluated("the links", where, error)
    return context, links


def warn_not_evaluated(what: str, where: str, error: Exception) -> None:
    """Log, once for each function and type of exception, that an option was not evaluated."""
    log_failure_once((what, where), f"{what} of {where} could not be evaluated", error)
