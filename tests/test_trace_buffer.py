"""The buffer of spans that wait for their local root."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

import tracekit._console.trace_buffer as buffer_module
from tests.finished_spans import make_span
from tracekit._console.trace_buffer import Block, TraceBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType


def shown(blocks: Iterable[Block]) -> list[tuple[int, list[int], str]]:
    """Return trace id, sorted span ids and mark of each block."""
    return [
        (block.trace_id, sorted(span.context.span_id for span in block.spans), block.mark)
        for block in blocks
    ]


def test_waits_for_the_root() -> None:
    """No block is due before the root ends; then the whole trace is one block."""
    buffer = TraceBuffer()
    assert [] == buffer.add([make_span(3, 2), make_span(2, 1)])
    assert 2 == buffer.waiting
    assert [(0xABC, [1, 2, 3], "")] == shown(buffer.add([make_span(1)]))
    assert 0 == buffer.waiting


def test_remote_parent_is_a_root() -> None:
    """A span with a remote parent is a local root."""
    buffer = TraceBuffer()
    blocks = buffer.add([make_span(2, 1), make_span(1, 99, remote=True)])
    assert [(0xABC, [1, 2], "")] == shown(blocks)


def test_traces_in_one_batch() -> None:
    """Each trace of a batch has its own block; those without a root wait."""
    buffer = TraceBuffer()
    batch = [
        make_span(2, 1, trace_id=5),
        make_span(2, 1, trace_id=6),
        make_span(1, trace_id=6),
        make_span(2, 1, trace_id=7),
        make_span(1, trace_id=5),
    ]
    assert [(5, [1, 2], ""), (6, [1, 2], "")] == shown(buffer.add(batch))
    assert 1 == buffer.waiting


def test_root_before_its_children() -> None:
    """The order within a batch does not matter."""
    blocks = TraceBuffer().add([make_span(1), make_span(2, 1), make_span(3, 2)])
    assert [(0xABC, [1, 2, 3], "")] == shown(blocks)


def test_late_spans_share_a_block() -> None:
    """Spans of a batch that end after their root are one block, marked as late."""
    buffer = TraceBuffer()
    buffer.add([make_span(1)])
    (block,) = buffer.add([make_span(2, 1), make_span(3, 1), make_span(4, 3)])
    assert [(0xABC, [2, 3, 4], "late: ended after the root")] == shown([block])
    assert frozenset({1}) == block.known_parents


def test_late_span_waits_for_its_parent() -> None:
    """A late span waits until its parent has ended."""
    buffer = TraceBuffer()
    assert [] == buffer.add([make_span(3, 2)])
    assert [(0xABC, [1], "")] == shown(buffer.add([make_span(1)]))
    assert [(0xABC, [2, 3], "late: ended after the root")] == shown(buffer.add([make_span(2, 1)]))


def test_two_roots_in_one_process() -> None:
    """In a service that calls itself, the inner root takes only the spans below it."""
    buffer = TraceBuffer()
    buffer.add([make_span(2, 1), make_span(5, 4)])
    inner = buffer.add([make_span(4, 3, remote=True)])
    assert [(0xABC, [4, 5], "")] == shown(inner)
    assert [(0xABC, [1, 2, 3], "continued")] == shown(buffer.add([make_span(3, 1), make_span(1)]))


def test_take_all() -> None:
    """`take_all` returns spans before the root ends; the rest is marked as continued."""
    buffer = TraceBuffer()
    buffer.add([make_span(3, 2)])
    assert [(0xABC, [3], "part: root still open")] == shown(buffer.take_all())
    buffer.add([make_span(5, 4), make_span(6, 3)])
    assert [(0xABC, [5, 6], "continued, root still open")] == shown(buffer.take_all())
    assert [(0xABC, [1, 2], "continued")] == shown(buffer.add([make_span(2, 1), make_span(1)]))
    assert [] == buffer.take_all()


def test_child_of_a_shown_part_waits_for_the_root() -> None:
    """After a part was shown, further spans wait for the root."""
    buffer = TraceBuffer()
    buffer.add([make_span(2, 1)])
    buffer.take_all()
    assert [] == buffer.add([make_span(3, 2)])
    (block,) = buffer.add([make_span(1)])
    assert [(0xABC, [1, 3], "continued")] == shown([block])
    assert frozenset({2}) == block.known_parents


def test_too_many_spans() -> None:
    """If too many spans wait, the oldest trace is due in part."""
    buffer = TraceBuffer(max_spans=3)
    buffer.add([make_span(2, 1, trace_id=5), make_span(2, 1, trace_id=6)])
    blocks = buffer.add([make_span(3, 1, trace_id=6), make_span(4, 1, trace_id=6)])
    assert [(5, [2], "part: root still open")] == shown(blocks)
    assert 3 == buffer.waiting


def test_too_many_traces() -> None:
    """If too many traces wait, the oldest is due in part."""
    buffer = TraceBuffer(max_traces=2)
    blocks = buffer.add(make_span(2, 1, trace_id=trace_id) for trace_id in (5, 6, 7))
    assert [(5, [2], "part: root still open")] == shown(blocks)


def test_large_batch_with_its_root() -> None:
    """A batch that exceeds the bound is one block if its root is in it."""
    batch = [*(make_span(n, 1) for n in range(2, 10)), make_span(1)]
    assert [(0xABC, list(range(1, 10)), "")] == shown(TraceBuffer(max_spans=3).add(batch))


def test_memory_of_the_shown_is_bounded() -> None:
    """The ids of shown spans are bounded; those of the newest traces are kept."""
    buffer = TraceBuffer(max_shown=2)
    for trace_id in (5, 6, 7):
        buffer.add([make_span(1, trace_id=trace_id)])
    assert [] == buffer.add([make_span(2, 1, trace_id=5)])
    late = buffer.add([make_span(2, 1, trace_id=7)])
    assert [(7, [2], "late: ended after the root")] == shown(late)
    buffer.add([make_span(n, 1, trace_id=8) for n in range(2, 9)] + [make_span(1, trace_id=8)])
    assert 2 == buffer._id_count


SPANS = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(0, 6), st.booleans())


@given(st.lists(st.lists(SPANS, max_size=6), max_size=6), st.integers(0, 8), st.integers(1, 8))
def test_nothing_lost(
    batches: list[list[tuple[int, int, int, bool]]], max_spans: int, max_shown: int
) -> None:
    """For any spans in any order, each span is shown once, and the bounds hold."""
    buffer = TraceBuffer(max_spans=max_spans, max_traces=2, max_shown=max_shown)
    given_spans, blocks = [], []
    for batch in batches:
        spans = [make_span(s, p or None, trace_id=t, remote=r) for t, s, p, r in batch]
        given_spans += spans
        blocks += buffer.add(spans)
        assert buffer.waiting <= max_spans
    blocks += buffer.take_all()
    came = [span for block in blocks for span in block.spans]
    assert sorted(map(id, given_spans)) == sorted(map(id, came))
    assert 0 == buffer.waiting
    assert not buffer._pending
    assert buffer._id_count <= max_shown


class Interrupt(BaseException):
    """The exception of a signal handler."""


def add_with_interrupt(buffer: TraceBuffer, step: int) -> bool:
    """Add spans, and raise at one line of the buffer; return False if it has fewer lines."""
    left = step

    def trace(frame: FrameType, what: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != buffer_module.__file__:
            return None
        if what == "line":
            if left == 0:
                raise Interrupt
            left -= 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        buffer.add([make_span(7, trace_id=7), make_span(3, 2), make_span(1)])
        buffer.add([make_span(2, 1), make_span(9, 8, trace_id=9)])
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_exception_at_any_line_leaves_a_buffer_that_works() -> None:
    """After an exception at any line, the buffer can be emptied, and shows the next trace."""
    step = 0
    while add_with_interrupt(buffer := TraceBuffer(max_spans=2, max_traces=1), step):
        buffer.take_all()
        assert 0 == buffer.waiting, step
        assert [(0xFFF, [4], "")] == shown(buffer.add([make_span(4, trace_id=0xFFF)])), step
        step += 1
    assert step > 50
