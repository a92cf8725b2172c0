"""The matrix *boundary × start method × outcome*, as data.

A boundary is a way to run a call in another context: a thread, a pool, a process. Each one submits
a call and waits for it. Some can cancel a call, or break their pool.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import multiprocessing
import multiprocessing.pool
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tasks import hold, leave_trace, refuse
from tracekit import executors, preserve_context, propagation, run_blocking

OUTCOMES = ("returns", "raises", "cancelled", "pool broken")
START_METHODS = ("fork", "spawn", "forkserver")
TIMEOUT = 60

Call = Callable[..., Any]


@dataclass(frozen=True)
class Boundary:
    """A boundary at which the context has to be preserved.

    Attributes:
        calls: Opens the boundary for a start method, and yields a function that submits a call and
            waits for it.
        start_methods: The start methods of processes; empty for threads.
        cancel: Submits a call that would leave a trace, and cancels it before it starts.
        broken: The bare pool and ours, both with workers that fail to start.
        needs: The package that has to be installed.
    """

    calls: Callable[[str], AbstractContextManager[Call]]
    start_methods: tuple[str, ...] = ()
    cancel: Callable[[str, Path], None] | None = None
    broken: Callable[[str], tuple[Any, Any]] | None = None
    needs: str = ""

    def outcomes(self) -> tuple[str, ...]:
        """Return the possible outcomes of a call."""
        possible = {"cancelled": self.cancel, "pool broken": self.broken}
        return tuple(one for one in OUTCOMES if possible.get(one, True))

    def require(self) -> None:
        """Skip the test if a package is missing."""
        if self.needs:
            pytest.importorskip(self.needs, reason=f"{self.needs} is not installed")


def _executor(make: Callable[..., Any], **options: Any) -> Boundary:
    """Return the boundary of an executor.

    Args:
        make: Creates it, from a start method and its own options.
        **options: Fields of the boundary.
    """

    @contextmanager
    def calls(start: str) -> Iterator[Call]:
        with make(start) as pool:
            yield lambda func, *args: pool.submit(func, *args).result(TIMEOUT)

    return Boundary(calls, cancel=functools.partial(_cancel, make), **options)


def _cancel(make: Callable[..., Any], start: str, fifo: Path) -> None:
    with make(start) as pool:
        held = [pool.submit(hold, fifo)]
        try:
            # Process pools take some calls ahead, and those cannot be cancelled.
            held += [pool.submit(len, ()) for _ in range(8)]
            assert pool.submit(leave_trace, fifo).cancel()
        finally:
            _release(fifo)
        concurrent.futures.wait(held, TIMEOUT)


def _release(fifo: Path) -> None:
    fifo.write_bytes(b".")


def _pool(make: Callable[[str], Any], **options: Any) -> Boundary:
    """Return the boundary of a pool of `multiprocessing`."""

    @contextmanager
    def calls(start: str) -> Iterator[Call]:
        with executors.wrap(make(start)) as pool:
            yield lambda func, *args: pool.apply_async(func, args).get(TIMEOUT)
            pool.close()
            pool.join()

    return Boundary(calls, **options)


def _thread(make: Callable[[Call], threading.Thread], **options: Any) -> Boundary:
    """Return the boundary of a new thread for each call."""

    @contextmanager
    def calls(_: str) -> Iterator[Call]:
        yield functools.partial(_in_thread, make)

    return Boundary(calls, **options)


def _in_thread(make: Callable[[Call], threading.Thread], func: Call, *args: Any) -> Any:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    thread = make(functools.partial(_settle, future, func, *args))
    thread.start()
    thread.join(TIMEOUT)
    return future.result(0)


def _settle(future: concurrent.futures.Future[Any], func: Call, *args: Any) -> None:
    try:
        future.set_result(func(*args))
    except Exception as error:
        future.set_exception(error)


def _blocking(run: Callable[[Call], Any], make: Callable[..., Any] | None, **options: Any) -> Any:
    """Return the boundary of `run_blocking` on an event loop."""

    @contextmanager
    def calls(start: str) -> Iterator[Call]:
        if make is None:
            yield lambda func, *args: run(functools.partial(run_blocking, func, *args))
            return
        with make(start) as pool:
            yield lambda func, *args: run(
                functools.partial(run_blocking, func, *args, executor=pool)
            )

    return Boundary(calls, **options)


def _on_asyncio(call: Call) -> Any:
    return asyncio.run(call())


def _on_trio(call: Call) -> Any:
    import trio

    return trio.run(call)


def _cancel_awaiting(start: str, fifo: Path) -> None:
    async def main() -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            held = pool.submit(hold, fifo)
            task = asyncio.create_task(run_blocking(leave_trace, fifo, executor=pool))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.get_running_loop().run_in_executor(None, _release, fifo)
            held.result(TIMEOUT)

    asyncio.run(main())


def _cancel_timer(_: str, fifo: Path) -> None:
    timer = executors.Timer(TIMEOUT, leave_trace, [fifo])
    timer.start()
    timer.cancel()
    timer.join(TIMEOUT)


class OwnExecutor(concurrent.futures.Executor):
    """A minimal executor of a user: one thread."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def submit(self, fn: Call, /, *args: Any, **kwargs: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._calls.put((future, functools.partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._calls.put(None)
        self._thread.join(TIMEOUT)

    def _work(self) -> None:
        while (work := self._calls.get()) is not None:
            if work[0].set_running_or_notify_cancel():
                _settle(*work)
            del work


def _loky(_: str, **options: Any) -> Any:
    from loky import ProcessPoolExecutor

    return ProcessPoolExecutor(1, **options)


@contextmanager
def _dask(_: str) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    quiet = {"distributed.worker.daemon": False, "distributed.admin.event-loop": "asyncio"}
    with (
        dask.config.set(quiet),
        LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
        executors.wrap(client.get_executor(pure=False)) as pool,
    ):
        yield pool


@contextmanager
def _process(start: str) -> Iterator[Call]:
    """Yield a function that runs each call in a new process."""
    context = multiprocessing.get_context(start)

    def call(func: Call, *args: Any) -> Any:
        ours, theirs = context.Pipe(duplex=False)
        target = preserve_context(_send)
        process = context.Process(target=target, args=(theirs, func, *args))
        process.start()
        theirs.close()
        with ours:
            result, error = ours.recv()
        process.join(TIMEOUT)
        if error is not None:
            raise error
        return result

    yield call


def _send(pipe: Any, func: Call, *args: Any) -> None:
    try:
        pipe.send((func(*args), None))
    except Exception as error:
        pipe.send((None, error))


_SCRIPT = """
import pickle, sys, tracekit
func, args = pickle.load(sys.stdin.buffer)
with tracekit.init_telemetry("child", exporter="none"):
    try:
        answer = func(*args), None
    except Exception as error:
        answer = None, error
pickle.dump(answer, sys.stdout.buffer)
"""


@contextmanager
def _subprocess(_: str) -> Iterator[Call]:
    """Yield a function that runs each call in a new program."""
    import pickle

    def call(func: Call, *args: Any) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            input=pickle.dumps((func, args)),
            env=propagation.environ(
                {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
            ),
            stdout=subprocess.PIPE,
            check=True,
            timeout=TIMEOUT,
        )
        result, error = pickle.loads(done.stdout)
        if error is not None:
            raise error
        return result

    yield call


def _threads(cls: Any) -> Callable[..., Any]:
    return lambda _, **options: cls(1, **options)


def _processes(cls: Any) -> Callable[..., Any]:
    return lambda start, **options: cls(1, multiprocessing.get_context(start), **options)


def _wrapped(make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda start, **options: executors.wrap(make(start, **options))


def _both(bare: Callable[..., Any], ours: Callable[..., Any]) -> Callable[[str], tuple[Any, Any]]:
    return lambda start: (bare(start, initializer=refuse), ours(start, initializer=refuse))


BARE_THREADS = _threads(concurrent.futures.ThreadPoolExecutor)
BARE_PROCESSES = _processes(concurrent.futures.ProcessPoolExecutor)
THREADS = _threads(executors.ThreadPoolExecutor)
PROCESSES = _processes(executors.ProcessPoolExecutor)

BOUNDARIES: dict[str, Boundary] = {
    "`executors.ThreadPoolExecutor`": _executor(THREADS, broken=_both(BARE_THREADS, THREADS)),
    "`executors.ProcessPoolExecutor`": _executor(
        PROCESSES, start_methods=START_METHODS, broken=_both(BARE_PROCESSES, PROCESSES)
    ),
    "`executors.Thread`": _thread(lambda call: executors.Thread(target=call)),
    "`executors.Timer`": _thread(lambda call: executors.Timer(0, call), cancel=_cancel_timer),
    "`wrap`: `ThreadPoolExecutor`": _executor(
        _wrapped(BARE_THREADS), broken=_both(BARE_THREADS, _wrapped(BARE_THREADS))
    ),
    "`wrap`: `ProcessPoolExecutor`": _executor(
        _wrapped(BARE_PROCESSES),
        start_methods=START_METHODS,
        broken=_both(BARE_PROCESSES, _wrapped(BARE_PROCESSES)),
    ),
    "`wrap`: `ThreadPool`": _pool(lambda _: multiprocessing.pool.ThreadPool(1)),
    "`wrap`: `multiprocessing.Pool`": _pool(
        lambda start: multiprocessing.get_context(start).Pool(1), start_methods=START_METHODS
    ),
    "`wrap`: an `Executor` of your own": _executor(_wrapped(lambda _: OwnExecutor())),
    "`wrap`: loky": _executor(
        _wrapped(_loky), start_methods=("loky",), broken=_both(_loky, _wrapped(_loky)), needs="loky"
    ),
    "`wrap`: Dask": Boundary(_executor(_dask).calls, start_methods=("spawn",), needs="distributed"),
    "`preserve_context`: `threading.Thread`": _thread(
        lambda call: threading.Thread(target=preserve_context(call))
    ),
    "`preserve_context`: `multiprocessing.Process`": Boundary(
        _process, start_methods=START_METHODS
    ),
    "`run_blocking` on asyncio": _blocking(_on_asyncio, None, cancel=_cancel_awaiting),
    "`run_blocking` on asyncio, with a process pool": _blocking(
        _on_asyncio, BARE_PROCESSES, start_methods=START_METHODS
    ),
    "`run_blocking` on trio": _blocking(_on_trio, None, needs="trio"),
    "`run_blocking` on trio, with a thread pool": _blocking(_on_trio, BARE_THREADS, needs="trio"),
    "`propagation.environ`: `subprocess`": Boundary(_subprocess, start_methods=("exec",)),
}

CASES = [
    (name, start)
    for name, boundary in BOUNDARIES.items()
    for start in boundary.start_methods or ("thread",)
]


def matrix(outcome: str) -> list[Any]:
    """Return the boundaries and start methods that can have an outcome."""
    return [
        pytest.param(BOUNDARIES[name], start, id=f"{name.replace('`', '')} {start}")
        for name, start in CASES
        if outcome in BOUNDARIES[name].outcomes()
    ]
