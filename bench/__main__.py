"""Print what tracekit costs, each row with its baseline of the same run, and its budget.

python -m bench [--quick] [--passes N] [--json] [GROUP | MODULE:FUNCTION …]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from bench import tables
from bench.interleaved import Size
from bench.machine import describe
from bench.parts import PARTS, find, quick, run_apart
from bench.results import Row, middle_of


def main() -> None:
    options = _options()
    _forget_settings()
    measured = _measure(find(options.parts), quick if options.quick else Size, options.passes)
    if options.json:
        rows = [asdict(row) for part in measured for row in part]
        print(json.dumps({"machine": describe(), "rows": rows}, indent=2))
    else:
        _print(measured)


def _measure(
    parts: list[str], size: Callable[[int, int], Size], passes: int
) -> Iterator[list[Row]]:
    # The passes are apart in time: a machine may be slow for seconds on end.
    earlier = [[run_apart(part, size) for part in parts] for _ in range(passes - 1)]
    for number, part in enumerate(parts):
        last = run_apart(part, size)
        yield middle_of([*(one[number] for one in earlier), last])


def _print(measured: Iterable[list[Row]]) -> None:
    print(*describe(), "", tables.head(), sep="\n", flush=True)
    over: list[str] = []
    for rows in measured:
        for row in rows:
            print(tables.line(row), flush=True)
        over += tables.unmet(rows)
    print(f"\nOver budget: {'; '.join(over) or 'nothing'}")


def _forget_settings() -> None:
    # A sampler or a limit of the environment would be measured instead.
    for name in [name for name in os.environ if name.startswith(("OTEL_", "TRACEKIT_", "DD_"))]:
        del os.environ[name]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure tracekit.")
    help_of_parts = f"what to measure: {', '.join(PARTS)}, or MODULE:FUNCTION; by default all"
    parser.add_argument("parts", nargs="*", metavar="PART", help=help_of_parts)
    parser.add_argument("--quick", action="store_true", help="run everything, measure nothing")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--passes", type=int, default=1, help="measure so often, and give the middle figure"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
