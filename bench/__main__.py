"""Print what tracekit costs, each row with its baseline of the same run, and its budget.

python -m bench [--quick] [--passes N] [--save DIRECTORY] [GROUP | MODULE:FUNCTION …]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from bench import tables
from bench.interleaved import Size
from bench.machine import PYTHON, describe
from bench.parts import PARTS, find, group_of, quick, run_apart
from bench.results import Row, middle_of


def main() -> None:
    options = _options()
    _forget_settings()
    parts = find(options.parts)
    measured = _measure(parts, quick if options.quick else Size, options.passes)
    rows = _print(parts, measured)
    if options.quick:
        print("\nAll of it runs. Nothing was measured: these are the figures of one short turn.")
    else:
        over = tables.unmet(row for same in rows.values() for row in same)
        print(f"\nOver budget: {'; '.join(over) or 'nothing'}")
    if options.save:
        _save(rows, options.save)


def _measure(
    parts: list[str], size: Callable[[int, int], Size], passes: int
) -> Iterator[list[Row]]:
    # The passes are apart in time: a machine may be slow for seconds on end.
    earlier = [[run_apart(part, size) for part in parts] for _ in range(passes - 1)]
    for number, part in enumerate(parts):
        last = run_apart(part, size)
        yield middle_of([*(one[number] for one in earlier), last])


def _print(parts: list[str], measured: Iterable[list[Row]]) -> dict[str, list[Row]]:
    print(*describe(), "", tables.head(), sep="\n", flush=True)
    groups: dict[str, list[Row]] = {}
    for part, rows in zip(parts, measured, strict=True):
        groups.setdefault(group_of(part), []).extend(rows)
        for row in rows:
            print(tables.line(row), flush=True)
    return groups


def _save(groups: dict[str, list[Row]], directory: Path) -> None:
    rows = {group: [asdict(row) for row in rows] for group, rows in groups.items()}
    saved = {"python": PYTHON, "machine": describe(), "groups": rows}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{PYTHON}.json").write_text(json.dumps(saved, indent=2), encoding="utf-8")


def _forget_settings() -> None:
    # A sampler or a limit of the environment would be measured instead.
    for name in [name for name in os.environ if name.startswith(("OTEL_", "TRACEKIT_", "DD_"))]:
        del os.environ[name]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure tracekit.")
    help_of_parts = f"what to measure: {', '.join(PARTS)}, or MODULE:FUNCTION; by default all"
    parser.add_argument("parts", nargs="*", metavar="PART", help=help_of_parts)
    parser.add_argument("--quick", action="store_true", help="run everything, measure nothing")
    parser.add_argument(
        "--save", type=Path, metavar="DIRECTORY", help="write the figures to a file there, too"
    )
    parser.add_argument(
        "--passes", type=int, default=1, help="measure so often, and give the middle figure"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
