"""What stored spans hold, from a look at the newest: keys and values for completion."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tracekit._viewer.query.matching import value_text
from tracekit._viewer.store.reader import Reader
from tracekit._viewer.store.records import TRACE_SHIFT

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

_TRACES: Final = 100
_SPANS_A_TRACE: Final = 20
_SECONDS: Final = 3.0
_LONGEST_VALUE: Final = 120
_MOST_TEXTS: Final = 50


class Sample:
    """How often texts occur among some spans."""

    def __init__(self) -> None:
        self.services: Counter[str] = Counter()
        self.names: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()
        self.resource_keys: Counter[str] = Counter()
        self.values: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, span: Span, service: str) -> None:
        """Count what a span holds."""
        self.services[service] += 1
        self.names[span.name] += 1
        self.events.update(event.name for event in span.events)
        self._count(span.attributes, self.keys, 1)

    def add_resource(self, attributes: Iterable[KeyValue], spans: int) -> None:
        """Count the attributes of a resource that so many spans have."""
        self._count(attributes, self.resource_keys, spans)

    def _count(self, attributes: Iterable[KeyValue], keys: Counter[str], amount: int) -> None:
        for each in attributes:
            keys[each.key] += amount
            text = value_text(each.value)
            if text is not None and len(text) <= _LONGEST_VALUE:
                self.values[each.key][text] += amount


class Known:
    """What completion can ask of a store."""

    def __init__(self, reader: Reader, sample: Sample) -> None:
        self._reader = reader
        self.sample = sample

    def texts(self, dictionary: str, part: str) -> list[str]:
        """Return texts of the dictionary `name`, `service` or `scope` that hold a text."""
        column = "name" if dictionary == "scope" else "text"
        rows = self._reader.connection.execute(
            f"SELECT DISTINCT {column} FROM {dictionary} "
            f"WHERE instr(lower({column}), lower(?)) ORDER BY id DESC LIMIT {_MOST_TEXTS}",
            (part,),
        )
        return [text for (text,) in rows]


class Samples:
    """The last sample of a store, which is taken again after some seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sample = Sample()
        self._taken = -_SECONDS

    def view(self, reader: Reader) -> Known:
        """Return what is known of a store."""
        with self._lock:
            if time.monotonic() - self._taken >= _SECONDS:
                self._sample = _take(reader)
                self._taken = time.monotonic()
            return Known(reader, self._sample)


def _take(reader: Reader) -> Sample:
    sample = Sample()
    spans: Counter[int] = Counter()
    rows = reader.connection.execute(
        "SELECT d.raw, d.resource, v.text FROM "
        f"(SELECT id FROM trace WHERE spans > 0 ORDER BY id DESC LIMIT {_TRACES}) t "
        f"CROSS JOIN detail d ON d.id BETWEEN t.id << {TRACE_SHIFT} "
        f"AND (t.id << {TRACE_SHIFT}) + {_SPANS_A_TRACE - 1} "
        "JOIN resource r ON r.id = d.resource JOIN service v ON v.id = r.service"
    )
    for raw, resource, service in rows:
        sample.add(Span.FromString(raw), service)
        spans[resource] += 1
    for number, amount in spans.items():
        (raw,) = reader.connection.execute(
            "SELECT raw FROM resource WHERE id = ?", (number,)
        ).fetchone()
        sample.add_resource(ResourceSpans.FromString(raw).resource.attributes, amount)
    return sample
