"""Calls that are recorded: the caller's CPU time, against the same span by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from bench import by_hand
from bench.interleaved import Size, Variant, measure, own_code, repeat
from bench.pipelines import NotRecordedError, check_same_attributes, ours, sdk
from bench.results import BY_HAND, TRACEKIT, Row, ratio_row
from bench.subjects import work, work_async
from tracekit import instrument

INNER = "bench.inner"


def call(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Two arguments, and all attributes that are recorded by default."""
    yield _compare("sampled call, two arguments", by_hand.function, instrument(work), size)


def call_with_fields(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A field that is made from an argument besides."""
    mine = instrument(fields={"a.next": lambda a: a + 1})(work)
    yield _compare("sampled, with fields", by_hand.function_with_field, mine, size)


def call_with_ret(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """The result besides."""
    mine = instrument(ret=True)(work)
    yield _compare("sampled, with ret", by_hand.function_with_result, mine, size)


def _compare(
    what: str,
    hand: Callable[..., Callable[[int, str], int]],
    mine: Callable[[int, str], int],
    size: Callable[[int, int], Size],
) -> Row:
    with sdk() as theirs, ours() as tracekit:
        variants = {
            BY_HAND: Variant(repeat(hand(theirs.tracer)), theirs.settle(1)),
            TRACEKIT: Variant(repeat(mine), tracekit.settle(1)),
        }
        turns = measure(variants, size(1_500, 41))
        check_same_attributes(theirs, tracekit)
    return ratio_row(what, turns)


def coroutine_function(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """The same of a coroutine function, awaited in an event loop."""
    loop = asyncio.new_event_loop()
    with sdk() as theirs, ours() as tracekit:
        hand = by_hand.coroutine_function(theirs.tracer)
        variants = {
            BY_HAND: Variant(_await_repeatedly(hand, loop), theirs.settle(1)),
            TRACEKIT: Variant(_await_repeatedly(instrument(work_async), loop), tracekit.settle(1)),
        }
        turns = measure(variants, size(1_500, 41))
        check_same_attributes(theirs, tracekit)
    loop.close()
    yield ratio_row("sampled, async function", turns)


def _await_repeatedly(
    function: Callable[[int, str], Coroutine[Any, Any, int]], loop: asyncio.AbstractEventLoop
) -> Callable[[int], None]:
    async def calls(count: int) -> None:
        for _ in range(count):
            await function(1, "two")

    own = own_code(calls)
    return lambda count: loop.run_until_complete(own(count))


def nested(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A call in a call: two spans, one the parent of the other."""
    with sdk() as theirs, ours() as tracekit:
        hand = by_hand.around(theirs.tracer, by_hand.function(theirs.tracer))
        variants = {
            BY_HAND: Variant(repeat(hand), theirs.settle(2)),
            TRACEKIT: Variant(repeat(_nested()), tracekit.settle(2)),
        }
        turns = measure(variants, size(900, 41))
        _check_nested(tracekit.exporters[0].last)
    yield ratio_row("sampled, nested spans", turns)


def _check_nested(outer: ReadableSpan | None) -> None:
    if outer is None or outer.name != "outer" or outer.parent is not None:
        raise NotRecordedError(f"{outer} ended last, and not the outer span")


def _nested() -> Callable[[int, str], int]:
    inner = instrument(target=INNER)(work)

    @instrument(name="outer")
    def outer(a: int, b: str) -> int:
        return inner(a, b)

    return outer


class Unless(SpanProcessor):
    """Keeps the spans of one name from a processor: a filter of an exporter, by hand."""

    def __init__(self, name: str, processor: SpanProcessor) -> None:
        self._name = name
        self._processor = processor

    def on_end(self, span: ReadableSpan) -> None:
        if span.name != self._name:
            self._processor.on_end(span)

    def shutdown(self) -> None:
        self._processor.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._processor.force_flush(timeout_millis)


def two_exporters(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A call in a call, of which one exporter wants both and the other the outer one only."""
    everything, outer_only = "info", f"info,{INNER}=off"
    around = (lambda inner: inner, lambda inner: Unless("work", inner))
    with sdk(*around) as theirs, ours(everything, outer_only) as tracekit:
        hand = by_hand.around(theirs.tracer, by_hand.function(theirs.tracer))
        variants = {
            BY_HAND: Variant(repeat(hand), theirs.settle(2, 1)),
            TRACEKIT: Variant(repeat(_nested()), tracekit.settle(2, 1)),
        }
        turns = measure(variants, size(900, 41))
        _check_nested(tracekit.exporters[1].last)
    yield ratio_row("sampled, two exporters with filters", turns)
