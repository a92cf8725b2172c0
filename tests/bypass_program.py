"""Calls decorated functions while a filter changes, in the way that the argument names.

Any difference in a result ends the program with an error. The interpreter itself may not crash.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import coverage

import tracekit
from tracekit import instrument

TELEMETRY = tracekit.init_telemetry("bypass", exporter="none", filter="info")


@instrument
def compute(a, b=2, *args, k=1, **options):
    names = sorted(locals())
    return a + b + k, args, options, names


@instrument
def count(n):
    total = 0
    for number in range(n):
        total += number
        yield total


@instrument
async def wait(n):
    return n


@instrument
def show(a):
    b = a
    return sorted(locals()), sorted(vars()), sorted(sys._getframe().f_locals), b


def call_all() -> Any:
    coroutine = wait(3)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        awaited = stop.value
    return compute(1, 2, 3, k=4, z=5), list(count(4)), awaited, show(1)


EXPECTED = call_all()


def check(times: int = 1) -> None:
    for _ in range(times):
        assert call_all() == EXPECTED


def set_enabled(enabled: object) -> None:
    TELEMETRY.set_filter("info" if enabled else "off")


def hot() -> None:
    """The filter changes after calls that the interpreter has specialised."""
    check(20_000)
    for turn in range(40):
        set_enabled(turn % 2)
        check(500)


def threads() -> None:
    """Threads call while the filter changes."""
    is_over = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        while not is_over.is_set():
            try:
                check()
            except BaseException as error:
                failures.append(error)

    sys.setswitchinterval(1e-5)
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for turn in range(1_000):
        set_enabled(turn % 2)
    is_over.set()
    for worker in workers:
        worker.join()
    assert failures == []


def debugger() -> None:
    """A trace function looks at the locals at each line."""

    def look(frame: Any, event: str, argument: object) -> Any:
        dict(frame.f_locals)
        return look

    for turn in range(100):
        set_enabled(turn % 2)
        sys.settrace(look)
        check()
        sys.settrace(None)


def monitoring() -> None:
    """Tools of `sys.monitoring` come and go."""
    tools = sys.monitoring
    tools.use_tool_id(tools.PROFILER_ID, "bypass")
    wanted = tools.events.LINE | tools.events.PY_START | tools.events.PY_RETURN | tools.events.CALL
    for event in (
        tools.events.LINE,
        tools.events.PY_START,
        tools.events.PY_RETURN,
        tools.events.CALL,
    ):
        tools.register_callback(tools.PROFILER_ID, event, lambda *_: None)
    for turn in range(300):
        tools.set_events(tools.PROFILER_ID, wanted if turn % 3 else 0)
        set_enabled(turn % 2)
        check(10)


def measured() -> None:
    """Coverage measures the functions."""
    measurement = coverage.Coverage(data_file=None, config_file=False)
    for turn in range(40):
        set_enabled(turn % 2)
        measurement.start()
        check(10)
        measurement.stop()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
