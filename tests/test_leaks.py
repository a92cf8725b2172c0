"""Memory does not grow while a program runs.

Each kind of work runs in a process of its own, whose memory is measured before and after. Python's
count of its memory blocks varies by a few dozen, whatever the number of spans. So one small object
that each span left behind would be found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="this system does not report memory"
)

ROOT = Path(__file__).parents[1]
# The number of spans, in all ways to make them together. `make leaks` makes a million.
SPANS = int(os.environ.get("TRACEKIT_LEAK_SPANS", "100000"))

# The largest growth that is allowed, whatever the amount of work. From 1.40 on, the SDK keeps
# eleven blocks for every provider. Python keeps a few for a class, up to about a thousand in all.
ALLOWED = {
    "blocks": 2_000,
    "objects": 2_000,
    "resident": 8 << 20,
    "call sites": 0,
    "watched by forks": 0,
    "tracers": 0,
}


def grown(**works: int) -> dict[str, dict[str, int]]:
    """Return the kinds of work after which more was left than is allowed, and how much."""
    arguments = [f"{name}={count}" for name, count in works.items()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.leak_program", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90 + sum(works.values()) / 1_000,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {name: too_much(left) for name, left in json.loads(done.stdout).items()}
    return {name: left for name, left in found.items() if left}


def too_much(left: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in left.items() if count > ALLOWED[name]}


@pytest.mark.timeout(120 + SPANS / 1_000)
def test_spans():
    """Spans leave nothing behind, in every way to make them."""
    each = SPANS // 4
    works = {"instrumented": each, "blocks": each, "current_spans": each, "children": each}
    assert {} == grown(**works)


def test_contexts():
    """Contexts that are preserved, submitted, attached and extracted leave nothing behind."""
    works = {"preserved": 20_000, "submitted": 20_000, "blocking": 10_000, "threads": 1_000}
    works |= {"remote_parents": 20_000, "attached": 30_000}
    assert {} == grown(**works)


def test_unfinished_work():
    """Abandoned generators, spans that do not end, and exceptions leave nothing behind."""
    names = "abandoned_generators abandoned_async_generators unended_spans failures"
    names += " coroutines generators managers"
    works = dict.fromkeys(names.split(), 5_000)
    assert {} == grown(**works)


def test_registries():
    """Call sites, types, tracers and set-ups leave tracekit's registries."""
    works = {"closures": 2_000, "classes": 4_000, "tracers": 10_000, "set_ups": 100, "filters": 400}
    assert {} == grown(**works)


def test_a_leak_is_found():
    """One small object for each span is found, and so is a large object for some."""
    found = grown(leaking=5_000, leaking_much=20_000)
    assert [("leaking", "blocks"), ("leaking_much", "resident")] == [
        (work, name)
        for work, name in (("leaking", "blocks"), ("leaking_much", "resident"))
        if name in found[work]
    ]
