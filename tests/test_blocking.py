"""`run_blocking`: a blocking call, awaited, in the context of now."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import multiprocessing.pool
import subprocess
import sys
import threading

import pytest

from tests.boundaries import OwnExecutor
from tests.tasks import observe, submitter
from tracekit import ConfigurationError, InstrumentationError, executors, instrument, run_blocking

TIMEOUT = 30
value: contextvars.ContextVar[object] = contextvars.ContextVar("value", default=None)

EXECUTORS = {
    "thread pool": lambda: concurrent.futures.ThreadPoolExecutor(1),
    "our thread pool": lambda: executors.ThreadPoolExecutor(1),
    "process pool": lambda: concurrent.futures.ProcessPoolExecutor(1),
    "our process pool": lambda: executors.ProcessPoolExecutor(1),
    "wrapped pool": lambda: executors.wrap(concurrent.futures.ThreadPoolExecutor(1)),
    "own": OwnExecutor,
    "ThreadPool": lambda: multiprocessing.pool.ThreadPool(1),
    "Pool": lambda: multiprocessing.pool.Pool(1),
    "wrapped Pool": lambda: executors.wrap(multiprocessing.pool.Pool(1)),
}


def run_on_trio(call):
    """Run on trio, where it is installed."""
    return pytest.importorskip("trio").run(call)


def run_on_asyncio(call):
    return asyncio.run(call())


loops = pytest.mark.parametrize("run", [run_on_asyncio, run_on_trio], ids=["asyncio", "trio"])


@loops
def test_the_call_is_part_of_the_trace(spans, run):
    """Its span hangs below that of the awaiting function, and it runs on another thread."""

    @instrument("query")
    def query(a, *, b):
        return a, b, threading.current_thread() is threading.main_thread()

    @instrument("handle")
    async def handle():
        return await run_blocking(query, 1, b=2)

    assert (1, 2, False) == run(handle)
    assert spans == [("handle", ["query"])] or spans["query"] in spans["handle"].children


@loops
@pytest.mark.parametrize("make", EXECUTORS.values(), ids=EXECUTORS)
def test_a_given_executor(spans, run, make):
    """Of any kind, the call is made there, in the context of now, or fails there."""
    with make() as pool:
        with submitter() as expected:
            call = functools.partial(run_blocking, observe, executor=pool)
            assert expected == run(call)
        with pytest.raises(ValueError, match="invalid literal"):
            run(functools.partial(run_blocking, int, "x", executor=pool))
        if hasattr(pool, "close"):
            pool.close()
            pool.join()


@loops
@pytest.mark.parametrize("nothing", [7, "pool", print, concurrent.futures.ThreadPoolExecutor])
def test_an_executor_that_is_none_is_refused(run, nothing):
    """With what would be one."""
    with pytest.raises(InstrumentationError, match=r"executor=.* is not valid: use an executor"):
        run(functools.partial(run_blocking, len, (), executor=nothing))


@loops
def test_what_the_call_sets_stays_there(run):
    """It has a copy of the context."""

    async def main():
        value.set("mine")
        await run_blocking(value.set, "theirs")
        return await run_blocking(value.get), value.get()

    assert ("mine", "mine") == run(main)


class CallSiteRegistry:
    """A call that tells when it begins, and goes on when it is told."""

    def __init__(self) -> None:
        self.begun, self.after_fork_in_parent, self.ended = (threading.Event() for _ in range(3))

    def __call__(self) -> None:
        self.begun.set()
        assert self.after_fork_in_parent.wait(TIMEOUT)
        self.ended.set()


def test_cancelled_on_asyncio_the_task_goes_on_at_once():
    """A call that has begun runs to its end, unheard, as with `asyncio.to_thread`."""
    registry = CallSiteRegistry()

    async def main():
        task = asyncio.create_task(run_blocking(registry))
        await asyncio.to_thread(registry.begun.wait, TIMEOUT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ended = registry.ended.is_set()
        registry.after_fork_in_parent.set()
        return ended

    assert False is asyncio.run(main())
    assert registry.ended.wait(TIMEOUT)


@pytest.mark.parametrize("given", [False, True], ids=["no executor", "executor"])
def test_cancelled_on_trio_the_task_goes_on_at_once(given):
    """As on asyncio."""
    trio = pytest.importorskip("trio")
    registry = CallSiteRegistry()

    async def main(pool):
        options = {"executor": pool} if given else {}
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(functools.partial(run_blocking, registry, **options))
                await trio.to_thread.run_sync(registry.begun.wait, TIMEOUT)
                scope.cancel()
        ended = registry.ended.is_set()
        registry.after_fork_in_parent.set()
        return ended

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert False is trio.run(main, pool)
    assert registry.ended.wait(TIMEOUT)


def test_a_call_that_waits_for_a_worker_is_taken_back():
    """Cancelled before a worker has come to it, it is never made."""
    registry, called = CallSiteRegistry(), []

    async def main(pool):
        first = asyncio.create_task(run_blocking(registry, executor=pool))
        second = asyncio.create_task(run_blocking(called.append, 1, executor=pool))
        await asyncio.to_thread(registry.begun.wait, TIMEOUT)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        registry.after_fork_in_parent.set()
        await first

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asyncio.run(main(pool))
    assert [] == called


def test_without_anyio_trio_users_are_told(monkeypatch):
    """With the command that installs it."""
    trio = pytest.importorskip("trio")
    monkeypatch.setitem(sys.modules, "anyio", None)
    with pytest.raises(ConfigurationError, match="pip install 'anyio"):
        trio.run(run_blocking, len, ())


def test_it_loads_neither_anyio_nor_trio():
    """On asyncio it needs nothing besides."""
    script = (
        "import asyncio, sys, tracekit\n"
        "asyncio.run(tracekit.run_blocking(len, ()))\n"
        "print([name for name in ('anyio', 'trio', 'sniffio') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    assert "[]" == done.stdout.strip()


def test_without_an_event_loop_it_fails_as_to_thread_does():
    """With asyncio's own error."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        run_blocking(len, ()).send(None)
