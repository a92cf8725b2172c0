"""A large argument costs what a small one costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.interleaved import Size, Variant, measure
from bench.pipelines import ours
from bench.results import Row, ratio_row
from bench.subjects import length
from tracekit import instrument

SMALL, LARGE = "list of 10", "list of 200,000"


def long_list(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A recorded call with a list of 200,000, against the same with a list of ten."""
    with ours() as tracekit:
        decorated = instrument(length)
        variants = {
            SMALL: Variant(_repeat(decorated, list(range(10))), tracekit.settle(1)),
            LARGE: Variant(_repeat(decorated, list(range(200_000))), tracekit.settle(1)),
        }
        turns = measure(variants, size(1_000, 41))
    yield ratio_row(f"{LARGE} against {SMALL}", turns, LARGE, to=SMALL)


def _repeat(function: Callable[[list[int]], int], values: list[int]) -> Callable[[int], None]:
    def calls(count: int) -> None:
        for _ in range(count):
            function(values)

    return calls
