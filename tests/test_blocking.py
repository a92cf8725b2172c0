"""`run_blocking`: a blocking call that is awaited, in the current context."""

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
    """Run on trio, or skip the test if trio is not installed."""
    return pytest.importorskip("trio").run(call)


def run_on_asyncio(call):
    return asyncio.run(call())


loops = pytest.mark.parametrize("run", [run_on_asyncio, run_on_trio], ids=["asyncio", "trio"])


@loops
def test_the_call_is_part_of_the_trace(spans, run):
    """Its span is a child of the awaiting function's span, and it runs on another thread."""

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
def test_a_call_runs_on_the_given_executor(spans, run, make):
    """In the current context. Its exception is raised."""
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
def test_an_object_that_is_not_an_executor_is_refused(run, nothing):
    """The error names the accepted types."""
    with pytest.raises(InstrumentationError, match=r"executor=.* is not valid: use an executor"):
        run(functools.partial(run_blocking, len, (), executor=nothing))


@loops
def test_a_call_has_a_copy_of_the_context(run):
    """Its changes are not visible outside."""

    async def main():
        value.set("mine")
        await run_blocking(value.set, "theirs")
        return await run_blocking(value.get), value.get()

    assert ("mine", "mine") == run(main)


class BlockedCall:
    """A call that sets `begun`, and ends once `may_end` is set."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.ended = (threading.Event() for _ in range(3))

    def __call__(self) -> None:
        self.begun.set()
        assert self.may_end.wait(TIMEOUT)
        self.ended.set()


def test_a_cancelled_task_continues_at_once_on_asyncio():
    """The call runs to its end, as with `asyncio.to_thread`."""
    blocked = BlockedCall()

    async def main():
        task = asyncio.create_task(run_blocking(blocked))
        await asyncio.to_thread(blocked.begun.wait, TIMEOUT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ended = blocked.ended.is_set()
        blocked.may_end.set()
        return ended

    assert False is asyncio.run(main())
    assert blocked.ended.wait(TIMEOUT)


@pytest.mark.parametrize("given", [False, True], ids=["no executor", "executor"])
def test_a_cancelled_task_continues_at_once_on_trio(given):
    """The call runs to its end."""
    trio = pytest.importorskip("trio")
    blocked = BlockedCall()

    async def main(pool):
        options = {"executor": pool} if given else {}
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(functools.partial(run_blocking, blocked, **options))
                await trio.to_thread.run_sync(blocked.begun.wait, TIMEOUT)
                scope.cancel()
        ended = blocked.ended.is_set()
        blocked.may_end.set()
        return ended

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert False is trio.run(main, pool)
    assert blocked.ended.wait(TIMEOUT)


def test_a_call_that_waits_for_a_worker_is_cancelled():
    """It is never made."""
    blocked, called = BlockedCall(), []

    async def main(pool):
        first = asyncio.create_task(run_blocking(blocked, executor=pool))
        second = asyncio.create_task(run_blocking(called.append, 1, executor=pool))
        await asyncio.to_thread(blocked.begun.wait, TIMEOUT)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        blocked.may_end.set()
        await first

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asyncio.run(main(pool))
    assert [] == called


def test_trio_without_anyio_raises_an_error(monkeypatch):
    """The error has the command that installs anyio."""
    trio = pytest.importorskip("trio")
    monkeypatch.setitem(sys.modules, "anyio", None)
    with pytest.raises(ConfigurationError, match="pip install 'anyio"):
        trio.run(run_blocking, len, ())


def test_asyncio_needs_neither_anyio_nor_trio():
    """Neither is imported."""
    script = (
        "import asyncio, sys, tracekit\n"
        "asyncio.run(tracekit.run_blocking(len, ()))\n"
        "print([name for name in ('anyio', 'trio', 'sniffio') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    assert "[]" == done.stdout.strip()


def test_a_call_without_an_event_loop_fails_like_to_thread():
    """With asyncio's own error."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        run_blocking(len, ()).send(None)
