"""Ended spans as a tree, and folded siblings."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind

from tests.finished_spans import make_event, make_exception_event, make_span
from tracekit._console.tree import (
    Node,
    build_tree,
    children_of,
    duration_of,
    fold,
    is_local_root,
)


def ids(nodes: list[Node]) -> list[object]:
    """Return the tree as nested lists of span ids."""
    return [
        [node.span.context.span_id, *ids(node.children)]
        if node.children
        else node.span.context.span_id
        for node in nodes
    ]


def rows(siblings: list[Node]) -> list[list[int]]:
    return [[node.span.context.span_id for node in row] for row in fold(siblings)]


def test_children_are_below_their_parents() -> None:
    """Every span is below its parent, and siblings are in the order of their start."""
    spans = [make_span(3, 1, start=2), make_span(4, 2), make_span(2, 1, start=1), make_span(1)]
    assert [[1, [2, 4], 3]] == ids(build_tree(spans))


@pytest.mark.parametrize(
    ("parent", "remote", "known", "expected"),
    [
        (None, False, (), ""),
        (0xAB, True, (), "(continues 00000000000000ab)"),
        (0xAB, False, (), "(parent 00000000000000ab not seen)"),
        (0xAB, False, (0xAB,), "(parent 00000000000000ab shown before)"),
    ],
)
def test_parent_notes(
    parent: int | None, remote: bool, known: tuple[int, ...], expected: str
) -> None:
    """A span at the top has a note about its parent."""
    (top,) = build_tree([make_span(1, parent, remote=remote)], known)
    assert expected == top.parent_note


def test_remote_parent_among_the_spans() -> None:
    """A span whose remote parent is among the spans is below it."""
    assert [[1, 2]] == ids(build_tree([make_span(1), make_span(2, 1, remote=True)]))


def test_local_root() -> None:
    """A local root has no parent, or a remote one."""
    spans = [make_span(1), make_span(1, 2, remote=True), make_span(1, 2)]
    assert spans[:2] == [span for span in spans if is_local_root(span)]


def test_missing_times() -> None:
    """A span without an end has no duration."""
    span = make_span(1)
    span._end_time = None
    assert 0 == duration_of(span)


@pytest.mark.parametrize(
    "spans",
    [
        [(1, 1)],
        [(1, 2), (2, 1)],
        [(1, 2), (2, 3), (3, 1), (4, 3)],
        [(1, None), (1, None), (2, 1), (1, 2)],
    ],
    ids=["own parent", "cycle of two", "cycle with a tail", "duplicate ids"],
)
def test_cycles_and_duplicate_ids(spans: list[tuple[int, int | None]]) -> None:
    """Each span is in the tree once, even if parents form a cycle or an id occurs twice."""
    made = [make_span(*each) for each in spans]
    assert sorted(map(id, made)) == sorted(map(id, flatten(build_tree(made))))


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8)), max_size=12))
def test_nothing_lost(spans: list[tuple[int, int]]) -> None:
    """For any ids and parents, each span is in the tree exactly once."""
    made = [make_span(span_id, parent or None) for span_id, parent in spans]
    assert sorted(map(id, made)) == sorted(map(id, flatten(build_tree(made))))


def flatten(tops: list[Node]) -> list[object]:
    nodes = list(tops)
    for node in nodes:
        nodes.extend(node.children)
    return [node.span for node in nodes]


def test_three_similar_siblings_are_folded() -> None:
    """Three similar siblings share a row; two do not."""
    three = [make_span(1), *(make_span(n, 1) for n in (2, 3, 4))]
    assert [[2, 3, 4]] == rows(build_tree(three)[0].children)
    assert [[2], [3]] == rows(build_tree(three[:3])[0].children)


def test_a_folded_row_is_at_the_first_sibling() -> None:
    """Similar siblings need not be adjacent; the row has the position of the first."""
    names = ["a", "b", "a", "c", "a"]
    spans = [make_span(n, 1, name, start=n) for n, name in enumerate(names, 2)]
    (top,) = build_tree([make_span(1), *spans])
    assert [[2, 4, 6], [3], [5]] == rows(top.children)


NOTABLE = {
    "error": {"error": ""},
    "exception": {"events": [make_exception_event()]},
    "warning": {"events": [make_event("low disk", level="WARN")]},
    "error event": {"events": [make_event("gone", level="error")]},
}
ORDINARY = {
    "event": {"events": [make_event("hit", level="INFO")]},
    "expected exception": {"events": [make_exception_event(exception__expected=True)]},
    "other attributes": {"attributes": {"n": 1}},
    "other duration": {"ms": 3},
}


@pytest.mark.parametrize("special", NOTABLE.values(), ids=NOTABLE)
def test_a_failure_or_warning_is_not_folded(special: dict[str, object]) -> None:
    """A span with a failure or a warning has its own row, and so have the spans above it."""
    spans = [make_span(n, 1, start=n) for n in range(2, 6)]
    notable = make_span(6, 1, start=6, **special)  # type: ignore[arg-type]  # a table's values
    (top,) = build_tree([make_span(1), *spans, notable])
    assert [[2, 3, 4, 5], [6]] == rows(top.children)
    above = [make_span(n, 1, start=n) for n in (2, 3, 4)]
    below = make_span(5, 3, **special)  # type: ignore[arg-type]  # a table's values
    (top,) = build_tree([make_span(1), *above, below])
    assert [[2], [3], [4]] == rows(top.children)


def test_failures_in_each_subtree_are_not_folded() -> None:
    """Similar subtrees have their own rows if each of them has a failure."""
    loads = [make_span(n, 1, "load", start=n) for n in (2, 3, 4)]
    reads = [make_span(n + 3, n, "read", error="") for n in (2, 3, 4)]
    (top,) = build_tree([make_span(1), *loads, *reads])
    assert [[2], [3], [4]] == rows(top.children)


@pytest.mark.parametrize("special", ORDINARY.values(), ids=ORDINARY)
def test_different_details_are_folded(special: dict[str, object]) -> None:
    """Siblings with different events, attributes and durations are folded."""
    spans = [make_span(n, 1, start=n) for n in (2, 3)]
    (top,) = build_tree([make_span(1), *spans, make_span(4, 1, start=4, **special)])  # type: ignore[arg-type]  # a table's values
    assert [[2, 3, 4]] == rows(top.children)


def test_different_kinds_are_not_folded() -> None:
    """Siblings of the same name but of different kinds are not similar."""
    kinds = [SpanKind.CLIENT, SpanKind.CLIENT, SpanKind.SERVER]
    (top,) = build_tree([make_span(1), *(make_span(n, 1, kind=k) for n, k in enumerate(kinds, 2))])
    assert [[2], [3], [4]] == rows(top.children)


def test_subtrees_of_one_shape_are_folded() -> None:
    """Subtrees with children of the same shapes are similar, in any number."""
    loads = [make_span(n, 1, "load") for n in (2, 3, 4)]
    reads = [make_span(n, parent, "read") for n, parent in ((5, 2), (6, 3), (7, 3), (8, 4))]
    (top,) = build_tree([make_span(1), *loads, *reads])
    (row,) = fold(top.children)
    assert [2, 3, 4] == [node.span.context.span_id for node in row]
    assert [[5, 6, 7, 8]] == rows(children_of(row))


def test_subtrees_of_other_shapes_are_not_folded() -> None:
    """A sibling with a child that the others lack has its own row."""
    loads = [make_span(n, 1, "load", start=n) for n in (2, 3, 4, 5)]
    (top,) = build_tree([make_span(1), *loads, make_span(6, 3, "read")])
    assert [[2, 4, 5], [3]] == rows(top.children)


def test_tops_with_one_missing_parent_are_folded() -> None:
    """Spans at the top are folded only if they have the same missing parent."""
    tops = build_tree([make_span(n, parent) for n, parent in ((1, 9), (2, 9), (3, 9), (4, 8))])
    assert [[1, 2, 3], [4]] == rows(tops)


def test_deep_trace() -> None:
    """A chain of 20,000 spans does not exhaust the stack."""
    spans = [make_span(n, n - 1 or None) for n in range(1, 20_001)]
    (node,) = build_tree(spans)
    depth = 1
    while node.children:
        (node,) = node.children
        depth += 1
    assert 20_000 == depth


def test_needs_no_sdk() -> None:
    """Laying out spans does not import the SDK."""
    code = "import sys, tracekit._console.render; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False\n" == done.stdout
