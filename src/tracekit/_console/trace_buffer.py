"""Finished spans that wait for the end of their trace, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from tracekit._console.tree import FinishedSpan, is_local_root

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Block:
    """Spans of one trace that are shown together.

    Attributes:
        trace_id: The trace that they belong to.
        spans: The spans, never empty.
        known_parents: Ids of their parents that an earlier block showed.
        mark: Empty for a whole trace; otherwise how this block stands to the rest of it.
    """

    trace_id: int
    spans: list[FinishedSpan]
    known_parents: frozenset[int] = frozenset()
    mark: str = ""


@dataclass(slots=True)
class _Pending:
    """Spans of one trace that were not shown yet."""

    children: dict[int, list[FinishedSpan]] = field(default_factory=dict[int, list[FinishedSpan]])
    tops: list[FinishedSpan] = field(default_factory=list[FinishedSpan])
    root_ended: bool = False

    def take_whole(self) -> list[FinishedSpan]:
        """Take what hangs together with the local root; what it lacks a parent for stays."""
        taken, self.tops = self.tops, []
        for span in taken:  # grows while it is read: everything below is appended
            taken.extend(self.children.pop(span.context.span_id, ()))
        return taken

    def take_all(self) -> list[FinishedSpan]:
        taken = [*self.tops, *(span for spans in self.children.values() for span in spans)]
        self.tops, self.children = [], {}
        return taken


@dataclass(slots=True)
class _Shown:
    """What is remembered of a trace that was shown."""

    ids: set[int] = field(default_factory=set[int])
    root_ended: bool = False


class TraceBuffer:
    """Collects finished spans and says which of them to show, and when.

    A trace is shown when its local root ends. Whatever ends later is shown as soon as it hangs
    together with something that was shown. More than `max_spans` or `max_traces` waiting make
    the oldest trace be shown in part. Adding costs the same for every span, whatever waits.

    Not safe for threads: the caller holds a lock, a reentrant one, since a signal handler may end
    spans while its own thread is in here.

    Args:
        max_spans: How many spans may wait, of all traces together.
        max_traces: How many traces may wait.
        max_shown: How many ids of shown spans are remembered.
    """

    def __init__(
        self, *, max_spans: int = 10_000, max_traces: int = 1_000, max_shown: int = 50_000
    ) -> None:
        self.max_spans = max_spans
        self.max_traces = max_traces
        self.max_shown = max_shown
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._shown: OrderedDict[int, _Shown] = OrderedDict()
        self._waiting = 0
        self._remembered = 0

    @property
    def waiting(self) -> int:
        """How many spans wait."""
        return self._waiting

    def add(self, spans: Iterable[FinishedSpan]) -> list[Block]:
        """Take in a batch and return what is to be shown now, oldest first."""
        touched = {self._put(span): None for span in spans}
        blocks = [block for trace_id in touched for block in self._settle(trace_id)]
        while self._pending and (
            self._waiting > self.max_spans or len(self._pending) > self.max_traces
        ):
            blocks += self._show_oldest()
        return blocks

    def take_all(self) -> list[Block]:
        """Return everything that waits, in parts where a root is missing, and wait for the rest."""
        blocks: list[Block] = []
        while self._pending:
            blocks += self._show_oldest()
        return blocks

    def _put(self, span: FinishedSpan) -> int:
        trace_id: int = span.context.trace_id
        pending = self._pending.get(trace_id)
        if pending is None:
            pending = self._pending[trace_id] = _Pending()
        # An exception can strike between any two steps: a span that is counted is placed.
        self._place(span, pending, self._shown.get(trace_id))
        self._waiting += 1
        return trace_id

    def _place(self, span: FinishedSpan, pending: _Pending, shown: _Shown | None) -> None:
        parent = span.parent
        if parent is None or parent.is_remote:
            pending.root_ended = True
            pending.tops.append(span)
        elif shown is not None and parent.span_id in shown.ids:
            pending.tops.append(span)
        else:
            pending.children.setdefault(parent.span_id, []).append(span)

    def _settle(self, trace_id: int) -> list[Block]:
        pending, shown = self._pending.get(trace_id), self._shown.get(trace_id)
        if (
            pending is None
            or not pending.tops
            or not (pending.root_ended or (shown and shown.root_ended))
        ):
            return []
        spans = pending.take_whole()
        if pending.children:
            pending.root_ended = False
        else:
            del self._pending[trace_id]
        return [self._show(trace_id, spans)]

    def _show_oldest(self) -> list[Block]:
        # The entry goes first, whatever it holds, so that each turn of a loop over this is one
        # trace fewer.
        trace_id, pending = self._pending.popitem(last=False)
        spans = pending.take_all()
        return [self._show(trace_id, spans)] if spans else []

    def _show(self, trace_id: int, spans: list[FinishedSpan]) -> Block:
        self._waiting = max(0, self._waiting - len(spans)) if self._pending else 0
        before = self._shown.get(trace_id)
        block = Block(trace_id, spans, _known_parents(spans, before), _mark(spans, before))
        self._remember(trace_id, spans)
        return block

    def _remember(self, trace_id: int, spans: list[FinishedSpan]) -> None:
        shown = self._shown.pop(trace_id, None) or _Shown()
        self._shown[trace_id] = shown
        shown.root_ended = shown.root_ended or any(map(is_local_root, spans))
        before = len(shown.ids)
        shown.ids.update(span.context.span_id for span in islice(spans, self.max_shown - before))
        self._remembered += len(shown.ids) - before
        while self._remembered > self.max_shown:
            self._remembered -= len(self._shown.popitem(last=False)[1].ids)


def _known_parents(spans: list[FinishedSpan], before: _Shown | None) -> frozenset[int]:
    if before is None:
        return frozenset()
    parents = (span.parent.span_id for span in spans if span.parent)
    return frozenset(parent for parent in parents if parent in before.ids)


def _mark(spans: list[FinishedSpan], before: _Shown | None) -> str:
    if any(map(is_local_root, spans)):
        return "continued" if before else ""
    if before and before.root_ended:
        return "late: ended after the root"
    return "continued, root still open" if before else "part: root still open"
