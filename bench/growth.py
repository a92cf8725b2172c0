"""How the cost of a span grows: with its attributes, its depth, the threads and the exporters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from bench import by_hand
from bench.interleaved import Size, Variant, measure, own_code, repeat
from bench.pipelines import check_same_attributes, ours, sdk
from bench.results import BY_HAND, TRACEKIT, Row, ratio_row
from bench.subjects import work
from tracekit import instrument

Call = Callable[[int, str], object]

# Written out, because passing arguments on as `*args` would cost something itself.
WRITTEN_OUT = """\
def work({names}):
    return 0

def by_hand(tracer, code, with_thread):
    def work_by_hand({names}):
        with tracer.start_as_current_span("work", attributes=with_thread(code, {named})):
            return work({names})
    return work_by_hand

def caller(function):
    def calls(count):
        for _ in range(count):
            function({values})
    return calls
"""


def attributes(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A call with more and more arguments, integers and texts in turn."""
    for count in (0, 2, 8, 32):
        made = _written_out(count)
        code = by_hand.code_attributes(made["work"])
        with sdk() as theirs, ours() as mine:
            hand = made["by_hand"](theirs.tracer, code, by_hand.with_thread)
            variants = {
                BY_HAND: Variant(own_code(made["caller"](hand)), theirs.settle(1)),
                TRACEKIT: Variant(
                    own_code(made["caller"](instrument(made["work"]))), mine.settle(1)
                ),
            }
            turns = measure(variants, size(1_500, 21))
            check_same_attributes(theirs, mine)
        yield ratio_row(f"a span with {count} attributes of its own", turns)


def _written_out(count: int) -> dict[str, Any]:
    names = [f"argument{number}" for number in range(count)]
    written = WRITTEN_OUT.format(
        names=", ".join(names),
        named=", ".join(f"{name}={name}" for name in names),
        values=", ".join(f"{number}" if number % 2 else f"'{number}'" for number in range(count)),
    )
    made: dict[str, Any] = {"__name__": __name__}
    exec(compile(written, __file__, "exec"), made)
    return made


def depth(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Spans within spans: what one of them takes."""
    for levels in (1, 4, 16, 64):
        wanted = size(1_920, 21)
        whole = Size(max(wanted.calls // levels, 1) * levels, wanted.rounds)
        with sdk() as theirs, ours() as mine:
            hand = _descending(lambda inner: by_hand.around(theirs.tracer, inner), levels)
            own = _descending(instrument, levels)
            variants = {
                BY_HAND: Variant(_descend(hand, levels), theirs.settle(1)),
                TRACEKIT: Variant(_descend(own, levels), mine.settle(1)),
            }
            turns = measure(variants, whole)
        yield ratio_row(f"a span of {levels} within each other", turns)


def _descending(decorate: Callable[[Call], Call], levels: int) -> Call:
    made: Call = work
    for _ in range(levels):
        made = decorate(_calling(made))
    return made


def _calling(inner: Call) -> Call:
    def level(a: int, b: str) -> object:
        return inner(a, b)

    return level


def _descend(function: Call, levels: int) -> Callable[[int], None]:
    calls = repeat(function)
    return lambda count: calls(count // levels)


def threads(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """The same number of spans from more and more threads: CPU of all of them, and the time."""
    for count in (1, 2, 4, 8, 16):
        wanted = size(1_920, 21)
        whole = Size(max(wanted.calls // count, 1) * count, wanted.rounds)
        for clock, what in ((time.process_time_ns, "CPU"), (time.perf_counter_ns, "time")):
            with sdk() as theirs, ours() as mine:
                hand = by_hand.function(theirs.tracer)
                with _shared(hand, count) as by_theirs, _shared(instrument(work), count) as by_ours:
                    variants = {
                        BY_HAND: Variant(by_theirs, theirs.settle(1)),
                        TRACEKIT: Variant(by_ours, mine.settle(1)),
                    }
                    turns = measure(variants, whole, clock)
            yield ratio_row(f"{what} a span from {count} threads", turns)


@contextmanager
def _shared(function: Call, count: int) -> Iterator[Callable[[int], None]]:
    """Share calls among threads that are there already, and begin together."""
    together = threading.Barrier(count)
    calls = repeat(function)

    def take_part(share: int) -> None:
        together.wait()
        calls(share)

    with ThreadPoolExecutor(count) as pool:

        def run(total: int) -> None:
            list(pool.map(take_part, [total // count] * count))

        yield run


def exporters(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A span that more and more exporters want; each has its queue and its thread."""
    for count in (1, 2, 4):
        with sdk(*[lambda inner: inner] * count) as theirs, ours(*[None] * count) as mine:
            one_each = [1] * count
            variants = {
                BY_HAND: Variant(repeat(by_hand.function(theirs.tracer)), theirs.settle(*one_each)),
                TRACEKIT: Variant(repeat(instrument(work)), mine.settle(*one_each)),
            }
            turns = measure(variants, size(1_500, 21))
        yield ratio_row(f"a span for {count} exporters", turns)
