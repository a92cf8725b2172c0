"""Blocking calls from async code, on a thread or on an executor."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar, overload

from tracekit._base.errors import ConfigurationError, InstrumentationError
from tracekit._context.snapshots import bind_context

P = ParamSpec("P")
T = TypeVar("T")


@overload
async def run_blocking(
    func: Callable[..., T], /, *args: Any, executor: Any, **kwargs: Any
) -> T: ...
@overload
async def run_blocking(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...


async def run_blocking(
    func: Callable[..., Any], /, *args: Any, executor: Any = None, **kwargs: Any
) -> Any:
    """Await a blocking call on a thread or an executor, in the current context.

    It runs on asyncio, and on trio if anyio is installed. Without an executor the call runs on a
    thread of the event loop's default pool, or of anyio's.

    A cancelled task continues at once, as with `asyncio.to_thread`. A call that waits for a worker
    is never made. A call that has begun runs to its end, and its result is ignored.

    Args:
        func: The function to call.
        *args: Its arguments.
        executor: Where the call runs: an executor with `submit`, or a pool of `multiprocessing`.
        **kwargs: Its keyword arguments. An argument called `executor` has to be bound with
            `functools.partial`.

    Returns:
        The result of the call.

    Raises:
        InstrumentationError: `executor` is not an executor.
        ConfigurationError: On trio, anyio is not installed.

    Example:
        ```python
        import asyncio
        import time

        import tracekit

        asyncio.run(tracekit.run_blocking(time.sleep, 0.01))
        ```
    """
    if executor is None:
        if _runs_trio():
            return await _run_on_anyio(functools.partial(func, *args, **kwargs))
        call = functools.partial(copy_context().run, func, *args, **kwargs)
        return await _asyncio().get_running_loop().run_in_executor(None, call)
    future = _submit(executor, functools.partial(bind_context(func), *args, **kwargs))
    if _runs_trio():
        return await _wait_on_trio(future)
    return await _asyncio().wrap_future(future)


def _asyncio() -> Any:
    # A program that runs asyncio has imported it. A library that only decorates need not.
    import asyncio

    return asyncio


def _runs_trio() -> bool:
    sniffio = sys.modules.get("sniffio")
    if sniffio is None:
        return False
    try:
        return bool(sniffio.current_async_library() == "trio")
    except sniffio.AsyncLibraryNotFoundError:
        return False


async def _run_on_anyio(call: Callable[[], Any]) -> Any:
    try:
        from anyio import to_thread
    except ModuleNotFoundError:
        raise ConfigurationError(
            "run_blocking on trio needs anyio; run: pip install 'anyio>=4.1'"
        ) from None
    # anyio copies the context for the thread.
    return await to_thread.run_sync(call, abandon_on_cancel=True)


def _submit(executor: Any, call: Callable[[], Any]) -> Future[Any]:
    submit = getattr(executor, "submit", None)
    if submit is None and hasattr(executor, "apply_async"):
        submit = functools.partial(_apply_async, executor)
    if submit is None or isinstance(executor, type):
        raise InstrumentationError(
            f"executor={executor!r} is not valid: use an executor with submit(), such as those of "
            f"concurrent.futures, or a pool of multiprocessing"
        )
    future: Future[Any] = submit(call)
    return future


def _apply_async(pool: Any, call: Callable[[], Any]) -> Future[Any]:
    future: Future[Any] = Future()
    # A pool cannot cancel a task, so the future cannot be cancelled either.
    future.set_running_or_notify_cancel()
    pool.apply_async(call, callback=future.set_result, error_callback=future.set_exception)
    return future


async def _wait_on_trio(future: Future[Any]) -> Any:
    import trio  # pyright: ignore[reportMissingImports]  # only reached on trio

    done, token = trio.Event(), trio.lowlevel.current_trio_token()

    def set_done(_: Future[Any]) -> None:
        # Nothing waits after the end of trio's run.
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(done.set)

    future.add_done_callback(set_done)
    try:
        await done.wait()
    except BaseException:
        future.cancel()
        raise
    return future.result()
