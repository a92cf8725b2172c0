"""What a query means: whether it matches one span.

This is the reference. The store answers a query by its tables, and asks here only where a span has
to be decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tracekit._viewer.query.nodes import (
    COMPARE,
    And,
    Attribute,
    Choice,
    Flag,
    Node,
    Not,
    NumberField,
    Or,
    Text,
    TextField,
    fold,
)
from tracekit._viewer.query.values import LARGEST, LEVELS, STATUSES

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    from tracekit._viewer.store.reader import SpanData, TraceSummary

_LARGEST_BYTE: Final = 255
_DEEPEST: Final = 40
_LEVEL: Final = "level"
Conditions: TypeAlias = "Text | TextField | NumberField | Choice | Flag | Attribute"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span with what it belongs to."""

    trace: TraceSummary
    span: Span
    service: str
    scope: str
    resource: list[KeyValue]

    @classmethod
    def of(cls, trace: TraceSummary, data: SpanData) -> Candidate:
        """Decode a stored span."""
        resource = list(ResourceSpans.FromString(data.resource).resource.attributes)
        service = ""
        for each in resource:
            if each.key == "service.name":
                is_text = each.value.WhichOneof("value") in {"string_value", "int_value"}
                service = value_text(each.value) or "" if is_text else ""
        return cls(
            trace,
            Span.FromString(data.raw),
            service or "unknown_service",
            ScopeSpans.FromString(data.scope).scope.name,
            resource,
        )


def matches(node: Node, candidate: Candidate) -> bool:
    """Return whether a query matches a span."""
    if isinstance(node, And):
        return all(matches(part, candidate) for part in node.parts)
    if isinstance(node, Or):
        return any(matches(part, candidate) for part in node.parts)
    if isinstance(node, Not):
        return not matches(node.part, candidate)
    return _holds(node, candidate)


def _holds(node: Conditions, candidate: Candidate) -> bool:  # noqa: PLR0911 - one for each kind
    span = candidate.span
    match node:
        case Text():
            return (
                node.test.is_in(fold(span.name))
                or node.test.is_in(fold(candidate.service))
                or holds_text(node, span)
            )
        case TextField(field="event"):
            return has_event(node, span)
        case TextField():
            return node.test.accepts(_text_of(node.field, candidate))
        case NumberField(field="level"):
            return any(COMPARE[node.comparison](level, node.number) for level in levels_of(span))
        case NumberField():
            number = _number_of(node.field, candidate)
            return number is not None and COMPARE[node.comparison](number, node.number)
        case Choice(field="status"):
            code = span.status.code
            return node.number == (code if 0 <= code <= STATUSES["error"] else 0)
        case Choice():
            return node.number == (span.kind if 0 <= span.kind <= _LARGEST_BYTE else 0)
        case Flag(name="open"):
            return span.end_time_unix_nano == 0
        case Flag():
            return not any(span.parent_span_id)
        case Attribute():
            of_span = not node.of_resource and has_attribute(node, span.attributes)
            return of_span or has_attribute(node, candidate.resource)


def _text_of(field: str, candidate: Candidate) -> str:
    return {
        "service": candidate.service,
        "name": candidate.span.name,
        "scope": candidate.scope,
        "span": candidate.span.span_id.hex(),
        "trace": candidate.trace.id.hex(),
        "root": candidate.trace.root,
    }[field]


def _number_of(field: str, candidate: Candidate) -> int | None:
    trace, span = candidate.trace, candidate.span
    if field == "duration":
        if not span.end_time_unix_nano:
            return None
        duration = span.end_time_unix_nano - span.start_time_unix_nano
        return max(-LARGEST, min(duration, LARGEST))
    return {
        "trace.start": trace.start,
        "trace.duration": trace.duration,
        "trace.spans": trace.spans,
        "trace.errors": trace.errors,
    }[field]


def has_attribute(node: Attribute, attributes: Iterable[KeyValue]) -> bool:
    """Return whether one of the attributes passes."""
    return any(each.key == node.key and _accepts(node, each.value) for each in attributes)


def _accepts(node: Attribute, value: AnyValue) -> bool:
    if node.test is not None and node.test.is_anything:
        return True
    if value.WhichOneof("value") == "array_value":
        return any(_accepts(node, each) for each in value.array_value.values)
    if node.number is not None and node.comparison is not None:
        number = _value_number(value)
        if number is not None and COMPARE[node.comparison](number, node.number):
            return True
    if node.test is None:
        return False
    text = value_text(value)
    return text is not None and node.test.accepts(text)


def _value_number(value: AnyValue) -> float | None:
    match value.WhichOneof("value"):
        case "int_value":
            return value.int_value
        case "double_value" if not math.isnan(value.double_value):
            return value.double_value
        case _:
            return None


def value_text(value: AnyValue) -> str | None:
    """Return a string, number or truth value as a text; None of any other value."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return str(value.int_value)
        case "double_value":
            return repr(value.double_value)
        case "bool_value":
            return "true" if value.bool_value else "false"
        case _:
            return None


def holds_text(node: Text, span: Span) -> bool:
    """Return whether the span holds a text, apart from its name and service."""
    if node.test.is_in(fold(span.status.message)):
        return True
    for value in _values_of(span):
        match value.WhichOneof("value"):
            case "string_value":
                if node.test.is_in(fold(value.string_value)):
                    return True
            case "int_value":
                if node.number is not None and value.int_value == node.number:
                    return True
            case _:
                pass
    return any(node.test.is_in(fold(event.name)) for event in span.events)


def _values_of(span: Span) -> Iterator[AnyValue]:
    """Return the values among the attributes of a span and its events, at whatever depth."""
    stack = [each.value for each in span.attributes]
    for event in span.events:
        stack += [each.value for each in event.attributes]
    while stack:
        value = stack.pop()
        match value.WhichOneof("value"):
            case "array_value":
                stack += value.array_value.values
            case "kvlist_value":
                stack += [each.value for each in value.kvlist_value.values]
            case _:
                yield value


def has_event(node: TextField, span: Span) -> bool:
    """Return whether an event has the name."""
    return any(node.test.accepts(event.name) for event in span.events)


def levels_of(span: Span) -> Iterator[int]:
    """Return the levels of a span and of its events, where they are known."""
    yield from _levels(span.attributes)
    for event in span.events:
        yield from _levels(event.attributes)


def _levels(attributes: Iterable[KeyValue]) -> Iterator[int]:
    for each in attributes:
        if each.key == _LEVEL:
            level = LEVELS.get(each.value.string_value.lower())
            if level is not None:
                yield level
