"""The tables of `docs/support.md`, made from the data of the tests.

The first is *callable kind × outcome*, the second *boundary × start method × outcome*. `python -m
tests.support_table` prints them.
"""

from __future__ import annotations

from tests import boundaries
from tests.callables import KINDS, OUTCOMES, applies
from tests.test_callables import RESTORED

YES, YES_BUT, NOT_APPLICABLE = "✓", "✓ ¹", "–"


def table() -> str:
    """Return the table of callables, in Markdown."""
    head = _row("", *OUTCOMES)
    line = _row("---", *(":-:" for _ in OUTCOMES))
    rows = [_row(kind, *(_cell(kind, outcome) for outcome in OUTCOMES)) for kind in KINDS]
    return "\n".join([head, line, *rows])


def boundary_table() -> str:
    """Return the table of boundaries that a context has to cross, in Markdown."""
    head = _row("", "workers", *boundaries.OUTCOMES)
    line = _row("---", "---", *(":-:" for _ in boundaries.OUTCOMES))
    return "\n".join([head, line, *map(_boundary_row, boundaries.BOUNDARIES)])


def _boundary_row(name: str) -> str:
    boundary = boundaries.BOUNDARIES[name]
    possible = boundary.outcomes()
    cells = (YES if outcome in possible else NOT_APPLICABLE for outcome in boundaries.OUTCOMES)
    return _row(name, ", ".join(boundary.start_methods) or "threads", *cells)


def _cell(kind: str, outcome: str) -> str:
    if not applies(kind, outcome):
        return NOT_APPLICABLE
    return YES if (kind, outcome) in RESTORED else YES_BUT


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(table(), boundary_table(), sep="\n\n")  # noqa: T201 - the output of the command
