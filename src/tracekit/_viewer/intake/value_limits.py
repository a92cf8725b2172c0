"""The bound on one value: what is longer is cut, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableSequence

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span


def cut_span(span: Span, limit: int) -> int:
    """Cut the values of a span that are longer than the limit; return how many there were."""
    cut = 0
    if len(span.name) > limit:
        span.name = _cut_text(span.name, limit)
        cut += 1
    if len(span.status.message) > limit:
        span.status.message = _cut_text(span.status.message, limit)
        cut += 1
    holders = [span, *span.events, *span.links]
    return cut + sum(
        cut_value(attribute.value, limit) for holder in holders for attribute in holder.attributes
    )


def cut_log(record: LogRecord, limit: int) -> int:
    """Cut the values of a log record that are longer than the limit; return how many there were."""
    return cut_value(record.body, limit) + sum(
        cut_value(attribute.value, limit) for attribute in record.attributes
    )


def cut_value(value: AnyValue, limit: int) -> int:
    """Cut a value, within arrays and mappings too; return how many texts were cut."""
    if value.ByteSize() <= limit:
        return 0
    kind = value.WhichOneof("value")
    if kind == "string_value":
        value.string_value = _cut_text(value.string_value, limit)
        return 1
    if kind == "bytes_value":
        value.bytes_value = value.bytes_value[:limit]
        return 1
    if kind == "array_value":
        values = value.array_value.values
        # Within a container half of the limit, so that not all of it is lost to one long text.
        cut = sum(cut_value(each, limit // 2) for each in values)
        return cut + _cut_items(values, limit)
    if kind == "kvlist_value":
        pairs = value.kvlist_value.values
        cut = sum(cut_value(pair.value, limit // 2) for pair in pairs)
        return cut + _cut_items(pairs, limit)
    return 0


def _cut_items(items: MutableSequence[AnyValue] | MutableSequence[KeyValue], limit: int) -> int:
    """Keep the first items, as many as the limit has room for; return 1 if any went."""
    kept, room = 0, limit
    while kept < len(items) and (room := room - items[kept].ByteSize()) >= 0:
        kept += 1
    if kept == len(items):
        return 0
    del items[kept:]
    return 1


def _cut_text(text: str, limit: int) -> str:
    kept = text[:limit].encode()[:limit].decode(errors="ignore")
    return f"{kept}… (cut by the viewer: {len(text):,} characters)"
