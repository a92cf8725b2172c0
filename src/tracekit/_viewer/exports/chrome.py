"""A trace in Chrome's trace event format, for Perfetto and chrome://tracing.

A process of the format is a service's process, a thread is a thread and task. The format wants the
slices of a thread to lie within each other. Spans of a thread that overlap otherwise, as those of
coroutines do, get a thread beside it: `MainThread`, `MainThread (2)`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tracekit._viewer.exports.readable import attribute_values
from tracekit._viewer.intake.decode import read_attributes
from tracekit._viewer.store.reader import SpanData, TraceSummary

_NO_THREAD: Final = "spans"


class _Slice(NamedTuple):
    process: int
    thread: int
    start: int
    end: int


class _Lane:
    """A thread of a process, and the threads beside it."""

    def __init__(self, process: int, name: str) -> None:
        self.process = process
        self.name = name
        self.threads: list[int] = []
        # The ends of the slices that are open, the outermost first, for each thread.
        self._open: list[list[int]] = []

    def place(self, start: int, end: int, parent: int | None) -> int | None:
        """Return the index of the thread where a slice fits, or None."""
        indices = range(len(self.threads))
        if parent in self.threads:
            first = self.threads.index(parent)
            indices = [first, *(index for index in indices if index != first)]  # type: ignore[assignment]  # iterated over alone
        for index in indices:
            ends = self._open[index]
            while ends and ends[-1] <= start:
                ends.pop()
            if not ends or end <= ends[-1]:
                ends.append(end)
                return index
        return None

    def add(self, thread: int, end: int) -> None:
        """Add a thread with a slice."""
        self.threads.append(thread)
        self._open.append([end])


class _Timeline:
    """Where the slices of a trace lie."""

    def __init__(self) -> None:
        self._processes: dict[tuple[str, str], int] = {}
        self._lanes: dict[tuple[int, str], _Lane] = {}
        self._slices: dict[bytes, _Slice] = {}
        self._threads = 0

    def add(self, span: Span, service: str, process: str, end: int) -> tuple[_Slice, _Slice | None]:
        """Return the slice of a span and that of its parent, if it is known."""
        number = self._processes.setdefault((service, process), len(self._processes) + 1)
        name = read_attributes(span.attributes)[2] or _NO_THREAD
        lane = self._lanes.setdefault((number, name), _Lane(number, name))
        parent = self._slices.get(span.parent_span_id)
        start = span.start_time_unix_nano
        index = lane.place(start, end, None if parent is None else parent.thread)
        if index is None:
            self._threads += 1
            lane.add(self._threads, end)
            index = -1
        slice_ = _Slice(number, lane.threads[index], start, end)
        self._slices.setdefault(span.span_id, slice_)
        return slice_, parent

    def names(self) -> Iterator[dict[str, Any]]:
        """Return the events that name processes and threads."""
        for (service, process), number in self._processes.items():
            name = f"{service} {process}".strip()
            yield _metadata("process_name", {"name": name}, pid=number)
        for lane in self._lanes.values():
            for index, thread in enumerate(lane.threads):
                name = f"{lane.name} ({index + 1})" if index else lane.name
                yield _metadata("thread_name", {"name": name}, pid=lane.process, tid=thread)
                order = {"sort_index": thread}
                yield _metadata("thread_sort_index", order, pid=lane.process, tid=thread)


def _metadata(name: str, arguments: dict[str, Any], **ids: int) -> dict[str, Any]:
    return {"ph": "M", "name": name, "args": arguments, **ids}


def encode_chrome_trace(trace: TraceSummary, spans: Iterable[SpanData]) -> Iterator[bytes]:
    """Encode a trace.

    Args:
        trace: The trace.
        spans: Its spans in order of start, and of those that start together the longest first.
    """
    timeline = _Timeline()
    other = {"trace_id": trace.id.hex(), "start_unix_nano": str(trace.start)}
    yield f'{{"displayTimeUnit":"ms","otherData":{json.dumps(other)},"traceEvents":[\n'.encode()
    for data in spans:
        span = Span.FromString(data.raw)
        service, process = _process_of(data.resource)
        # A span that has not ended lasts until the end of what is known of its trace.
        end = span.end_time_unix_nano or trace.start + trace.duration
        end = max(end, span.start_time_unix_nano)
        slice_, parent = timeline.add(span, service, process, end)
        for event in _events_of(span, data, slice_, parent, trace.start):
            yield event + b",\n"
    for named in timeline.names():
        yield json.dumps(named).encode() + b",\n"
    # The format allows a comma before the end of the array only in its other form.
    yield json.dumps(_metadata("trace_id", {"id": trace.id.hex()}, pid=0)).encode() + b"\n]}\n"


def _events_of(
    span: Span, data: SpanData, slice_: _Slice, parent: _Slice | None, base: int
) -> Iterator[bytes]:
    ids = {"pid": slice_.process, "tid": slice_.thread}
    times = {"ts": slice_.start - base, "dur": slice_.end - slice_.start}
    arguments: dict[str, Any] = {
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "scope": ScopeSpans.FromString(data.scope).scope.name,
        "status": ("unset", "ok", "error")[span.status.code if 0 <= span.status.code <= 2 else 0],  # noqa: PLR2004 - OTLP's codes
        "status_message": span.status.message,
        **({} if span.end_time_unix_nano else {"not_ended": True}),
        "attributes": _encodable(attribute_values(span.attributes)),
    }
    category = {0: "span", 2: "error"}.get(span.status.code, "span")
    yield _event({"ph": "X", "name": span.name, "cat": category, **ids, "args": arguments}, times)
    for event in span.events:
        attributes = _encodable(attribute_values(event.attributes))
        instant = {"ph": "i", "s": "t", "name": event.name, "cat": "event", **ids}
        yield _event({**instant, "args": attributes}, {"ts": event.time_unix_nano - base})
    if parent is not None and parent[:2] != slice_[:2]:
        # An arrow begins within the parent's slice and ends where this one begins.
        number = int.from_bytes(span.span_id, "big") & (1 << 53) - 1
        flow: dict[str, Any] = {"name": "child", "cat": "parent", "id": number}
        leaves = max(parent.start, min(slice_.start, parent.end)) - base
        from_parent = {"ph": "s", "pid": parent.process, "tid": parent.thread, **flow}
        yield _event(from_parent, {"ts": leaves})
        yield _event({"ph": "f", "bp": "e", **ids, **flow}, {"ts": slice_.start - base})


def _event(fields: dict[str, Any], times: dict[str, int]) -> bytes:
    """Encode an event; times are in microseconds, with all nanoseconds as decimals."""
    texts = []
    for name, nanoseconds in times.items():
        sign, amount = "-" if nanoseconds < 0 else "", abs(nanoseconds)
        texts.append(f'"{name}":{sign}{amount // 1000}.{amount % 1000:03d}')
    return f"{{{','.join(texts)},{json.dumps(fields, allow_nan=False)[1:]}".encode()


def _encodable(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {key: _encodable(each) for key, each in value.items()}
        case list():
            return [_encodable(each) for each in value]
        case float() if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN differs from itself
            return str(value)
        case _:
            return value


def _process_of(raw: bytes) -> tuple[str, str]:
    values = attribute_values(ResourceSpans.FromString(raw).resource.attributes)
    process = values.get("process.pid") or values.get("service.instance.id") or ""
    return str(values.get("service.name") or "unknown_service"), str(process)
