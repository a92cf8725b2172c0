"""One span as OTLP's Span.

A `LeanSpan` is read from its slots, any other span by the SDK's public properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import (
    DEFAULT_TRACE_STATE,
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceState,
)

from tracekit._otlp.wire_format import Attributes, Delimited, fixed32, utf8, varint, varint_tag
from tracekit._recording.attributes import SiteAttributes
from tracekit._sdk.span import LeanSpan

# Span
_TRACE_STATE: Final = Delimited(3)
_PARENT: Final = Delimited(4)
_NAME: Final = Delimited(5)
_KIND: Final = varint_tag(6)
_ATTRIBUTES: Final = Attributes(9)
_DROPPED_ATTRIBUTES: Final = varint_tag(10)
_EVENT: Final = Delimited(11)
_DROPPED_EVENTS: Final = varint_tag(12)
_LINK: Final = Delimited(13)
_DROPPED_LINKS: Final = varint_tag(14)
_STATUS: Final = Delimited(15)
# Flags: it is known whether the parent is remote (0x100), and the parent is remote (0x200).
_LOCAL_PARENT: Final = fixed32(16, 0x100)
_REMOTE_PARENT: Final = fixed32(16, 0x300)
# The fields 1, 2, 7 and 8 with their tags: trace id, span id and the two times.
_IDENTITY_AND_TIMES: Final = Struct("<2s16s2s8scQcQ")
# Event
_EVENT_TIME: Final = Struct("<cQ")
_EVENT_NAME: Final = Delimited(2)
_EVENT_ATTRIBUTES: Final = Attributes(3)
_EVENT_DROPPED_ATTRIBUTES: Final = varint_tag(4)
# Link
_LINK_IDENTITY: Final = Struct("<2s16s2s8s")
_LINK_ATTRIBUTES: Final = Attributes(4)
_LINK_DROPPED_ATTRIBUTES: Final = varint_tag(5)
_LINK_IS_LOCAL: Final = fixed32(6, 0x100)
_LINK_IS_REMOTE: Final = fixed32(6, 0x300)
# Status
_STATUS_MESSAGE: Final = Delimited(2)
_STATUS_CODE: Final = varint_tag(3)

# The API counts kinds from 0, OTLP from 1.
_KINDS: Final = {kind: _KIND + varint(kind.value + 1) for kind in SpanKind}
_IS_INTERNAL: Final = _KINDS[SpanKind.INTERNAL]
_IS_UNSET: Final = _STATUS.of(b"")
# Before Python 3.12, looking a member up in its enumeration takes a call of a Python function.
_INTERNAL: Final = SpanKind.INTERNAL
_UNSET: Final = StatusCode.UNSET
_MOST_NAMES: Final = 2048


class _Names(dict[Any, bytes]):
    """A cache of the encoded field of a span's name, by the name."""

    def __missing__(self, name: Any) -> bytes:
        field = _NAME.unless_empty(utf8(name))
        if len(self) >= _MOST_NAMES:
            self.clear()
        if type(name) is str:
            self[name] = field
        return field


_names: Final = _Names()


def encode_lean_span(span: LeanSpan) -> bytes:
    """Encode an ended `LeanSpan`.

    Raises:
        Exception: The span has no valid identity, kind or times.
    """
    given = span._own_attributes
    if given is None:
        attributes = _encode_attributes(span._attributes, span.dropped_attributes)
    else:
        site = span._site_attributes
        attributes = (site.encoded or _encode_once(site)) + _ATTRIBUTES.encode(given)
    events = span._event_list
    if events is not None:
        attributes += _encode_events(events, span.dropped_events)
    links = span._link_list
    if links is not None:
        attributes += _encode_links(links, span.dropped_links)
    return _join(
        span._context,
        span._parent,
        span._name,
        span._kind,
        span._start_time,
        span._end_time,
        span._status,
        attributes,
    )


def _encode_once(site: SiteAttributes) -> bytes:
    site.encoded = _ATTRIBUTES.encode(site.mapping)
    return site.encoded


def encode_readable_span(span: ReadableSpan) -> bytes:
    """Encode an ended span by its public properties.

    Raises:
        Exception: The span has no valid identity, kind or times, or a property raised this.
    """
    # None, which a foreign span may return, fails at its first attribute.
    context: Any = span.get_span_context()
    return _join(
        context,
        span.parent,
        span.name,
        span.kind,
        span.start_time,
        span.end_time,
        span.status,
        _encode_attributes(span.attributes, span.dropped_attributes)
        + _encode_events(span.events, span.dropped_events)
        + _encode_links(span.links, span.dropped_links),
    )


def _join(
    context: SpanContext,
    parent: SpanContext | None,
    name: str,
    kind: SpanKind,
    start_time: int | None,
    end_time: int | None,
    status: Status | None,
    attributes_events_links: bytes,
) -> bytes:
    state = context.trace_state
    return b"".join(
        (
            _IDENTITY_AND_TIMES.pack(
                b"\x0a\x10",
                context.trace_id.to_bytes(16, "big"),
                b"\x12\x08",
                context.span_id.to_bytes(8, "big"),
                b"\x39",
                start_time or 0,
                b"\x41",
                end_time or 0,
            ),
            b"" if state is DEFAULT_TRACE_STATE else _encode_trace_state(state),
            _LOCAL_PARENT if parent is None else _encode_parent(parent),
            _names[name],
            _IS_INTERNAL if kind is _INTERNAL else _KINDS[kind],
            attributes_events_links,
            _encode_status(status),
        )
    )


def _encode_trace_state(state: TraceState | None) -> bytes:
    pairs = state.items() if state else ()
    return _TRACE_STATE.unless_empty(utf8(",".join(f"{key}={value}" for key, value in pairs)))


def _encode_parent(parent: SpanContext) -> bytes:
    flags = _REMOTE_PARENT if parent.is_remote else _LOCAL_PARENT
    return b"\x22\x08" + parent.span_id.to_bytes(8, "big") + flags


def _encode_status(status: Status | None) -> bytes:
    if status is None:
        return b""
    code, message = status.status_code, status.description
    if code is _UNSET and not message:
        return _IS_UNSET
    text = _STATUS_MESSAGE.unless_empty(utf8(message))
    return _STATUS.of(text + _STATUS_CODE + varint(code.value))


def _encode_attributes(attributes: Any, dropped: int) -> bytes:
    encoded = _ATTRIBUTES.encode(attributes)
    return encoded + _DROPPED_ATTRIBUTES + varint(dropped) if dropped else encoded


def _encode_events(events: Sequence[Event], dropped: int) -> bytes:
    encoded = b"".join([_EVENT.of(_encode_event(event)) for event in events])
    return encoded + _DROPPED_EVENTS + varint(dropped) if dropped else encoded


def _encode_event(event: Event) -> bytes:
    encoded = (
        _EVENT_TIME.pack(b"\x09", event.timestamp or 0)
        + _EVENT_NAME.unless_empty(utf8(event.name))
        + _EVENT_ATTRIBUTES.encode(event.attributes)
    )
    dropped = event.dropped_attributes
    return encoded + _EVENT_DROPPED_ATTRIBUTES + varint(dropped) if dropped else encoded


def _encode_links(links: Sequence[Link], dropped: int) -> bytes:
    encoded = b"".join([_LINK.of(_encode_link(link)) for link in links])
    return encoded + _DROPPED_LINKS + varint(dropped) if dropped else encoded


def _encode_link(link: Link) -> bytes:
    context = link.context
    encoded = (
        _LINK_IDENTITY.pack(
            b"\x0a\x10",
            context.trace_id.to_bytes(16, "big"),
            b"\x12\x08",
            context.span_id.to_bytes(8, "big"),
        )
        + _LINK_ATTRIBUTES.encode(link.attributes)
        + (_LINK_IS_REMOTE if context.is_remote else _LINK_IS_LOCAL)
    )
    dropped = link.dropped_attributes
    return encoded + _LINK_DROPPED_ATTRIBUTES + varint(dropped) if dropped else encoded
