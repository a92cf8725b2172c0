"""Claims about finished spans as a tree and about folded siblings."""

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
    """The tree as nested lists of span ids."""
    return [
        [node.span.context.span_id, *ids(node.children)]
        if node.children
        else node.span.context.span_id
        for node in nodes
    ]


def rows(siblings: list[Node]) -> list[list[int]]:
    return [[node.span.context.span_id for node in row] for row in fold(siblings)]


def test_children_below_their_parents() -> None:
    """Every span hangs under its parent, siblings in the order in which they started."""
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
    """A span at the top says what became of its parent."""
    (top,) = build_tree([make_span(1, parent, remote=remote)], known)
    assert expected == top.parent_note


def test_remote_parent_that_is_here() -> None:
    """A span whose remote parent is among the spans hangs under it."""
    assert [[1, 2]] == ids(build_tree([make_span(1), make_span(2, 1, remote=True)]))


def test_local_root() -> None:
    """A trace begins in this process with a span without parent or with a remote one."""
    spans = [make_span(1), make_span(1, 2, remote=True), make_span(1, 2)]
    assert [True, True, False] == [is_local_root(span) for span in spans]


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
    ids=["own parent", "ring of two", "ring with a tail", "ids twice"],
)
def test_rings_and_twins(spans: list[tuple[int, int | None]]) -> None:
    """Each span comes out once, even where parents form a ring or an id occurs twice."""
    made = [make_span(*each) for each in spans]
    assert sorted(map(id, made)) == sorted(map(id, flatten(build_tree(made))))


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8)), max_size=12))
def test_nothing_lost(spans: list[tuple[int, int]]) -> None:
    """Whatever ids and parents are, each span comes out exactly once."""
    made = [make_span(span_id, parent or None) for span_id, parent in spans]
    assert sorted(map(id, made)) == sorted(map(id, flatten(build_tree(made))))


def flatten(tops: list[Node]) -> list[object]:
    nodes = list(tops)
    for node in nodes:
        nodes.extend(node.children)
    return [node.span for node in nodes]


def test_three_alike_are_folded() -> None:
    """Three siblings alike become one row, two stay two."""
    three = [make_span(1), *(make_span(n, 1) for n in (2, 3, 4))]
    assert [[2, 3, 4]] == rows(build_tree(three)[0].children)
    assert [[2], [3]] == rows(build_tree(three[:3])[0].children)


def test_folded_where_the_first_stood() -> None:
    """Siblings alike need not stand in a row; the first one's place is that of the row."""
    names = ["a", "b", "a", "c", "a"]
    spans = [make_span(n, 1, name, start=n) for n, name in enumerate(names, 2)]
    (top,) = build_tree([make_span(1), *spans])
    assert [[2, 4, 6], [3], [5]] == rows(top.children)


LOUD = {
    "error": {"error": ""},
    "exception": {"events": [make_exception_event()]},
    "warning": {"events": [make_event("low disk", level="WARN")]},
    "error event": {"events": [make_event("gone", level="error")]},
}
QUIET = {
    "event": {"events": [make_event("hit", level="INFO")]},
    "expected exception": {"events": [make_exception_event(exception__expected=True)]},
    "other attributes": {"attributes": {"n": 1}},
    "other duration": {"ms": 3},
}


@pytest.mark.parametrize("special", LOUD.values(), ids=LOUD)
def test_trouble_is_not_folded(special: dict[str, object]) -> None:
    """A span in which something went wrong stands by itself, and so do those above it."""
    spans = [make_span(n, 1, start=n) for n in range(2, 6)]
    troubled = make_span(6, 1, start=6, **special)  # type: ignore[arg-type]  # a table's values
    (top,) = build_tree([make_span(1), *spans, troubled])
    assert [[2, 3, 4, 5], [6]] == rows(top.children)
    above = [make_span(n, 1, start=n) for n in (2, 3, 4)]
    below = make_span(5, 3, **special)  # type: ignore[arg-type]  # a table's values
    (top,) = build_tree([make_span(1), *above, below])
    assert [[2], [3], [4]] == rows(top.children)


def test_trouble_in_each_is_not_folded() -> None:
    """Subtrees of one shape stay apart where something failed in each of them."""
    loads = [make_span(n, 1, "load", start=n) for n in (2, 3, 4)]
    reads = [make_span(n + 3, n, "read", error="") for n in (2, 3, 4)]
    (top,) = build_tree([make_span(1), *loads, *reads])
    assert [[2], [3], [4]] == rows(top.children)


@pytest.mark.parametrize("special", QUIET.values(), ids=QUIET)
def test_the_ordinary_is_folded(special: dict[str, object]) -> None:
    """Events, attributes and durations of their own do not keep siblings from being folded."""
    spans = [make_span(n, 1, start=n) for n in (2, 3)]
    (top,) = build_tree([make_span(1), *spans, make_span(4, 1, start=4, **special)])  # type: ignore[arg-type]  # a table's values
    assert [[2, 3, 4]] == rows(top.children)


def test_kinds_are_told_apart() -> None:
    """Siblings of the same name but of different kinds are not alike."""
    kinds = [SpanKind.CLIENT, SpanKind.CLIENT, SpanKind.SERVER]
    (top,) = build_tree([make_span(1), *(make_span(n, 1, kind=k) for n, k in enumerate(kinds, 2))])
    assert [[2], [3], [4]] == rows(top.children)


def test_subtrees_of_one_shape_are_folded() -> None:
    """Subtrees with the same kinds of children are alike, however many of each they have."""
    loads = [make_span(n, 1, "load") for n in (2, 3, 4)]
    reads = [make_span(n, parent, "read") for n, parent in ((5, 2), (6, 3), (7, 3), (8, 4))]
    (top,) = build_tree([make_span(1), *loads, *reads])
    (row,) = fold(top.children)
    assert [2, 3, 4] == [node.span.context.span_id for node in row]
    assert [[5, 6, 7, 8]] == rows(children_of(row))


def test_subtrees_of_other_shapes_are_not_folded() -> None:
    """A sibling with a child that the others lack stands by itself."""
    loads = [make_span(n, 1, "load", start=n) for n in (2, 3, 4, 5)]
    (top,) = build_tree([make_span(1), *loads, make_span(6, 3, "read")])
    assert [[2, 4, 5], [3]] == rows(top.children)


def test_tops_fold_within_one_parent() -> None:
    """Spans at the top are folded only where they lack the same parent."""
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
