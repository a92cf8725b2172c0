"""Measuring by turns: the variants take turns, so that a drifting machine touches all of them.

The clock is the CPU time of the calling thread. What other programs do to a shared machine is not
in it, and neither is the work of the thread that exports, which `bench.delivery` counts.
"""

from __future__ import annotations

import gc
import statistics
import time
import types
from collections.abc import Callable
from dataclasses import dataclass


def settle_nothing(calls: int) -> None:
    """Settle a variant that leaves nothing behind."""


@dataclass(frozen=True)
class Variant:
    """One way to do the work.

    Attributes:
        run: Makes so many calls. If it gives a number, it has timed itself, in nanoseconds.
        settle: Told the number of calls after each turn, outside of the clock: waits for what the
            turn has left behind, and raises if less was recorded than should be.
    """

    run: Callable[[int], object]
    settle: Callable[[int], None] = settle_nothing


@dataclass(frozen=True)
class Size:
    """How much is measured: the calls of a turn, and the turns of each variant."""

    calls: int
    rounds: int


@dataclass(frozen=True)
class Figure:
    """A median, and half the distance between the quartiles."""

    middle: float
    spread: float

    @classmethod
    def of(cls, values: list[float]) -> Figure:
        if len(values) == 1:
            return cls(values[0], 0.0)
        low, middle, high = statistics.quantiles(values, n=4)
        return cls(middle, (high - low) / 2)


class Turns:
    """What each variant took for a call, turn by turn, in nanoseconds or whatever was counted."""

    def __init__(self, taken: dict[str, list[float]]) -> None:
        self.taken = taken

    def median(self, name: str) -> float:
        return statistics.median(self.taken[name])

    def ratio(self, name: str, to: str) -> Figure:
        """Compare with a baseline's turn of the same round."""
        pairs = zip(self.taken[name], self.taken[to], strict=True)
        return Figure.of([mine / base for mine, base in pairs])

    def over(self, name: str, base: str) -> Figure:
        """Take off a baseline's turn of the same round."""
        pairs = zip(self.taken[name], self.taken[base], strict=True)
        return Figure.of([mine - other for mine, other in pairs])


def measure(
    variants: dict[str, Variant],
    size: Size,
    clock: Callable[[], int] = time.thread_time_ns,
) -> Turns:
    """Time the variants in turn, each round beginning with another one.

    Garbage is collected before each turn; during the turn the collector works as in any program.
    """
    for variant in variants.values():
        variant.run(size.calls)
        variant.settle(size.calls)
    gc.collect()
    gc.freeze()
    taken: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    try:
        for number in range(size.rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                taken[name].append(_turn(variants[name], size.calls, clock) / size.calls)
    finally:
        gc.unfreeze()
    return Turns(taken)


def _turn(variant: Variant, calls: int, clock: Callable[[], int]) -> float:
    gc.collect()
    begun = clock()
    own = variant.run(calls)
    took = clock() - begun
    variant.settle(calls)
    return own if isinstance(own, (int, float)) else took


def repeat(function: Callable[[int, str], object]) -> Callable[[int], None]:
    """Make a loop over a function of two arguments, with code that no other loop shares.

    From Python 3.11 on the interpreter adapts the code of a call to what is called there; variants
    that shared it would undo that for each other.
    """

    def calls(count: int) -> None:
        for _ in range(count):
            function(1, "two")

    return own_code(calls)


def own_code(function: types.FunctionType) -> types.FunctionType:
    """Copy a function together with its code, of which the interpreter has learnt nothing yet."""
    return types.FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
