"""A batch of spans as OTLP's ExportTraceServiceRequest, written directly as bytes.

Decoded, it equals the message that OpenTelemetry's encoder makes of the same spans. That encoder
builds a tree of messages to serialize it once; here most bytes are already in a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tracekit._otlp.span_encoding import encode_lean_span, encode_readable_span
from tracekit._otlp.wire_format import Attributes, Delimited, utf8
from tracekit._sdk.pipeline import TracerShared
from tracekit._sdk.span import LeanSpan

_Encoded = TypeVar("_Encoded")
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


class SpanGroups(Generic[_Encoded]):
    """The encoded spans of a batch, by resource and scope, in the order of their first spans."""

    def __init__(self) -> None:
        self._resources: dict[Resource, dict[InstrumentationScope | None, list[_Encoded]]] = {}
        # The hash of a resource is that of its JSON, so it is computed once for each object. The
        # objects are kept in the value, so that no other object gets their id meanwhile.
        self._groups: dict[tuple[int, int], tuple[object, object, list[_Encoded]]] = {}

    def group_of(self, resource: Resource, scope: InstrumentationScope | None) -> list[_Encoded]:
        """Return the list of the encoded spans with this resource and scope, to append to."""
        key = id(resource), id(scope)
        known = self._groups.get(key)
        if known is None:
            group = self._resources.setdefault(resource, {}).setdefault(scope, [])
            known = self._groups[key] = resource, scope, group
        return known[2]

    def __iter__(
        self,
    ) -> Iterator[tuple[Resource, Mapping[InstrumentationScope | None, list[_Encoded]]]]:
        """Iterate over the resources, each with its scopes and their spans."""
        return iter(self._resources.items())


def encode_spans(
    spans: Sequence[ReadableSpan],
    *,
    on_skipped: Callable[[ReadableSpan, Exception], None] | None = None,
) -> bytes:
    """Encode ended spans as one request to a receiver.

    Attributes without a form in OTLP are left out: integers of more than 64 bits, unknown types,
    values that are nested deeper than readers accept. In a string, a lone surrogate becomes a
    replacement character. Both are logged once. A span without a valid identity, kind or times is
    skipped, and the other spans are encoded.

    Args:
        spans: Ended spans of any resources and scopes; within each, their order is kept.
        on_skipped: Called with each span that is skipped, and the reason.

    Returns:
        The serialized request; empty without a span to send.
    """
    groups: SpanGroups[bytes] = SpanGroups()
    groups_of_tracers: dict[TracerShared, list[bytes]] = {}
    for span in spans:
        try:
            if type(span) is LeanSpan:
                encoded, tracer = encode_lean_span(span), span._shared
                group = groups_of_tracers.get(tracer)
                if group is None:
                    group = _group_of(groups, tracer.resource, tracer.scope)
                    groups_of_tracers[tracer] = group
            else:
                encoded = encode_readable_span(span)
                group = _group_of(groups, span.resource, span.instrumentation_scope or None)
            group += (_SPAN[len(encoded)], encoded)
        except Exception as error:
            if on_skipped is not None:
                on_skipped(span, error)
    return b"".join(_encode_resource_spans(resource, scopes) for resource, scopes in groups)


def _group_of(
    groups: SpanGroups[bytes], resource: Resource, scope: InstrumentationScope | None
) -> list[bytes]:
    # Encoded first, so that a span whose resource or scope cannot be encoded fails alone.
    _encode_once(resource, _encode_resource)
    _encode_once(scope, _encode_scope)
    return groups.group_of(resource, scope)


def _encode_resource_spans(
    resource: Resource, scopes: Mapping[InstrumentationScope | None, list[bytes]]
) -> bytes:
    scope_spans = [
        _SCOPE_SPANS.of(_encode_once(scope, _encode_scope) + b"".join(spans))
        for scope, spans in scopes.items()
    ]
    return _RESOURCE_SPANS.of(_encode_once(resource, _encode_resource) + b"".join(scope_spans))


# By id. The value keeps the object, so that its id is not reused.
_encoded: Final[dict[int, tuple[object, bytes]]] = {}


def _encode_once(source: _Source, encode: Callable[[_Source], bytes]) -> bytes:
    """Return the encoded resource or scope; a process has few of them, and they never change."""
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
