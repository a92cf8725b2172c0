"""The types that a type checker sees for calls that run elsewhere: those of the functions."""

from __future__ import annotations

import concurrent.futures
import multiprocessing.pool
from collections.abc import Callable, Iterator

from opentelemetry.context import Context
from typing_extensions import assert_type

from tracekit import preserve_context, propagation, run_blocking
from tracekit.executors import ProcessPoolExecutor, Thread, ThreadPoolExecutor, Timer, wrap


def plain(a: int, *, b: str = "x") -> float:
    return a + len(b)


async def coroutine(a: int) -> str:
    return str(a)


async def preserved() -> None:
    keyword: Callable[[int], float] = preserve_context(plain)
    assert_type(preserve_context(plain)(1, b="y"), float)
    assert_type(await preserve_context(coroutine)(1), str)
    keyword(1)
    preserve_context(plain)("1")  # type: ignore[arg-type]  # the signature is checked  # pyright: ignore[reportArgumentType]


async def blocking(pool: ThreadPoolExecutor) -> None:
    assert_type(await run_blocking(plain, 1, b="y"), float)
    assert_type(await run_blocking(plain, 1, executor=pool), float)


def pools(threads: ThreadPoolExecutor, processes: ProcessPoolExecutor) -> None:
    assert_type(threads.submit(plain, 1, b="y"), concurrent.futures.Future[float])
    assert_type(processes.submit(plain, 1), concurrent.futures.Future[float])
    assert_type(threads.map(plain, [1], timeout=1.0), Iterator[float])
    assert_type(processes.map(plain, [1], chunksize=2), Iterator[float])
    assert_type(wrap(threads), ThreadPoolExecutor)


def others(pool: multiprocessing.pool.ThreadPool) -> None:
    assert_type(wrap(pool), multiprocessing.pool.ThreadPool)
    Thread(target=plain, args=(1,)).start()
    Timer(1.0, plain, [1]).start()


def carriers() -> None:
    assert_type(propagation.inject(), dict[str, str])
    assert_type(propagation.extract({}), Context)
    with propagation.remote_parent({}) as context:
        assert_type(context, Context)
    assert_type(propagation.environ(), dict[str, str])
