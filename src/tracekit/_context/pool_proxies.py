"""Proxies of executors and pools: still themselves to everyone who looks, with context kept."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import Context as ContextVariables
from contextvars import copy_context
from multiprocessing.pool import Pool
from typing import TYPE_CHECKING, Any, Final

import wrapt
from opentelemetry.context import Context

from tracekit._context.pools import ContextKeeper, wrap
from tracekit._context.snapshots import bind_context
from tracekit._recording.current_context import attach, detach

if TYPE_CHECKING:
    _ObjectProxy = wrapt.ObjectProxy[Any]
else:
    # Older releases of wrapt have no types, and no class that could be subscripted.
    _ObjectProxy = wrapt.ObjectProxy


_run: Final = ContextVariables.run


class _WrappedPool(_ObjectProxy, ContextKeeper):  # type: ignore[misc,unused-ignore]  # a proxy has any base
    """What all wrapped pools have in common: they stay wrapped."""

    def __enter__(self) -> Any:
        entered = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered

    def __reduce__(self) -> tuple[Any, ...]:
        return wrap, (self.__wrapped__,)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.__reduce__()

    def __copy__(self) -> Any:
        return wrap(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return wrap(copy.deepcopy(self.__wrapped__, memo))


class WrappedExecutor(_WrappedPool):
    """An executor of the kind of `concurrent.futures` that keeps the submitter's context."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__.submit(bind_context(fn), *args, **kwargs)

    def map(self, fn: Any, *iterables: Any, **options: Any) -> Any:
        return self.__wrapped__.map(bind_context(fn), *iterables, **options)


class WrappedThreads(WrappedExecutor):
    """A `ThreadPoolExecutor` that keeps the submitter's context; nothing has to be pickled."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            return self.__wrapped__.submit(
                ContextVariables.run, copy_context(), fn, *args, **kwargs
            )
        return self.__wrapped__.submit(ContextVariables.run, copy_context(), fn, *args)


class WrappedProcesses(WrappedExecutor):
    """A `ProcessPoolExecutor` that keeps the submitter's context."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        carried = bind_context(fn)
        # A worker that is forked here begins with what is current here, and for good.
        token = attach(Context())
        try:
            return self.__wrapped__.submit(carried, *args, **kwargs)
        finally:
            detach(token)


def _carrying(original: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a pool whose function runs, and whose callbacks are called, in the context."""

    @functools.wraps(original)
    def method(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        bound = getattr(self.__wrapped__, original.__name__)
        # After the function stand two more, and then the callbacks.
        args = (*args[:2], *map(_callback, args[2:])) if takes_callbacks else args
        for name in _CALLBACKS & kwargs.keys():
            kwargs[name] = _callback(kwargs[name])
        return bound(bind_context(func), *args, **kwargs)

    takes_callbacks = original.__name__.endswith("_async")
    return method


_CALLBACKS = {"callback", "error_callback"}


def _callback(callback: Any) -> Any:
    return bind_context(callback) if callable(callback) else callback


class WrappedMultiprocessingPool(_WrappedPool):
    """A pool of `multiprocessing`, of processes or of threads, that keeps the context."""

    apply = _carrying(Pool.apply)
    apply_async = _carrying(Pool.apply_async)
    map = _carrying(Pool.map)
    map_async = _carrying(Pool.map_async)
    imap = _carrying(Pool.imap)
    imap_unordered = _carrying(Pool.imap_unordered)
    starmap = _carrying(Pool.starmap)
    starmap_async = _carrying(Pool.starmap_async)


def proxy_of(executor: Any) -> _WrappedPool | None:
    """Stand a proxy in for an executor or a pool.

    Returns:
        The proxy; None for what is neither.
    """
    if isinstance(executor, ThreadPoolExecutor):
        return WrappedThreads(executor)
    if isinstance(executor, ProcessPoolExecutor):
        return WrappedProcesses(executor)
    if isinstance(executor, Executor):
        return WrappedExecutor(executor)
    return WrappedMultiprocessingPool(executor) if isinstance(executor, Pool) else None
