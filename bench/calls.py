"""Calls that record nothing: filtered out, nothing set up, inside an unsampled trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from opentelemetry import trace

from bench import by_hand
from bench.interleaved import Size, Variant, measure, repeat
from bench.pipelines import ours, sdk, under
from bench.results import BARE, BY_HAND, TRACEKIT, Row, over_row, ratio_row
from bench.subjects import work
from tracekit import instrument

UNSAMPLED = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(0))


def filtered_out(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A call below the level, over the bare call."""
    with ours() as tracekit:
        quiet = instrument(level="debug")(work)
        variants = {
            BARE: Variant(repeat(work)),
            TRACEKIT: Variant(repeat(quiet), tracekit.settle(0)),
        }
        turns = measure(variants, size(20_000, 101))
    yield over_row("filtered-out call, two arguments", turns)


def nothing_set_up(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A decorated call, and a span by hand, in a process without any provider."""
    variants = {
        BARE: Variant(repeat(work)),
        TRACEKIT: Variant(repeat(instrument(work))),
        BY_HAND: Variant(repeat(by_hand.function(trace.get_tracer("bench")))),
    }
    turns = measure(variants, size(5_000, 61))
    yield over_row("decorated, nothing set up", turns)
    yield over_row("by hand, nothing set up", turns, BY_HAND)


def unsampled(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A call below a parent that is not sampled."""
    with sdk() as theirs, ours() as tracekit:
        hand = Variant(repeat(by_hand.function(theirs.tracer)), theirs.settle(0))
        mine = Variant(repeat(instrument(work)), tracekit.settle(0))
        variants = {BY_HAND: under(UNSAMPLED, hand), TRACEKIT: under(UNSAMPLED, mine)}
        turns = measure(variants, size(3_000, 41))
    yield ratio_row("call inside an unsampled trace", turns)
