"""What a call handed to a pool takes: the bare pool, a copied context, and tracekit.

Submitting is measured while the pool's one worker is held, in CPU time of the thread that submits;
draining from the worker's release to the end of the last call, in that of the process.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.interleaved import Size, Variant, measure
from bench.pipelines import ours
from bench.results import Row, ratio_row
from tracekit import executors, span

Pool = concurrent.futures.ThreadPoolExecutor
Submit = Callable[[Pool], Callable[[int], object]]
BARE, COPIED = "bare pool", "copy_context().run"
OURS, WRAPPED = "tracekit's pool", "tracekit's wrap(pool)"
CONTRIB = "OpenTelemetry's instrumentation"


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
    after_fork_in_parent, begun = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        after_fork_in_parent.wait()

    with make() as pool:
        pool.submit(hold)
        begun.wait()
        try:
            yield pool, after_fork_in_parent
        finally:
            after_fork_in_parent.set()


class Timed:
    """A turn that times itself, because only a part of it counts."""

    def __init__(self, make: Callable[[], Pool], submit: Submit, *, draining: bool) -> None:
        self._make = make
        self._submit = submit
        self._draining = draining

    def __call__(self, calls: int) -> int:
        with held(self._make) as (pool, after_fork_in_parent):
            submit = self._submit(pool)
            begun = time.thread_time_ns()
            for number in range(calls):
                submit(number)
            submitted = time.thread_time_ns() - begun
            begun = time.process_time_ns()
            after_fork_in_parent.set()
            pool.shutdown()
            drained = time.process_time_ns() - begun
        return drained if self._draining else submitted


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


def variants(*, draining: bool) -> dict[str, Variant]:
    makers: dict[str, tuple[Callable[[], Pool], Submit]] = {
        BARE: (lambda: Pool(1), plain),
        COPIED: (lambda: Pool(1), copied),
        OURS: (lambda: executors.ThreadPoolExecutor(1), plain),
        WRAPPED: (lambda: executors.wrap(Pool(1)), plain),
    }
    rows = {name: Variant(Timed(*made, draining=draining)) for name, made in makers.items()}
    patched = Timed(lambda: Pool(1), plain, draining=draining)

    def with_instrumentation(count: int) -> int:
        with instrumented():
            return patched(count)

    with instrumented() as there:
        return {**rows, CONTRIB: Variant(with_instrumentation)} if there else rows


def submit_and_drain(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Each way to keep the context, against the bare pool."""
    with ours(), span("submitter"):
        for draining, what in ((False, "pool, submit"), (True, "pool, drain")):
            turns = measure(variants(draining=draining), size(2_000, 61))
            for name in list(turns.taken)[1:]:
                # The budget is of the pool that stands in for the standard library's.
                label = what if name == OURS else f"{what}: {name}"
                yield ratio_row(label, turns, name, to=BARE)
