"""Memory stays as it is, however long the program runs.

Each kind of work is done in a process of its own, and what the process holds is counted before and
after. Python's own count of its memory blocks is exact to a few dozen whatever the number of spans,
so that a single small object left behind by each would be seen many times over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="this system does not say how much memory is used"
)

ROOT = Path(__file__).parents[1]
# Of all three ways to make them together; `make leaks` makes a million.
SPANS = int(os.environ.get("TRACEKIT_LEAK_SPANS", "100000"))

# What may be left, however much was done. Releases of the SDK from 1.40 on keep eleven blocks for
# every provider that there ever was; a class costs Python a few, up to about a thousand in all.
ALLOWED = {
    "blocks": 2_000,
    "objects": 2_000,
    "resident": 8 << 20,
    "call sites": 0,
    "watched by forks": 0,
    "tracers": 0,
}


def grown(**works: int) -> dict[str, dict[str, int]]:
    """What left more behind than is allowed, and how much of what."""
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
    """Hundreds of thousands of spans leave nothing, whichever way they are made."""
    each = SPANS // 4
    works = {"instrumented": each, "blocks": each, "current_spans": each, "children": each}
    assert {} == grown(**works)


def test_contexts():
    """A hundred thousand contexts that were kept, sent, entered and left leave nothing."""
    works = {"preserved": 20_000, "submitted": 20_000, "blocking": 10_000, "threads": 1_000}
    works |= {"remote_parents": 20_000, "attached": 30_000}
    assert {} == grown(**works)


def test_what_is_left_half_way():
    """Generators that nobody exhausts, spans that nobody ends, and exceptions leave nothing."""
    names = "abandoned_generators abandoned_async_generators unended_spans failures"
    names += " coroutines generators managers"
    works = dict.fromkeys(names.split(), 5_000)
    assert {} == grown(**works)


def test_registries():
    """What tracekit keeps a list of goes off the list: call sites, types, tracers, set-ups."""
    works = {"closures": 2_000, "classes": 4_000, "tracers": 10_000, "set_ups": 100, "filters": 400}
    assert {} == grown(**works)


def test_a_leak_is_found():
    """One small object a span is too much, and so is memory that adds up."""
    found = grown(leaking=5_000, leaking_much=20_000)
    assert [("leaking", "blocks"), ("leaking_much", "resident")] == [
        (work, name)
        for work, name in (("leaking", "blocks"), ("leaking_much", "resident"))
        if name in found[work]
    ]
