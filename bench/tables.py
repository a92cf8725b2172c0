"""Rows as text."""

from __future__ import annotations

from collections.abc import Iterable

from bench.budgets import BUDGETS
from bench.results import Row

HEAD = ("what", "compared with", "that", "this", "figure", "± spread", "budget", "met")
LAYOUT = "{:<48} {:<24} {:>10} {:>10} {:>11} {:>9} {:>9}  {}"


def head() -> str:
    return LAYOUT.format(*HEAD).rstrip()


def line(row: Row) -> str:
    """Print a row, with its budget if it has one."""
    budget = BUDGETS.get(row.what)
    return LAYOUT.format(
        row.what,
        row.base,
        quantity(row.base_value, row.unit),
        quantity(row.value, row.unit),
        figure(row),
        f"{row.spread:.3f}" if row.is_ratio else quantity(row.spread, row.unit),
        "" if budget is None else limit(row, budget.here),
        "" if budget is None else ("yes" if row.figure <= budget.here else "NO"),
    ).rstrip()


def unmet(rows: Iterable[Row]) -> list[str]:
    """Name the rows that are over their budgets."""
    budgeted = [(row, BUDGETS[row.what].here) for row in rows if row.what in BUDGETS]
    return [row.what for row, most in budgeted if row.figure > most]


def figure(row: Row) -> str:
    return f"{row.figure:.3f}×" if row.is_ratio else f"{row.figure:+,.0f} {row.unit}"


def limit(row: Row, most: float) -> str:
    return f"{most:.2f}×" if row.is_ratio else f"{most:+,.0f} {row.unit}"


def quantity(value: float, unit: str) -> str:
    """Print a quantity with about three digits, and in µs or kB where that reads better."""
    for larger, smaller in (("ms", "µs"), ("µs", "ns"), ("kB", "B")):
        if unit == smaller and abs(value) >= 1_000:
            return quantity(value / 1_000, larger)
    digits = 0 if unit in {"ns", "B"} or abs(value) >= 100 else 2
    return f"{value:,.{digits}f} {unit}"
