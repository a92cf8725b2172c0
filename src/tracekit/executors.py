"""The pools and threads of the standard library, which preserve the submitter's context.

They behave like the standard ones. Each task runs in a copy of the context in which it was
submitted, in whatever thread or process, and the worker's own context is unchanged afterwards.
"""

from __future__ import annotations

import concurrent.futures as _futures
import threading as _threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context as _ContextVariables
from contextvars import copy_context as _copy_context
from functools import partial as _partial
from multiprocessing.context import BaseContext
from typing import Any, ParamSpec, TypeVar

from opentelemetry.context import Context as _Context

from tracekit._context.snapshots import BoundToContext as _BoundToContext
from tracekit._context.snapshots import PreservesContext as _PreservesContext
from tracekit._context.snapshots import bind_context as _bind_context
from tracekit._context.worker_hooks import pool_initializer as _pool_initializer
from tracekit._recording.current_context import attach as _attach
from tracekit._recording.current_context import detach as _detach

__all__ = ["ProcessPoolExecutor", "Thread", "ThreadPoolExecutor", "Timer", "wrap"]

# A function of the class that takes the context as an argument saves a bound method per task.
_run = _ContextVariables.run

E = TypeVar("E")
P = ParamSpec("P")
T = TypeVar("T")


class ThreadPoolExecutor(_futures.ThreadPoolExecutor, _PreservesContext):
    """`concurrent.futures.ThreadPoolExecutor`, which preserves the submitter's context.

    A task sees all context variables as they were when it was submitted, and the current span
    itself. Tasks of `map` are submitted when `map` is called.

    Example:
        ```python
        from tracekit import instrument, span
        from tracekit.executors import ThreadPoolExecutor

        @instrument
        def resize(image):
            return image

        with ThreadPoolExecutor() as pool, span("upload"):
            list(pool.map(resize, ["cat.png", "dog.png"]))
        ```
    """

    # The `submit` that super() finds, looked up once per class, because a lookup per task costs a
    # noticeable part of it.
    _submit_next: Callable[..., _futures.Future[Any]] = _futures.ThreadPoolExecutor.submit

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._submit_next = super().submit

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> _futures.Future[T]:
        """Submit a task, like `concurrent.futures.Executor.submit`."""
        if not kwargs:
            # Unpacking a tuple and a mapping takes longer than copying the context.
            few: tuple[Any, ...] = args
            match few:
                case ():
                    return self._submit_next(_run, _copy_context(), fn)
                case (one,):
                    return self._submit_next(_run, _copy_context(), fn, one)
                case (one, two):
                    return self._submit_next(_run, _copy_context(), fn, one, two)
        return self._submit_next(_run, _copy_context(), fn, *args, **kwargs)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **newer: Any,
    ) -> Iterator[T]:
        """Call a function on every item, like `concurrent.futures.Executor.map`."""
        # Bound now: an iterable may be a generator whose own spans are current between items.
        return super().map(
            _bind_context(fn), *iterables, timeout=timeout, chunksize=chunksize, **newer
        )


class ProcessPoolExecutor(_futures.ProcessPoolExecutor, _PreservesContext):
    """`concurrent.futures.ProcessPoolExecutor`, which preserves the submitter's trace.

    A task has the trace and the baggage that were current when it was submitted. Tasks of `map` are
    submitted when `map` is called. The workers are set up like this process, under every start
    method, and deliver their spans when they exit.

    Args:
        max_workers: The largest number of worker processes.
        mp_context: The `multiprocessing` context that starts the processes.
        initializer: A function that each worker calls once it is set up.
        initargs: The arguments of the initializer.
        **options: `max_tasks_per_child`, from Python 3.11 on.

    Example:
        ```python
        from tracekit import span
        from tracekit.executors import ProcessPoolExecutor

        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as pool, span("count"):
                list(pool.map(len, ["cat.png", "dog.png"]))
        ```
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **options: Any,
    ) -> None:
        if initializer is None or callable(initializer):
            initializer, initargs = _pool_initializer(initializer, initargs)
        super().__init__(max_workers, mp_context, initializer, initargs, **options)

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> _futures.Future[T]:
        """Submit a task, like `concurrent.futures.Executor.submit`."""
        bound: Any = fn if _is_bound(fn) else _bind_context(fn, sends_initializer=False)
        # A worker that is forked here keeps the context that is current now as its own.
        token = _attach(_Context())
        try:
            return super().submit(bound, *args, **kwargs)
        finally:
            _detach(token)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **newer: Any,
    ) -> Iterator[T]:
        """Call a function on every item, like `concurrent.futures.Executor.map`."""
        bound = _bind_context(fn, sends_initializer=False)
        return super().map(bound, *iterables, timeout=timeout, chunksize=chunksize, **newer)


def _is_bound(fn: object) -> bool:
    # The standard `map` submits a partial that has the function as its argument.
    chunk = type(fn) is _partial and fn.args and fn.args[0]
    return type(fn) is _BoundToContext or type(chunk) is _BoundToContext


class Thread(_threading.Thread):
    """`threading.Thread`, which runs in the context in which it is started.

    This includes a subclass that overrides `run`.

    Example:
        ```python
        from tracekit import record, span
        from tracekit.executors import Thread

        with span("upload"):
            thread = Thread(target=record, kwargs={"tiles": 4})
            thread.start()
            thread.join()
        ```
    """

    def start(self) -> None:
        """Start the thread in the current context."""
        if self.ident is None:
            run = vars(self).get("run")
            self.run = _partial(_run_once, self, run, _copy_context())  # type: ignore[method-assign]  # the only way to reach the `run` of a subclass
            try:
                super().start()
            except BaseException:
                _restore_run(self, run)
                raise
        else:
            super().start()


class Timer(Thread, _threading.Timer):
    """`threading.Timer`, which runs in the context in which it is started.

    Example:
        ```python
        from tracekit import record, span
        from tracekit.executors import Timer

        with span("upload"):
            timer = Timer(0.01, record, kwargs={"tiles": 4})
            timer.start()
            timer.join()
        ```
    """


def _run_once(thread: _threading.Thread, run: Any, context: _ContextVariables) -> None:
    _restore_run(thread, run)
    context.run(thread.run)


def _restore_run(thread: _threading.Thread, run: Any) -> None:
    if run is None:
        vars(thread).pop("run", None)
    else:
        thread.run = run  # type: ignore[method-assign]  # the program had assigned it


def wrap(executor: E) -> E:
    """Return a proxy of an executor or a pool that preserves the submitter's context.

    Each task runs in the context in which it was submitted, and so does each callback of a pool of
    `multiprocessing`. Tasks of `map` and its variants are submitted when the method is called.
    Tasks that reach another process have the trace and the baggage.

    Args:
        executor: An executor of `concurrent.futures`, of loky, Dask (`client.get_executor()`) or of
            your own, that is, a `concurrent.futures.Executor`; or a pool of `multiprocessing`, of
            processes (`Pool`) or threads (`ThreadPool`).

    Returns:
        A proxy that is an instance of the executor's class and behaves like it in everything else.
        An executor that preserves the context itself is returned unchanged.

    Raises:
        InstrumentationError: `executor` is none of these.

    Example:
        ```python
        from multiprocessing.pool import ThreadPool

        from tracekit import span
        from tracekit.executors import wrap

        with wrap(ThreadPool(2)) as pool, span("upload"):
            pool.map(len, ["cat.png", "dog.png"])
        ```
    """
    if issubclass(type(executor), _PreservesContext):
        return executor
    # Imported with the first pool that is wrapped, because the classes above need no wrapt.
    from tracekit._context.wrapped_pools import wrap_pool

    return wrap_pool(executor)
