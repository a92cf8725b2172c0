"""Ended spans that wait for their local root, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from tracekit._console.tree import context_of, is_local_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.trace import ReadableSpan


@dataclass(frozen=True, slots=True)
class Block:
    """Spans of one trace that are shown together.

    Attributes:
        trace_id: The id of the trace.
        spans: The spans, never empty.
        known_parents: The ids of their parents that an earlier block showed.
        mark: Which part of the trace this is; empty for a whole trace.
    """

    trace_id: int
    spans: list[ReadableSpan]
    known_parents: frozenset[int] = frozenset()
    mark: str = ""


@dataclass(slots=True)
class _Pending:
    """The spans of one trace that wait."""

    # The spans whose parent was not shown, by the parent's id.
    children: dict[int, list[ReadableSpan]] = field(default_factory=dict)
    # Local roots, and spans whose parent was shown.
    tops: list[ReadableSpan] = field(default_factory=list)
    root_ended: bool = False

    def take_complete(self) -> list[ReadableSpan]:
        """Remove and return `tops` and everything below them."""
        taken, self.tops = self.tops, []
        for span in taken:  # the list grows during the loop
            taken.extend(self.children.pop(context_of(span).span_id, ()))
        return taken

    def take_all(self) -> list[ReadableSpan]:
        """Remove and return everything."""
        taken = [*self.tops, *(span for spans in self.children.values() for span in spans)]
        self.tops, self.children = [], {}
        return taken


@dataclass(slots=True)
class _Shown:
    """The ids of the shown spans of one trace, and whether its local root is among them."""

    ids: set[int] = field(default_factory=set[int])
    root_ended: bool = False


class TraceBuffer:
    """Collects ended spans, and returns those that are due to be shown.

    A trace is due when its local root has ended. A span that ends later is due when its parent was
    shown, or is due too. If more than `max_spans` or `max_traces` wait, the oldest trace is due in
    part. The cost of adding a span does not depend on how many wait.

    The buffer is not thread-safe. The caller holds a lock, which must be reentrant because a signal
    handler may end spans while its own thread holds it. A signal handler may also raise at any line
    of this class. The buffer then still works, but may have lost spans.

    The ids of at most `max_shown` spans that were shown are kept.
    """

    def __init__(
        self, *, max_spans: int = 10_000, max_traces: int = 1_000, max_shown: int = 50_000
    ) -> None:
        self.max_spans = max_spans
        self.max_traces = max_traces
        self.max_shown = max_shown
        self.clear()

    def clear(self) -> None:
        """Drop all spans, and the ids of those that were shown."""
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._shown: OrderedDict[int, _Shown] = OrderedDict()
        self.waiting = 0
        self._id_count = 0

    def add(self, spans: Iterable[ReadableSpan]) -> list[Block]:
        """Add spans, and return the blocks that are due, the oldest first."""
        touched = {self._add_one(span): None for span in spans}
        blocks = [block for trace_id in touched for block in self._take_due(trace_id)]
        while self._pending and (
            self.waiting > self.max_spans or len(self._pending) > self.max_traces
        ):
            blocks += self._take_oldest()
        return blocks

    def take_all(self) -> list[Block]:
        """Return all spans that wait, as parts of their traces if the root is missing."""
        blocks: list[Block] = []
        while self._pending:
            blocks += self._take_oldest()
        return blocks

    def _add_one(self, span: ReadableSpan) -> int:
        trace_id: int = context_of(span).trace_id
        pending = self._pending.get(trace_id)
        if pending is None:
            pending = self._pending[trace_id] = _Pending()
        # In this order, because an exception between the two must not leave a count without a span.
        self._insert(span, pending, self._shown.get(trace_id))
        self.waiting += 1
        return trace_id

    def _insert(self, span: ReadableSpan, pending: _Pending, shown: _Shown | None) -> None:
        parent = span.parent
        if parent is None or parent.is_remote:
            pending.root_ended = True
            pending.tops.append(span)
        elif shown is not None and parent.span_id in shown.ids:
            pending.tops.append(span)
        else:
            pending.children.setdefault(parent.span_id, []).append(span)

    def _take_due(self, trace_id: int) -> list[Block]:
        pending, shown = self._pending.get(trace_id), self._shown.get(trace_id)
        if (
            pending is None
            or not pending.tops
            or not (pending.root_ended or (shown and shown.root_ended))
        ):
            return []
        spans = pending.take_complete()
        if pending.children:
            pending.root_ended = False
        else:
            del self._pending[trace_id]
        return [self._make_block(trace_id, spans)]

    def _take_oldest(self) -> list[Block]:
        # Removed first, so that each turn of the callers' loops leaves one trace fewer.
        trace_id, pending = self._pending.popitem(last=False)
        spans = pending.take_all()
        return [self._make_block(trace_id, spans)] if spans else []

    def _make_block(self, trace_id: int, spans: list[ReadableSpan]) -> Block:
        self.waiting = max(0, self.waiting - len(spans)) if self._pending else 0
        earlier = self._shown.get(trace_id)
        block = Block(trace_id, spans, _known_parents(spans, earlier), _mark(spans, earlier))
        self._keep_ids(trace_id, spans)
        return block

    def _keep_ids(self, trace_id: int, spans: list[ReadableSpan]) -> None:
        shown = self._shown.pop(trace_id, None) or _Shown()
        self._shown[trace_id] = shown
        shown.root_ended = shown.root_ended or any(map(is_local_root, spans))
        count = len(shown.ids)
        shown.ids.update(context_of(span).span_id for span in islice(spans, self.max_shown - count))
        self._id_count += len(shown.ids) - count
        while self._id_count > self.max_shown:
            self._id_count -= len(self._shown.popitem(last=False)[1].ids)


def _known_parents(spans: list[ReadableSpan], earlier: _Shown | None) -> frozenset[int]:
    if earlier is None:
        return frozenset()
    parents = (span.parent.span_id for span in spans if span.parent)
    return frozenset(parent for parent in parents if parent in earlier.ids)


def _mark(spans: list[ReadableSpan], earlier: _Shown | None) -> str:
    if any(map(is_local_root, spans)):
        return "continued" if earlier else ""
    if earlier and earlier.root_ended:
        return "late: ended after the root"
    return "continued, root still open" if earlier else "part: root still open"
