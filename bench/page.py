"""Put saved figures into the page on performance.

python -m bench.page docs/performance.md build/bench/3.10.json build/bench/3.13.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from bench import tables
from bench.budgets import BUDGETS, Budget
from bench.results import Row

# The text between the two is replaced.
PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.S)

Run = dict[str, Any]


def main() -> None:
    page, *files = map(Path, sys.argv[1:])
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    page.write_text(filled(page.read_text(encoding="utf-8"), runs), encoding="utf-8")


def filled(page: str, runs: list[Run]) -> str:
    """Return the page with the figures of the runs, one for each Python, in their places."""
    return PLACE.sub(lambda place: f"{place[1]}\n{_text(place[2], runs)}\n\n{place[3]}", page)


def _text(group: str, runs: list[Run]) -> str:
    if group == "machine":
        # Of the first line only the Python differs.
        return "\n".join(f"- {line}" for line in _machine(runs))
    return table([{row["what"]: Row(**row) for row in run["groups"][group]} for run in runs], runs)


def _machine(runs: list[Run]) -> list[str]:
    return [*(run["machine"][0] for run in runs), *runs[0]["machine"][1:]]


def table(groups: list[dict[str, Row]], runs: list[Run]) -> str:
    """Return the rows of one group as a table of Markdown, with a column for each Python."""
    has_budgets = any(what in BUDGETS for group in groups for what in group)
    head = ["what", *(["budget"] if has_budgets else []), *(run["python"] for run in runs)]
    lines = [[*head, "compared with"], ["---"] * (len(head) + 1)]
    for what in groups[0]:
        # What is not installed on one of the Pythons is on none: the dependencies are the same.
        rows = [group[what] for group in groups]
        budget = BUDGETS.get(what)
        limit = [_limit(rows[0], budget)] if has_budgets else []
        figures = [_figure(row, budget, run) for row, run in zip(rows, runs, strict=True)]
        lines.append([what, *limit, *figures, _base(rows)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _limit(row: Row, budget: Budget | None) -> str:
    if budget is None:
        return ""
    most = tables.limit(row, budget.most)
    oldest = budget.most_on_oldest
    return most if oldest is None else f"{most} (3.10: {tables.limit(row, oldest)})"


def _figure(row: Row, budget: Budget | None, run: Run) -> str:
    text = f"{tables.figure(row)} ± {tables.spread(row)}"
    if budget is None:
        return text
    return f"{text} {'✓' if row.figure <= budget.on(run['python']) else '✗'}"


def _base(rows: list[Row]) -> str:
    values = ", ".join(tables.quantity(row.base_value, row.unit) for row in rows)
    return f"{rows[0].base}: {values}"


if __name__ == "__main__":
    main()
