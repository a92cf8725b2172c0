"""Finished spans as a tree, and repeated siblings of it as one row.

Nothing here knows a terminal or the SDK: anything with the attributes of `ReadableSpan` will do.
No function recurses, so that a trace may be as deep as it likes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

_FEWEST_TO_FOLD = 3
_UNFOLDABLE = -1
_LOUD_LEVELS = ("WARN", "WARNING", "ERROR", "CRITICAL", "FATAL")


class SpanEvent(Protocol):
    """The attributes of an SDK `Event` that are read."""

    @property
    def name(self) -> str: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def attributes(self) -> Mapping[str, Any] | None: ...


class FinishedSpan(Protocol):
    """The attributes of an SDK `ReadableSpan` that are read; times are nanoseconds."""

    @property
    def name(self) -> str: ...
    @property
    def context(self) -> Any: ...
    @property
    def parent(self) -> SpanContext | None: ...
    @property
    def start_time(self) -> int | None: ...
    @property
    def end_time(self) -> int | None: ...
    @property
    def kind(self) -> SpanKind: ...
    @property
    def status(self) -> Status: ...
    @property
    def attributes(self) -> Mapping[str, Any] | None: ...
    @property
    def events(self) -> Sequence[SpanEvent]: ...
    @property
    def links(self) -> Sequence[Any]: ...
    @property
    def resource(self) -> Any: ...
    @property
    def instrumentation_scope(self) -> Any: ...


@dataclass(slots=True, eq=False)
class Node:
    """One span in its place.

    Attributes:
        span: The span itself.
        children: Its children, in the order in which they started.
        parent_note: For a span at the top: what became of its parent; otherwise empty.
        shape: Equal for subtrees that may be folded into one; -1 for one that may not.
    """

    span: FinishedSpan
    children: list[Node] = field(default_factory=list["Node"])
    parent_note: str = ""
    shape: int = _UNFOLDABLE


Row = Sequence[Node]
"""What is shown as one line: a single node, or several that were folded."""


def is_local_root(span: FinishedSpan) -> bool:
    """Return whether the trace begins in this process with `span`."""
    return span.parent is None or span.parent.is_remote


def duration_of(span: FinishedSpan) -> int:
    """Return how long `span` took, in nanoseconds; 0 where a time is missing."""
    if span.start_time is None or span.end_time is None:
        return 0
    return span.end_time - span.start_time


def has_failed(span: FinishedSpan) -> bool:
    """Return whether the status of `span` is ERROR."""
    return span.status.status_code is StatusCode.ERROR


def build_tree(spans: Iterable[FinishedSpan], known: Collection[int] = ()) -> list[Node]:
    """Hang every span under its parent and return those that have none here.

    Every span comes out exactly once, even where parents form a ring or ids occur twice.

    Args:
        spans: Finished spans of one trace, in any order.
        known: Ids of spans that were shown before; a child of theirs is no orphan.

    Returns:
        The nodes at the top, in the order in which they started.
    """
    nodes = sorted(map(Node, spans), key=_start_of)
    tops = _hang(nodes, known)
    order = _walk(tops)
    if len(order) < len(nodes):
        order = _break_rings(nodes, tops, order)
    _find_shapes(order)
    return tops


def _start_of(node: Node) -> int:
    return node.span.start_time or 0


def _hang(nodes: Sequence[Node], known: Collection[int]) -> list[Node]:
    by_id: dict[int, Node] = {}
    for node in nodes:
        by_id.setdefault(node.span.context.span_id, node)
    tops: list[Node] = []
    for node in nodes:
        parent = node.span.parent
        above = by_id.get(parent.span_id) if parent else None
        if above is None or above is node:
            node.parent_note = _note_parent(parent, known)
            tops.append(node)
        else:
            above.children.append(node)
    return tops


def _note_parent(parent: SpanContext | None, known: Collection[int]) -> str:
    if parent is None:
        return ""
    name = f"{parent.span_id:016x}"
    if parent.span_id in known:
        return f"(parent {name} shown before)"
    return f"(continues {name})" if parent.is_remote else f"(parent {name} not seen)"


def _walk(tops: Iterable[Node]) -> list[Node]:
    """Return all nodes below and with `tops`, parents before their children."""
    order = list(tops)
    for node in order:  # grows while it is read: breadth first without a queue
        order.extend(node.children)
    return order


def _break_rings(nodes: Iterable[Node], tops: list[Node], order: list[Node]) -> list[Node]:
    reached = set(map(id, order))
    for node in nodes:
        if id(node) in reached:
            continue
        node.parent_note = _note_parent(node.span.parent, ())
        tops.append(node)
        stack = [node]
        reached.add(id(node))
        while stack:
            above = stack.pop()
            above.children = [each for each in above.children if id(each) not in reached]
            reached.update(map(id, above.children))
            stack.extend(above.children)
    return _walk(tops)


def _find_shapes(order: Sequence[Node]) -> None:
    known: dict[object, int] = {}
    for node in reversed(order):
        below = frozenset(child.shape for child in node.children)
        if _UNFOLDABLE in below or _is_loud(node.span):
            continue
        shape = (node.span.name, node.span.kind, below)
        node.shape = known.setdefault(shape, len(known))


def _is_loud(span: FinishedSpan) -> bool:
    """Return whether something happened in `span` itself that folding would hide."""
    return has_failed(span) or any(map(_is_loud_event, span.events))


def _is_loud_event(event: SpanEvent) -> bool:
    attributes = event.attributes or {}
    if event.name == "exception" and not attributes.get("exception.expected"):
        return True
    return str(attributes.get("level", "")).upper() in _LOUD_LEVELS


def fold(siblings: Sequence[Node]) -> list[Row]:
    """Put siblings of the same shape together, where there are at least three of them.

    Two subtrees have the same shape when their spans have the same name and kind and their
    children come in the same shapes, however many of each. A subtree in which something failed,
    an exception was recorded or a warning was given is never folded.

    Args:
        siblings: Nodes below one parent, or the nodes at the top.

    Returns:
        The rows; one that was folded stands where its first node stood.
    """
    groups: dict[object, list[Node]] = {}
    for node in siblings:
        groups.setdefault(_fold_key(node), []).append(node)
    rows: list[Row] = []
    for node in siblings:
        group = groups[_fold_key(node)]
        if len(group) < _FEWEST_TO_FOLD:
            rows.append([node])
        elif group[0] is node:
            rows.append(group)
    return rows


def _fold_key(node: Node) -> object:
    # At the top the note tells parents apart; below it is empty.
    return node if node.shape == _UNFOLDABLE else (node.shape, node.parent_note)


def children_of(row: Row) -> list[Node]:
    """Return the children of all nodes of `row`, those of the first node first."""
    return [child for node in row for child in node.children]
