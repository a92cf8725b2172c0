"""A decorated generator: what each item takes over the bare generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench import by_hand
from bench.interleaved import Size, Variant, measure, own_code
from bench.pipelines import Pipeline, check_same_attributes, ours, sdk
from bench.results import BARE, BY_HAND, TRACEKIT, Row, over_row
from bench.subjects import items
from tracekit import instrument


def item(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """The span of the generator is current in its body, and not in the loop that consumes it."""
    with sdk() as theirs, ours() as tracekit:
        variants = {
            BARE: Variant(_consume(items)),
            BY_HAND: Variant(_consume(by_hand.generator_function(theirs.tracer)), _one(theirs)),
            TRACEKIT: Variant(_consume(instrument(items)), _one(tracekit)),
        }
        turns = measure(variants, size(2_000, 41))
        check_same_attributes(theirs, tracekit)
    yield over_row("generator, an item", turns)
    yield over_row("generator by hand, an item", turns, BY_HAND)


def _consume(function: Callable[[int], Iterator[int]]) -> Callable[[int], None]:
    def calls(count: int) -> None:
        for _ in function(count):
            pass

    return own_code(calls)


def _one(pipeline: Pipeline) -> Callable[[int], None]:
    check = pipeline.settle(1)
    return lambda items: check(1)
