"""The pools and threads of the standard library, with the submitter's context kept.

They do everything that the standard ones do. Each call runs in a copy of the context in which it
was handed over, whatever thread or process makes it, and nothing of it is left there afterwards.
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

from tracekit._context.pools import ContextKeeper as _ContextKeeper
from tracekit._context.pools import wrap
from tracekit._context.snapshots import Preserved as _Preserved
from tracekit._context.snapshots import bind_context as _carry
from tracekit._context.worker_hooks import initializer_for as _initializer_for
from tracekit._recording.current_context import attach as _attach
from tracekit._recording.current_context import detach as _detach

__all__ = ["ProcessPoolExecutor", "Thread", "ThreadPoolExecutor", "Timer", "wrap"]

# Of the class, and the context an argument: as a method of each copy it would be one more object.
_run = _ContextVariables.run

P = ParamSpec("P")
T = TypeVar("T")


class ThreadPoolExecutor(_futures.ThreadPoolExecutor, _ContextKeeper):
    """`concurrent.futures.ThreadPoolExecutor`, with the submitter's context in its threads.

    A call sees all context variables as they were when it was submitted, and the current span
    itself; for `map` that is the moment when `map` was called.

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

    # What super() finds, looked up once for each class: a pool's call is cheap enough to notice.
    _submit_next: Callable[..., _futures.Future[Any]] = _futures.ThreadPoolExecutor.submit

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._submit_next = super().submit

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> _futures.Future[T]:
        """Hand a call over, as `concurrent.futures.Executor.submit`."""
        if not kwargs:
            # To pass on a tuple and a mapping takes longer than to copy the context.
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
        """Call a function on every item, as `concurrent.futures.Executor.map`."""
        # An iterable may be a generator with spans of its own, current while it makes an item.
        return super().map(_carry(fn), *iterables, timeout=timeout, chunksize=chunksize, **newer)


class ProcessPoolExecutor(_futures.ProcessPoolExecutor, _ContextKeeper):
    """`concurrent.futures.ProcessPoolExecutor`, with the submitter's trace in its processes.

    A call has the trace and the baggage that were current when it was submitted; for `map` that is
    the moment when `map` was called. The workers are set up like this process, under every start
    method, and their spans are delivered when they leave.

    Args:
        max_workers: As of the standard class, and so are all others.
        mp_context: How processes are started.
        initializer: What each worker runs first, after it was set up.
        initargs: The arguments of the initializer.
        **options: `max_tasks_per_child`, where Python has it.

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
            initializer, initargs = _initializer_for(initializer, initargs)
        super().__init__(max_workers, mp_context, initializer, initargs, **options)

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> _futures.Future[T]:
        """Hand a call over, as `concurrent.futures.Executor.submit`."""
        carried: Any = fn if _is_carried(fn) else _carry(fn, ships=False)
        # A worker that is forked here begins with what is current here, and for good.
        token = _attach(_Context())
        try:
            return super().submit(carried, *args, **kwargs)
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
        """Call a function on every item, as `concurrent.futures.Executor.map`."""
        carried = _carry(fn, ships=False)
        return super().map(carried, *iterables, timeout=timeout, chunksize=chunksize, **newer)


def _is_carried(fn: object) -> bool:
    # The standard `map` submits its function as the argument of one that takes a chunk.
    chunk = type(fn) is _partial and fn.args and fn.args[0]
    return type(fn) is _Preserved or type(chunk) is _Preserved


class Thread(_threading.Thread):
    """`threading.Thread`, with the context of whoever starts it; also where `run` is overridden.

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
        """Start the thread, in the context of now."""
        if self.ident is None:
            own = vars(self).get("run")
            self.run = _RunOnce(self, own, _copy_context().run)  # type: ignore[method-assign]  # the one way that reaches a `run` of a subclass
            try:
                super().start()
            except BaseException:
                _put_back(self, own)
                raise
        else:
            super().start()


class Timer(Thread, _threading.Timer):
    """`threading.Timer`, with the context of whoever starts it.

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


class _RunOnce:
    """A thread's `run` in a context, which takes its leave of the thread when it is called."""

    def __init__(
        self, thread: _threading.Thread, own: Any, run_in_context: Callable[..., Any]
    ) -> None:
        self._thread = thread
        self._own = own
        self._run_in_context = run_in_context

    def __call__(self) -> None:
        _put_back(self._thread, self._own)
        self._run_in_context(self._thread.run)


def _put_back(thread: _threading.Thread, own: Any) -> None:
    if own is None:
        vars(thread).pop("run", None)
    else:
        thread.run = own  # type: ignore[method-assign]  # as it was before
