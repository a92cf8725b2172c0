"""An exception that strikes between any two steps of a recorded call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context

import tracekit
from tracekit import event, instrument, span

SOURCE = str(Path(tracekit.__file__).parent)

pytestmark = pytest.mark.usefixtures("global_telemetry", "untraced")


class Struck(BaseException):
    """What a signal handler raises."""


@instrument
def inner(a):
    event("half way", {"left": a})
    return a


@instrument(ret=True)
def outer(a, b=2):
    with span("block", n=a):
        return inner(a) + b


def strike(line: int) -> bool:
    """Raise at one line of tracekit that a recorded call runs; return False if it has fewer."""
    left = line

    def trace(frame: Any, what: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith((SOURCE, "<tracekit")):
            return None
        if what == "line":
            if left == 0:
                raise Struck
            left -= 1
        return trace

    sys.settrace(trace)
    try:
        outer(1)
    except Struck:
        return True
    finally:
        sys.settrace(None)
    return False


def test_the_accounts_are_exact_after_an_exception_at_any_line():
    """Each ended span is counted once, nothing waits for ever, and the next calls are recorded."""
    struck, line = True, 0
    while struck:
        with tracekit.init_telemetry("t", exporter="memory") as telemetry:
            before = context.get_current()
            struck = strike(line)
            context.attach(before)
            telemetry.flush(10)
            settled = telemetry.stats
            outer(2)
            assert telemetry.flush(10), line
            (counts,) = telemetry.stats.exporters.values()
            (earlier,) = settled.exporters.values()
            assert 0 == counts.waiting, line
            assert 3 == counts.exported - earlier.exported, line
            assert earlier.failed == counts.failed, line
            assert counts.exported + counts.failed <= telemetry.stats.started, line
        line += 3
    assert line > 100
