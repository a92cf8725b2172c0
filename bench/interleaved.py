"""Measuring by ratios: the variants take turns, so that a drifting machine touches all of them."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

# Makes so many calls; one that gives a number has timed itself, in nanoseconds.
Variant = Callable[[int], int | None]


@dataclass(frozen=True)
class Row:
    """What was measured of one variant: the cost of a call in nanoseconds, and as a ratio."""

    name: str
    nanoseconds: float
    ratio: float
    spread: float


def measure(
    variants: dict[str, Variant], *, baseline: str, calls: int = 2_000, rounds: int = 41
) -> list[Row]:
    """Time the variants in turn.

    Args:
        variants: Functions that make so many calls.
        baseline: The variant that the ratios are to.
        calls: How many calls a turn makes.
        rounds: How many turns each variant has.

    Returns:
        A row for each variant: the median of its turns, and the median of its ratios to the
        baseline's turn of the same round with half the distance between their quartiles.
    """
    turns: dict[str, list[float]] = {name: [] for name in variants}
    for variant in variants.values():
        variant(calls)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, variant in variants.items():
                begun = time.perf_counter_ns()
                own = variant(calls)
                took = time.perf_counter_ns() - begun if own is None else own
                turns[name].append(took / calls)
    finally:
        gc.enable()
    return [_row(name, times, turns[baseline]) for name, times in turns.items()]


def _row(name: str, times: list[float], baseline: list[float]) -> Row:
    ratios = [mine / base for mine, base in zip(times, baseline, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Row(name, statistics.median(times), middle, (high - low) / 2)


def report(title: str, rows: list[Row], *, over: str | None = None) -> None:
    """Print a table.

    Args:
        title: What was measured.
        rows: The rows.
        over: A row whose nanoseconds are taken off the others' in a further column.
    """
    bare = next((row.nanoseconds for row in rows if row.name == over), None)
    print(f"\n{title} (Python {sys.version.split()[0]})")
    for row in rows:
        extra = "" if bare is None else f"{row.nanoseconds - bare:>+11,.0f} ns"
        print(
            f"  {row.name:<44}{row.nanoseconds:>9,.0f} ns{extra}"
            f"{row.ratio:>9.3f}× ±{row.spread:.3f}"
        )
