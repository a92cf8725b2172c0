"""Print what tracekit costs, each row with its baseline of the same run, and its budget.

python -m bench [--quick] [--json] [PART …]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict

from bench import tables
from bench.interleaved import Size
from bench.machine import describe
from bench.parts import TABLE, quick, run_apart
from bench.results import Row


def main() -> None:
    options = _options()
    size = quick if options.quick else Size
    if options.json:
        rows = [row for part in options.parts for row in run_apart(part, size)]
        print(json.dumps({"machine": describe(), "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        _print((part, run_apart(part, size)) for part in options.parts)


def _print(measured: Iterable[tuple[str, list[Row]]]) -> None:
    print(*describe(), "", tables.head(), sep="\n", flush=True)
    over: list[str] = []
    for _, rows in measured:
        print(*map(tables.line, rows), sep="\n", flush=True)
        over += tables.unmet(rows)
    print(f"\nOver budget: {', '.join(over) or 'none'}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure tracekit.")
    parser.add_argument("parts", nargs="*", default=TABLE, metavar="PART", help="MODULE:FUNCTION")
    parser.add_argument("--quick", action="store_true", help="run everything, measure nothing")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
