"""Ended spans as a tree, and similar siblings as one row.

No function recurses, so that a deep trace does not exhaust the stack.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, StatusCode

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event, ReadableSpan

_MIN_FOLDED = 3
_NO_SHAPE = -1
_NOTABLE_LEVELS = ("WARN", "WARNING", "ERROR", "CRITICAL", "FATAL")


@dataclass(slots=True, eq=False)
class Node:
    """A span and its children, in the order of their start."""

    span: ReadableSpan
    children: list[Node] = field(default_factory=list["Node"])
    # Why a span at the top has no parent here; empty for all others.
    parent_note: str = ""
    # Equal for subtrees that may be folded into one.
    shape: int = _NO_SHAPE


Row = Sequence[Node]
"""The nodes that share a line: a single node, or several that are folded."""


def is_local_root(span: ReadableSpan) -> bool:
    """Whether the parent of `span` is absent or in another process."""
    return span.parent is None or span.parent.is_remote


def context_of(span: ReadableSpan) -> SpanContext:
    """Return the context of `span`; the invalid one if it has none, which the SDK's type allows."""
    return span.context or INVALID_SPAN_CONTEXT


def duration_of(span: ReadableSpan) -> int:
    """Return the duration of `span` in nanoseconds; 0 if a time is missing."""
    if span.start_time is None or span.end_time is None:
        return 0
    return span.end_time - span.start_time


def has_failed(span: ReadableSpan) -> bool:
    """Whether the status of `span` is ERROR."""
    return span.status.status_code is StatusCode.ERROR


def build_tree(spans: Iterable[ReadableSpan], known: Collection[int] = ()) -> list[Node]:
    """Add every span to its parent, and return the nodes without a parent among the spans.

    Every span is in the tree exactly once, even if parents form a cycle or an id occurs twice.
    The nodes are in the order of their start. `known` has the ids of spans in earlier blocks.
    """
    nodes = sorted(map(Node, spans), key=lambda node: node.span.start_time or 0)
    tops = _link(nodes, known)
    order = _walk(tops)
    if len(order) < len(nodes):
        order = _break_cycles(nodes, tops, order)
    _find_shapes(order)
    return tops


def _link(nodes: Sequence[Node], known: Collection[int]) -> list[Node]:
    by_id: dict[int, Node] = {}
    for node in nodes:
        by_id.setdefault(context_of(node.span).span_id, node)
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
    """Return `tops` and all nodes below them, parents before their children."""
    order = list(tops)
    for node in order:  # the list grows during the loop: breadth first without a queue
        order.extend(node.children)
    return order


def _break_cycles(nodes: Iterable[Node], tops: list[Node], order: list[Node]) -> list[Node]:
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
        if _NO_SHAPE in below or _is_notable(node.span):
            continue
        shape = (node.span.name, node.span.kind, below)
        node.shape = known.setdefault(shape, len(known))


def _is_notable(span: ReadableSpan) -> bool:
    """Whether `span` itself has a failure or a warning, which folding would hide."""
    return has_failed(span) or any(map(_is_notable_event, span.events))


def _is_notable_event(event: Event) -> bool:
    attributes = event.attributes or {}
    if event.name == "exception" and not attributes.get("exception.expected"):
        return True
    return str(attributes.get("level", "")).upper() in _NOTABLE_LEVELS


def fold(siblings: Sequence[Node]) -> list[Row]:
    """Fold siblings of the same shape into one row if there are at least three of them.

    Two subtrees have the same shape if their spans have the same name and kind, and their children
    have the same set of shapes. A subtree with a failure, an exception or a warning has no shape
    and is not folded. The rows are in the order of their first nodes.
    """
    groups: dict[object, list[Node]] = {}
    for node in siblings:
        groups.setdefault(_fold_key(node), []).append(node)
    rows: list[Row] = []
    for node in siblings:
        group = groups[_fold_key(node)]
        if len(group) < _MIN_FOLDED:
            rows.append([node])
        elif group[0] is node:
            rows.append(group)
    return rows


def _fold_key(node: Node) -> object:
    # The note separates children of different missing parents. Below the top it is empty.
    return node if node.shape == _NO_SHAPE else (node.shape, node.parent_note)


def children_of(row: Row) -> list[Node]:
    """Return the children of all nodes of `row`, in the order of the nodes."""
    return [child for node in row for child in node.children]
