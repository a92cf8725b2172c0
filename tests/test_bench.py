"""The benchmarks: every one runs, measures what it says, and refuses what was not recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict

import pytest

import bench.page
from bench import by_hand, tables
from bench.budgets import BUDGETS
from bench.correctness import CASES
from bench.interleaved import Size, Turns, Variant, measure
from bench.parts import PARTS, find
from bench.pipelines import NotRecordedError, check_same_attributes, sdk
from bench.results import Row, middle_of, over_row, ratio_row
from tests.pages import ROOT


def test_every_benchmark_runs_and_every_budget_has_its_row():
    """A short run prints a row for each budget."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "bench", "--quick"],
        cwd=ROOT,
        env={**os.environ, "OTEL_TRACES_SAMPLER": "always_off"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = {what for what in BUDGETS if any(line.startswith(f"{what}  ") for line in lines)}
    assert set(BUDGETS) == rows


def test_every_tree_of_tracekit_comes_out_right():
    """The cases that the documentation compares hold for tracekit."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "bench.correctness", "tracekit"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, _, *rows = done.stdout.splitlines()
    assert [f"| {case} | yes |" for case in CASES] == rows


def test_the_page_has_the_figures_of_every_budget():
    """What is promised is shown to be kept, or not, for every Python that was measured."""
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert set(BUDGETS) == {what for what in BUDGETS if f"\n| {what} | " in page}


def test_saved_figures_are_put_into_their_places():
    """A second time as well, and nothing else on the page is touched."""
    row = asdict(Row("sampled call, two arguments", "by hand", 20_000, 3_000, 0.15, 0.01))
    groups = {"budgets": [row]}
    runs = [{"python": python, "groups": groups} for python in ("3.10", "3.13")]
    page = "before\n<!-- figures: budgets -->\n<!-- end -->\nafter\n"
    filled = bench.page.filled(bench.page.filled(page, runs), runs)
    figures = (
        "| what | budget | 3.10 | 3.13 | compared with |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| sampled call, two arguments | 0.20× | 0.150× ± 0.010 ✓ | 0.150× ± 0.010 ✓ "
        "| by hand: 20.00 µs, 20.00 µs |"
    )
    assert page.replace(" -->\n<", f" -->\n\n{figures}\n\n<") == filled


def test_a_turn_whose_spans_did_not_arrive_is_refused():
    """A variant that records less than it should is not measured."""
    with sdk() as pipeline:
        call = by_hand.function(pipeline.tracer)
        variant = Variant(lambda calls: [call(1, "two") for _ in range(calls - 1)])
        lossy = Variant(variant.run, pipeline.settle(1))
        with pytest.raises(NotRecordedError, match=r"\[4\] spans were exported, and not \[5\]"):
            measure({"lossy": lossy}, Size(5, 1))


def test_two_sides_that_record_different_attributes_are_refused():
    """A baseline that leaves something out is none."""
    with sdk() as full, sdk() as spare:
        by_hand.function(full.tracer)(1, "two")
        spare.tracer.start_span("work", attributes={"a": 1, "b": "two"}).end()
        for pipeline in (full, spare):
            pipeline.settle(1)(1)
        with pytest.raises(NotRecordedError, match=r"thread\.id"):
            check_same_attributes(full, spare)


def test_a_variant_that_times_itself_is_believed():
    """What it gives is divided by the calls, and the clock is not asked."""
    turns = measure({"own": Variant(lambda calls: 30 * calls)}, Size(5, 2), clock=lambda: 0)
    assert {"own": [30.0, 30.0]} == turns.taken


def test_figures_compare_turns_of_the_same_round():
    """A machine that is slow for a round is slow for both."""
    turns = Turns({"bare": [1.0, 10.0, 1.0], "ours": [2.0, 20.0, 2.0]})
    assert (2.0, 0.0) == (turns.ratio("ours", "bare").middle, turns.ratio("ours", "bare").spread)
    assert 1.0 == turns.over("ours", "bare").middle


def test_of_several_passes_the_middle_figure_stays():
    """One pass on a busy machine does not decide."""
    rows = [Row("call", "bare", 1.0, figure, figure, 0.0) for figure in (3.0, 1.0, 2.0)]
    assert [rows[2]] == middle_of([[row] for row in rows])


@pytest.mark.parametrize(("figure", "verdict"), [(0.19, "0.20×  yes"), (0.21, "0.20×  NO")])
def test_a_row_says_whether_its_budget_is_met(figure, verdict):
    """The budget stands beside the figure."""
    row = Row("sampled call, two arguments", "by hand", 1.0, figure, figure, 0.0)
    assert tables.line(row).endswith(verdict)
    assert (verdict.endswith("NO")) == bool(tables.unmet([row]))


def test_rows_are_printed_in_units_that_read_well():
    """Nanoseconds and bytes grow into larger units."""
    values = [tables.quantity(value, "ns") for value in (44, 4_400, 4_400_000)]
    assert ["44 ns", "4.40 µs", "4.40 ms"] == values
    assert "3.00 kB" == tables.quantity(3_000, "B")


def test_rows_know_what_they_compare():
    """A ratio to a baseline, or nanoseconds over it."""
    turns = Turns({"bare call": [10.0], "tracekit": [40.0]})
    assert 30.0 == over_row("call", turns).figure
    assert 4.0 == ratio_row("call", turns, to="bare call").figure


def test_parts_are_found_by_group_and_by_name():
    """No name means all, and an unknown one is refused."""
    assert [*PARTS["growth"], "memory:queued"] == find(["growth", "memory:queued"])
    assert sum(map(len, PARTS.values())) == len(find([]))
    with pytest.raises(ValueError, match="grwth is none of budgets"):
        find(["grwth"])


def test_a_pipeline_forgets_what_it_has_settled():
    """The next turn counts from nothing."""
    with sdk() as pipeline:
        by_hand.function(pipeline.tracer)(1, "two")
        pipeline.settle(1)(1)
        pipeline.settle(1)(0)
