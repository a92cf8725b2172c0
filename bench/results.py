"""What was measured, as rows that can be printed and stored."""

from __future__ import annotations

from dataclasses import dataclass

from bench.interleaved import Turns

BY_HAND = "OpenTelemetry by hand"
TRACEKIT = "tracekit"
BARE = "bare call"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: What was done.
        base: What it was compared with.
        base_value: The median of that, in `unit`.
        value: The median of what was compared.
        figure: How they compare: their ratio, or what one takes more than the other.
        spread: Half the distance between the quartiles of the figure.
        is_ratio: Whether the figure is a ratio; if not, it is in `unit`.
        unit: "ns", "B" or "ms".
    """

    what: str
    base: str
    base_value: float
    value: float
    figure: float
    spread: float
    is_ratio: bool = True
    unit: str = "ns"


def ratio_row(what: str, turns: Turns, name: str = TRACEKIT, to: str = BY_HAND, **more: str) -> Row:
    figure = turns.ratio(name, to)
    values = turns.median(to), turns.median(name)
    return Row(what, to, *values, figure.middle, figure.spread, **more)


def over_row(what: str, turns: Turns, name: str = TRACEKIT, base: str = BARE, **more: str) -> Row:
    figure = turns.over(name, base)
    values = turns.median(base), turns.median(name)
    return Row(what, base, *values, figure.middle, figure.spread, is_ratio=False, **more)


def middle_of(passes: list[list[Row]]) -> list[Row]:
    """Of the same rows, measured several times, give for each the one with the middle figure."""
    return [
        sorted(same, key=lambda row: row.figure)[len(same) // 2]
        for same in zip(*passes, strict=True)
    ]
