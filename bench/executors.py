"""What a call handed to a pool costs: the bare pool, a copied context, and tracekit.

python -m bench.executors

Submitting is timed while the pool's one worker is held, draining from its release to the end of the
last call.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tracekit
from bench.calls import Discard
from bench.interleaved import Variant, measure, report
from tracekit import executors, span

Pool = concurrent.futures.ThreadPoolExecutor
Submit = Callable[[Pool], Callable[[int], object]]


def work(number: int) -> int:
    return number


def plain(pool: Pool) -> Callable[[int], object]:
    submit = pool.submit
    return lambda number: submit(work, number)


def copied(pool: Pool) -> Callable[[int], object]:
    submit = pool.submit
    return lambda number: submit(contextvars.copy_context().run, work, number)


@contextmanager
def held(make: Callable[[], Pool]) -> Iterator[tuple[Pool, threading.Event]]:
    """A pool with one worker that waits for an event."""
    go_on, begun = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait()

    with make() as pool:
        pool.submit(hold)
        begun.wait()
        try:
            yield pool, go_on
        finally:
            go_on.set()


class Timed:
    """A variant that is timed by itself: only a part of a turn counts.

    `measure` times whole turns. What must not count is done around the clock that this one keeps.
    """

    def __init__(self, make: Callable[[], Pool], submit: Submit, *, draining: bool) -> None:
        self._make = make
        self._submit = submit
        self._draining = draining

    def __call__(self, calls: int) -> int:
        with held(self._make) as (pool, go_on):
            submit = self._submit(pool)
            begun = time.perf_counter_ns()
            for number in range(calls):
                submit(number)
            submitted = time.perf_counter_ns()
            go_on.set()
            pool.shutdown()
            drained = time.perf_counter_ns()
        return drained - submitted if self._draining else submitted - begun


@contextmanager
def instrumented() -> Iterator[bool]:
    """OpenTelemetry's threading instrumentation, where it is installed."""
    try:
        from opentelemetry.instrumentation.threading import ThreadingInstrumentor
    except ModuleNotFoundError:
        yield False
        return
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    try:
        yield True
    finally:
        instrumentor.uninstrument()


def bare_pool() -> Pool:
    return Pool(1)


def wrapped_pool() -> Pool:
    return executors.wrap(Pool(1))


def with_instrumentation(variant: Variant) -> Variant:
    """The same turn, with the standard library patched for its time."""

    def calls(count: int) -> Any:
        with instrumented():
            return variant(count)

    return calls


def variants(*, draining: bool) -> dict[str, Variant]:
    rows: dict[str, Variant] = {
        "bare pool": Timed(bare_pool, plain, draining=draining),
        "copy_context().run": Timed(bare_pool, copied, draining=draining),
        "tracekit ThreadPoolExecutor": Timed(
            lambda: executors.ThreadPoolExecutor(1), plain, draining=draining
        ),
        "tracekit wrap(pool)": Timed(wrapped_pool, plain, draining=draining),
    }
    with instrumented() as there:
        if there:
            rows["OpenTelemetry's instrumentation"] = with_instrumentation(
                Timed(bare_pool, plain, draining=draining)
            )
    return rows


def main() -> None:
    with tracekit.init_telemetry("bench", exporter=Discard()), span("submitter"):
        for draining, title in ((False, "Submit"), (True, "Drain")):
            rows = measure(variants(draining=draining), baseline="bare pool", rounds=61)
            report(f"{title}, a call", rows)


if __name__ == "__main__":
    main()
