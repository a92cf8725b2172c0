"""A batch of spans as OTLP's ExportTraceServiceRequest, written straight to the wire.

Decoded, it equals what OpenTelemetry's own encoder makes of the same spans. That one builds a tree
of messages to write it once; this one knows most of the bytes beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from tracekit._otlp.attribute_encoding import Attributes
from tracekit._otlp.span_encoding import encode_lean_span, encode_readable_span
from tracekit._otlp.wire_format import Delimited, utf8
from tracekit._sdk.span import LeanSpan
from tracekit._sdk.tracer_shared import TracerShared

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    _Scopes = dict[InstrumentationScope | None, list[bytes]]

_Source = TypeVar("_Source")

# ExportTraceServiceRequest
_RESOURCE_SPANS: Final = Delimited(1)
# ResourceSpans
_RESOURCE: Final = Delimited(1)
_SCOPE_SPANS: Final = Delimited(2)
# ScopeSpans
_SCOPE: Final = Delimited(1)
_SPAN: Final = Delimited(2)
# Both
_SCHEMA_URL: Final = Delimited(3)
# Resource
_RESOURCE_ATTRIBUTES: Final = Attributes(1)
# InstrumentationScope
_SCOPE_NAME: Final = Delimited(1)
_SCOPE_VERSION: Final = Delimited(2)
_SCOPE_ATTRIBUTES: Final = Attributes(3)

_MOST_KEPT: Final = 256


def encode_spans(
    spans: Sequence[ReadableSpan],
    *,
    on_skipped: Callable[[ReadableSpan, Exception], None] | None = None,
) -> bytes:
    """Encode ended spans as one request to a receiver.

    Attributes that OTLP has no form for are left out: integers of more than 64 bits, unknown types,
    what is nested deeper than readers accept. In a text, a lone surrogate becomes a replacement
    character. Both are said once. A span without a valid identity, kind or times is left out, and
    the rest goes on.

    Args:
        spans: The spans, of any mix of resources and scopes; their order is kept within each.
        on_skipped: Called with each span that is left out, and why.

    Returns:
        The serialized request; empty if there is no span to send.
    """
    groups = _Groups()
    for span in spans:
        try:
            if type(span) is LeanSpan:
                encoded, group = encode_lean_span(span), groups.of_origin(span._shared)
            else:
                encoded = encode_readable_span(span)
                group = groups.of(span.resource, span.instrumentation_scope or None)
            group += (_SPAN[len(encoded)], encoded)
        except Exception as error:
            if on_skipped is not None:
                on_skipped(span, error)
    return groups.encode()


class _Groups:
    """The spans of a batch, by resource and scope, in the order in which these first appear."""

    def __init__(self) -> None:
        self._resources: dict[Resource, tuple[bytes, _Scopes]] = {}
        # A resource is written out as JSON to be hashed, so it is asked once for each object. The
        # objects are kept with the answer, so that no other takes over their id meanwhile.
        self._known: dict[object, tuple[object, list[bytes]]] = {}

    def of_origin(self, origin: TracerShared) -> list[bytes]:
        """The group of what one tracer made."""
        known = self._known.get(id(origin))
        if known is None:
            known = origin, self.of(origin.resource, origin.scope)
            self._known[id(origin)] = known
        return known[1]

    def of(self, resource: Resource, scope: InstrumentationScope | None) -> list[bytes]:
        """The group of spans of this resource and scope; what is said of the scope is in it."""
        key = id(resource), id(scope)
        known = self._known.get(key)
        if known is None:
            about_resource = _once(resource, _encode_resource)
            about_scope = _once(scope, _encode_scope)
            _, scopes = self._resources.setdefault(resource, (about_resource, {}))
            known = (resource, scope), scopes.setdefault(scope, [about_scope])
            self._known[key] = known
        return known[1]

    def encode(self) -> bytes:
        """Encode what was put into the groups."""
        return b"".join(
            _RESOURCE_SPANS.of(
                about + b"".join(_SCOPE_SPANS.of(b"".join(group)) for group in scopes.values())
            )
            for about, scopes in self._resources.values()
        )


# By id, and kept with the object, so that the id stays its own.
_encoded: Final[dict[int, tuple[object, bytes]]] = {}


def _once(source: _Source, encode: Callable[[_Source], bytes]) -> bytes:
    """Encode a resource or scope, of which a process has few that never change."""
    known = _encoded.get(id(source))
    if known is None:
        if len(_encoded) >= _MOST_KEPT:
            _encoded.clear()
        known = _encoded[id(source)] = source, encode(source)
    return known[1]


def _encode_resource(resource: Resource) -> bytes:
    attributes = _RESOURCE_ATTRIBUTES.encode(resource.attributes)
    return _RESOURCE.of(attributes) + _SCHEMA_URL.unless_empty(utf8(resource.schema_url))


def _encode_scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return _SCOPE.of(b"")
    named = (
        _SCOPE_NAME.unless_empty(utf8(scope.name))
        + _SCOPE_VERSION.unless_empty(utf8(scope.version))
        + _SCOPE_ATTRIBUTES.encode(scope.attributes)
    )
    return _SCOPE.of(named) + _SCHEMA_URL.unless_empty(utf8(scope.schema_url))
