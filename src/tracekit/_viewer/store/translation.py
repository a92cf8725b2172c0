"""Queries as conditions in SQL.

Three tables are in the statement: `t` is the trace, `s` the span, `d` its details. What is looked
up in a dictionary (names, services, scopes, resources) is decided once for each of its texts. Where
a span has to be decoded, its bytes are searched for the key or the text before that.
"""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tracekit._viewer.query.matching import has_attribute, has_event, holds_text, levels_of
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
    TextTest,
)
from tracekit._viewer.query.values import STATUSES
from tracekit._viewer.store.records import ID_WORD, LARGEST, SPAN_RECORD

_TRACE_COLUMNS: Final = {
    "trace.start": "t.start",
    "trace.duration": "t.duration",
    "trace.spans": "t.spans",
    "trace.errors": "t.errors",
}
_TRUE, _FALSE = "1", "0"
# An attribute as it is encoded begins with field 1, the key, and its length.
_KEY_FIELD: Final = b"\x0a"
# An integer as a value is field 3.
_INT_FIELD: Final = b"\x18"
_64_BITS: Final = (1 << 64) - 1
_NUMBER_CHARACTERS: Final = frozenset("0123456789.+-eEinfa")


class Translation:
    """A query as SQL with its values, for one connection.

    Attributes:
        span: The condition about a span and its trace.
        trace: A condition that every trace with a matching span fulfils.
        values: The values of both.
        needs_detail: Whether `span` uses the table `d`.
    """

    def __init__(self, connection: sqlite3.Connection, query: Node) -> None:
        self._connection = connection
        self._tests: list[Callable[[Any], bool]] = []
        self.values: dict[str, object] = {}
        self.span = self._span(query)
        self.trace = self._trace(query) or _TRUE
        self.needs_detail = "d." in self.span
        # The function is this query's until the next one on the connection.
        connection.create_function("query_test", 2, self._test)

    def _test(self, number: int, value: Any) -> bool:
        return self._tests[number](value)

    def _value(self, value: object) -> str:
        name = f"q{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def _call(self, test: Callable[[Any], bool], value: str) -> str:
        self._tests.append(test)
        return f"query_test({len(self._tests) - 1}, {value})"

    def _among(self, numbers: Iterable[int]) -> str:
        return f"IN (SELECT value FROM json_each({self._value(json.dumps(list(numbers)))}))"

    # Conditions about a span. None of them is NULL, so that NOT can stand before each.

    def _span(self, node: Node) -> str:
        if isinstance(node, And):
            # SQLite evaluates from left to right: what decodes spans comes last.
            parts = sorted(map(self._span, node.parts), key=_cost)
            return f"({' AND '.join(parts)})" if parts else _TRUE
        if isinstance(node, Or):
            return f"({' OR '.join(sorted(map(self._span, node.parts), key=_cost))})"
        if isinstance(node, Not):
            return f"NOT {self._span(node.part)}"
        return f"({self._condition(node)})"

    def _condition(  # noqa: PLR0911 - one for each kind
        self, node: Text | TextField | NumberField | Choice | Flag | Attribute
    ) -> str:
        match node:
            case Text():
                return self._text(node)
            case TextField():
                return self._text_field(node)
            case NumberField(field="level"):
                return self._level(node)
            case NumberField(field="duration"):
                return f"ifnull(s.duration {node.comparison} {self._value(node.number)}, 0)"
            case NumberField():
                column = _TRACE_COLUMNS[node.field]
                return f"{column} {node.comparison} {self._value(node.number)}"
            case Choice():
                return f"s.{node.field} = {node.number}"
            case Flag(name="open"):
                return "s.duration IS NULL"
            case Flag():
                return "substr(s.record, 25, 8) = zeroblob(8)"
            case Attribute():
                return self._attribute(node)

    def _text(self, node: Text) -> str:
        names = self._numbers("name", "text", node.test.is_in_text)
        services = self._numbers("service", "text", node.test.is_in_text)
        pieces = [piece for piece in node.test.pieces or () if piece]
        integer = None if node.number is None else _INT_FIELD + _varint(node.number)

        def test(raw: bytes) -> bool:
            folded = raw.lower()
            if not all(piece in folded for piece in pieces) and (
                integer is None or integer not in raw
            ):
                return False
            return holds_text(node, Span.FromString(raw))

        return (
            f"s.name {self._among(names)} OR s.service {self._among(services)} "
            f"OR {self._call(test, 'd.raw')}"
        )

    def _text_field(self, node: TextField) -> str:
        accepts = node.test.accepts
        match node.field:
            case "service":
                return f"s.service {self._among(self._numbers('service', 'text', accepts))}"
            case "name":
                return f"s.name {self._among(self._numbers('name', 'text', accepts))}"
            case "scope":
                return f"d.scope {self._among(self._numbers('scope', 'name', accepts))}"
            case "event":
                test = self._call(lambda raw: has_event(node, Span.FromString(raw)), "d.raw")
                return f"length(s.record) > {SPAN_RECORD.size} AND {test}"
            case "span":
                return self._call(
                    lambda record: accepts(f"{SPAN_RECORD.unpack_from(record)[ID_WORD]:016x}"),
                    "s.record",
                )
            case _:
                return self._of_trace(node)

    def _of_trace(self, node: TextField) -> str:
        if node.field == "root":
            numbers = self._numbers("name", "text", node.test.accepts)
            return f"ifnull(t.root_name {self._among(numbers)}, 0)"
        return self._call(node.test.accepts, "lower(hex(t.trace_id))")

    def _level(self, node: NumberField) -> str:
        compare, number = COMPARE[node.comparison], node.number
        key = self._value(_KEY_FIELD + b"\x05level")

        def test(raw: bytes) -> bool:
            return any(compare(level, number) for level in levels_of(Span.FromString(raw)))

        return f"CASE WHEN instr(d.raw, {key}) THEN {self._call(test, 'd.raw')} ELSE 0 END"

    def _attribute(self, node: Attribute) -> str:
        resources = self._numbers(
            "resource",
            "raw",
            lambda raw: has_attribute(node, ResourceSpans.FromString(raw).resource.attributes),
        )
        of_resource = f"d.resource {self._among(resources)}"
        if node.of_resource:
            return of_resource
        key = node.key.encode("utf-8", "replace")
        conditions = [
            f"instr(d.raw, {self._value(_KEY_FIELD + _varint(len(key)) + key)})" if key else _TRUE
        ]
        encodings = _encodings_of_equals(node) if node.comparison == "=" else []
        if encodings:
            found = (f"instr(d.raw, {self._value(encoding)})" for encoding in encodings)
            conditions.append(f"({' OR '.join(found)})")
        pieces = _pieces_that_are_there(node.test)

        def test(raw: bytes) -> bool:
            if pieces:
                folded = raw.lower()
                if not all(piece in folded for piece in pieces):
                    return False
            return has_attribute(node, Span.FromString(raw).attributes)

        of_span = (
            f"CASE WHEN {' AND '.join(conditions)} THEN {self._call(test, 'd.raw')} ELSE 0 END"
        )
        return f"{of_span} OR {of_resource}" if resources else of_span

    def _numbers(self, table: str, column: str, accepts: Callable[[Any], bool]) -> list[int]:
        """Return the numbers of a dictionary's texts or messages that pass."""
        rows = self._connection.execute(f"SELECT id, {column} FROM {table}")
        return [number for number, value in rows if accepts(value)]

    # Conditions about a trace, which let most traces be passed by without reading their spans.

    def _trace(self, node: Node) -> str | None:  # noqa: PLR0911 - one for each kind
        if isinstance(node, And):
            parts = [part for part in map(self._trace, node.parts) if part]
            return f"({' AND '.join(parts)})" if parts else None
        if isinstance(node, Or):
            parts = [part for part in map(self._trace, node.parts) if part]
            return f"({' OR '.join(parts)})" if len(parts) == len(node.parts) else None
        if isinstance(node, Not):
            return f"NOT ({self._trace(node.part)})" if _is_about_trace(node.part) else None
        match node:
            case NumberField(field="duration", comparison=">" | ">=" | "="):
                at_least = ">" if node.comparison == ">" else ">="
                # Beyond 63 bits, times were cut, and a trace's duration with them.
                return f"(t.duration {at_least} {self._value(node.number)} OR t.end = {LARGEST})"
            case NumberField() if node.field in _TRACE_COLUMNS:
                return f"({self._condition(node)})"
            case TextField(field="root" | "trace"):
                return f"({self._condition(node)})"
            case TextField(field="service"):
                numbers = self._numbers("service", "text", node.test.accepts)
                return (
                    "EXISTS (SELECT 1 FROM json_each(t.services) "
                    f"WHERE value {self._among(numbers)})"
                )
            case Choice(field="status") if node.number == STATUSES["error"]:
                return "t.errors > 0"
            case Flag(name="open"):
                return "t.open > 0"
            case _:
                return None


def _is_about_trace(node: Node) -> bool:
    match node:
        case And() | Or():
            return all(map(_is_about_trace, node.parts))
        case Not():
            return _is_about_trace(node.part)
        case NumberField():
            return node.field in _TRACE_COLUMNS
        case TextField():
            return node.field in {"root", "trace"}
        case _:
            return False


def _cost(condition: str) -> tuple[bool, bool]:
    return "query_test" in condition, "d." in condition


def _encodings_of_equals(node: Attribute) -> list[bytes]:
    """Return bytes of which a span with an equal value holds one; none where that is not known."""
    if node.test is None:
        return []
    text = node.test.text.encode("utf-8", "replace")
    number = node.number
    if number is None:
        return [] if _may_be_number(node.test.text) else [text]
    encodings = [text] if text else []
    if math.isfinite(number) and number == int(number) and -(LARGEST + 1) <= number <= LARGEST:
        encodings.append(_INT_FIELD + _varint(int(number) & _64_BITS))
    try:
        double = float(number)
    except OverflowError:
        return encodings
    encodings.append(struct.pack("<d", double))
    if not double:
        encodings.append(struct.pack("<d", -double))
    return encodings


def _pieces_that_are_there(test: TextTest | None) -> list[bytes]:
    if test is None or test.pieces is None or all(map(_may_be_number, test.text.split("*"))):
        return []
    return [piece for piece in test.pieces if not _may_be_number(piece.decode())]


def _may_be_number(text: str) -> bool:
    """Return whether a number or truth value as a text may hold it."""
    lowered = text.lower()
    return set(text) <= _NUMBER_CHARACTERS or lowered in "true" or lowered in "false"


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
