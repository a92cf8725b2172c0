"""Capture spans in tests, print them as trees and compare them with plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanContext

from tracekit._delivery.memory_exporter import MemoryExporter
from tracekit._filters.filter import Filter
from tracekit._setup import runtime
from tracekit._setup.components import Configuration, create_components

__all__ = ["CapturedSpan", "CapturedSpans", "SteadyIds", "capture_spans"]

_STANDARD: Final = ("code.", "thread.")
_STEADY_TICK: Final = 1_000_000


class CapturedSpan:
    """A finished span, with its children.

    Attributes:
        span: The span as the SDK exports it.
        children: The spans under it, in the order in which they started.
    """

    def __init__(self, span: ReadableSpan, clock: Mapping[int, int] | None) -> None:
        self.span = span
        self.children: list[CapturedSpan] = []
        self._clock = clock

    @property
    def name(self) -> str:
        """The span's name."""
        return self.span.name

    @property
    def attributes(self) -> dict[str, Any]:
        """The span's attributes without `code.*` and `thread.*`; sequences are tuples."""
        everything = dict(self.span.attributes or {})
        return {name: value for name, value in everything.items() if not name.startswith(_STANDARD)}

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """The span's events as pairs of name and attributes, without stack traces."""
        found: list[tuple[str, dict[str, Any]]] = []
        for event in self.span.events:
            attributes = dict(event.attributes or {})
            attributes.pop("exception.stacktrace", None)
            found.append((event.name, attributes))
        return found

    @property
    def status(self) -> str:
        """The span's status: `UNSET`, `OK`, `ERROR`, or `ERROR: ` and the description."""
        status = self.span.status
        description = f": {status.description}" if status.description else ""
        return status.status_code.name + description

    @property
    def start(self) -> int:
        """The start time in nanoseconds, since the epoch or, with `steady=True`, since zero."""
        return self._time(self.span.start_time)

    @property
    def end(self) -> int:
        """The end time in nanoseconds, since the epoch or, with `steady=True`, since zero."""
        return self._time(self.span.end_time)

    def _time(self, time: int | None) -> int:
        return time or 0 if self._clock is None else self._clock[time or 0]

    def as_data(self) -> tuple[str, dict[str, Any], list[Any]]:
        """Return the span as plain data: its name, its attributes and its children."""
        return self.name, self.attributes, [child.as_data() for child in self.children]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CapturedSpan):
            return self.span is other.span
        return _matches(self, other)

    def __hash__(self) -> int:
        return id(self.span)

    def __repr__(self) -> str:
        return repr(self.as_data())


class CapturedSpans(Sequence[CapturedSpan]):
    """The finished spans of a test, in the order in which they started.

    The object compares with plain data: a list of the root spans. Each span is its name, or a
    tuple of its name, its attributes and a list of its children. Attributes that are left out are
    not compared. A span whose children are left out must have none.

    Example:
        ```python
        from tracekit import instrument, span
        from tracekit.testing import capture_spans

        @instrument
        def greet(name):
            with span("shout"):
                return name.upper()

        with capture_spans() as spans:
            greet("ada")

        assert spans == [("greet", {"name": "ada"}, ["shout"])]
        assert spans["greet"].status == "UNSET"
        ```
    """

    def __init__(self, exporter: MemoryExporter, *, steady: bool = False) -> None:
        self._exporter = exporter
        self._steady = steady

    @property
    def _all(self) -> list[CapturedSpan]:
        finished = sorted(self._exporter.spans, key=lambda span: span.start_time or 0)
        clock = _steady_clock(finished) if self._steady else None
        captured = [CapturedSpan(span, clock) for span in finished]
        by_id = {_id_of(one.span.context): one for one in captured}
        for one in captured:
            parent = one.span.parent and by_id.get(_id_of(one.span.parent))
            if parent:
                parent.children.append(one)
        return captured

    @property
    def roots(self) -> list[CapturedSpan]:
        """The spans whose parent was not captured."""
        everything = self._all
        below = {child for one in everything for child in one.children}
        return [one for one in everything if one not in below]

    def named(self, name: str) -> list[CapturedSpan]:
        """Return all spans of a name."""
        return [one for one in self._all if one.name == name]

    def clear(self) -> None:
        """Forget the spans that were captured so far."""
        self._exporter.clear()

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self._all[key]
        found = self.named(key)
        if len(found) != 1:
            names = [one.name for one in self._all]
            raise KeyError(f"{len(found)} spans are named {key!r}; captured: {names}")
        return found[0]

    def __len__(self) -> int:
        return len(self._exporter.spans)

    def __iter__(self) -> Iterator[CapturedSpan]:
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, tuple)):
            return NotImplemented
        return _all_match(self.roots, other)

    __hash__ = None  # type: ignore[assignment]  # a mutable object that compares by value

    def __repr__(self) -> str:
        return repr([root.as_data() for root in self.roots])

    def __str__(self) -> str:
        return "\n".join(line for root in self.roots for line in _lines(root, ""))


def _id_of(context: SpanContext | None) -> tuple[int, int] | None:
    return None if context is None else (context.trace_id, context.span_id)


def _matches(span: CapturedSpan, expected: object) -> bool:
    if isinstance(expected, str):
        expected = (expected,)
    if not isinstance(expected, tuple) or not expected or span.name != expected[0]:
        return False
    children: Any = []
    for part in expected[1:]:
        if isinstance(part, Mapping):
            if span.attributes != dict(part):
                return False
        elif isinstance(part, (list, tuple)):
            children = part
        else:
            return False
    return _all_match(span.children, children)


def _all_match(spans: Sequence[CapturedSpan], expected: Sequence[object]) -> bool:
    return len(spans) == len(expected) and all(map(_matches, spans, expected))


def _lines(span: CapturedSpan, indent: str) -> Iterator[str]:
    fields = "".join(f" {name}={value!r}" for name, value in span.attributes.items())
    status = f" [{span.status}]" if span.status != "UNSET" else ""
    yield f"{indent}{span.name}{fields}{status}"
    for name, attributes in span.events:
        yield f"{indent}  • {name} {attributes}"
    for child in span.children:
        yield from _lines(child, indent + "  ")


def _steady_clock(spans: Sequence[ReadableSpan]) -> dict[int, int]:
    times = {time or 0 for span in spans for time in (span.start_time, span.end_time)}
    return {time: tick * _STEADY_TICK for tick, time in enumerate(sorted(times))}


class SteadyIds(IdGenerator):
    """Trace and span ids that count from one, the same in every run."""

    def __init__(self) -> None:
        self._traces = self._spans = 0

    def generate_trace_id(self) -> int:
        """Return the next trace id."""
        self._traces += 1
        return self._traces

    def generate_span_id(self) -> int:
        """Return the next span id."""
        self._spans += 1
        return self._spans


@contextmanager
def capture_spans(
    *, filter: str | Filter = "trace", steady: bool = False
) -> Iterator[CapturedSpans]:
    """Capture every span that ends in the block, including spans of other libraries.

    Inside the block, nothing else receives spans. After the block, the previous set-up is restored.

    Args:
        filter: The filter of spans and events; the default captures all of them.
        steady: Whether trace and span ids count from one, and times count in milliseconds.

    Yields:
        The spans that have ended so far.

    Raises:
        FilterSyntaxError: `filter` does not parse.

    Example:
        ```python
        from tracekit import span
        from tracekit.testing import capture_spans

        with capture_spans(filter="info") as spans, span("work", level="debug"):
            pass

        assert spans == []
        ```
    """
    exporter = MemoryExporter()
    configuration = Configuration(
        "test",
        exporters=((exporter, None),),
        filter=filter,
        sampler="always_on",
        id_generator=SteadyIds() if steady else None,
    )
    with runtime.override(create_components(configuration)):
        yield CapturedSpans(exporter, steady=steady)
