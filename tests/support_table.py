"""The table *callable kind × outcome* of the documentation, from the data of the tests.

`python -m tests.support_table` prints it.
"""

from __future__ import annotations

from tests.callables import KINDS, OUTCOMES, applies
from tests.test_callables import RESTORED

YES, YES_BUT, NOT_APPLICABLE = "✓", "✓ ¹", "–"


def table() -> str:
    """The table, in Markdown."""
    head = _row("", *OUTCOMES)
    line = _row("---", *(":-:" for _ in OUTCOMES))
    rows = [_row(kind, *(_cell(kind, outcome) for outcome in OUTCOMES)) for kind in KINDS]
    return "\n".join([head, line, *rows])


def _cell(kind: str, outcome: str) -> str:
    if not applies(kind, outcome):
        return NOT_APPLICABLE
    return YES if (kind, outcome) in RESTORED else YES_BUT


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(table())  # noqa: T201 - what it is for
