"""Proxies of executors and pools, which preserve the submitter's context.

A proxy is an instance of the pool's class and behaves like the pool in everything else.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import Context as ContextVariables
from contextvars import copy_context
from multiprocessing.pool import Pool
from typing import TYPE_CHECKING, Any, Final, TypeVar

import wrapt
from opentelemetry.context import Context

from tracekit._base.errors import InstrumentationError
from tracekit._context.snapshots import PreservesContext, bind_context
from tracekit._recording.current_context import attach, detach

if TYPE_CHECKING:
    _ObjectProxy = wrapt.ObjectProxy[Any]
else:
    # Older releases of wrapt have no types, and their class cannot be subscripted.
    _ObjectProxy = wrapt.ObjectProxy


E = TypeVar("E")

_CALLBACKS: Final = {"callback", "error_callback"}


class _WrappedPool(_ObjectProxy, PreservesContext):  # type: ignore[misc,unused-ignore]  # wrapt without types is Any
    """A proxy that stays wrapped in a with-block, when it is copied and when it is pickled."""

    def __enter__(self) -> Any:
        entered = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered

    def __reduce__(self) -> tuple[Any, ...]:
        return wrap_pool, (self.__wrapped__,)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.__reduce__()

    def __copy__(self) -> Any:
        return wrap_pool(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return wrap_pool(copy.deepcopy(self.__wrapped__, memo))


class _WrappedExecutor(_WrappedPool):
    """A `concurrent.futures.Executor` that preserves the submitter's context."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__.submit(bind_context(fn), *args, **kwargs)

    def map(self, fn: Any, *iterables: Any, **options: Any) -> Any:
        return self.__wrapped__.map(bind_context(fn), *iterables, **options)


class _WrappedThreadPool(_WrappedExecutor):
    """A `ThreadPoolExecutor` that preserves the submitter's context, without a picklable object."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            return self.__wrapped__.submit(
                ContextVariables.run, copy_context(), fn, *args, **kwargs
            )
        return self.__wrapped__.submit(ContextVariables.run, copy_context(), fn, *args)


class _WrappedProcessPool(_WrappedExecutor):
    """A `ProcessPoolExecutor` that preserves the submitter's context."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        bound = bind_context(fn)
        # A worker that is forked here keeps the context that is current now as its own.
        token = attach(Context())
        try:
            return self.__wrapped__.submit(bound, *args, **kwargs)
        finally:
            detach(token)


def _with_bound_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a pool that calls its function and its callbacks in the context."""

    @functools.wraps(original)
    def method(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        # The callbacks are the parameters after the function and two more.
        args = (*args[:2], *map(_bind_callback, args[2:])) if has_callbacks else args
        for name in _CALLBACKS & kwargs.keys():
            kwargs[name] = _bind_callback(kwargs[name])
        return getattr(self.__wrapped__, original.__name__)(bind_context(func), *args, **kwargs)

    has_callbacks = original.__name__.endswith("_async")
    return method


def _bind_callback(callback: Any) -> Any:
    return bind_context(callback) if callable(callback) else callback


class _WrappedMultiprocessingPool(_WrappedPool):
    """A pool of `multiprocessing`, of processes or threads, that preserves the context."""

    apply = _with_bound_context(Pool.apply)
    apply_async = _with_bound_context(Pool.apply_async)
    map = _with_bound_context(Pool.map)
    map_async = _with_bound_context(Pool.map_async)
    imap = _with_bound_context(Pool.imap)
    imap_unordered = _with_bound_context(Pool.imap_unordered)
    starmap = _with_bound_context(Pool.starmap)
    starmap_async = _with_bound_context(Pool.starmap_async)


def wrap_pool(executor: E) -> E:
    """Return a proxy of an executor or a pool; see `tracekit.executors.wrap`."""
    proxy: Any
    if isinstance(executor, ThreadPoolExecutor):
        proxy = _WrappedThreadPool(executor)
    elif isinstance(executor, ProcessPoolExecutor):
        proxy = _WrappedProcessPool(executor)
    elif isinstance(executor, Executor):
        proxy = _WrappedExecutor(executor)
    elif isinstance(executor, Pool):
        proxy = _WrappedMultiprocessingPool(executor)
    else:
        raise InstrumentationError(
            f"wrap({executor!r}): expected a concurrent.futures.Executor (also of loky, Dask or "
            f"your own) or a multiprocessing Pool or ThreadPool; for a single callable use "
            f"preserve_context"
        )
    return proxy  # type: ignore[no-any-return]  # the proxy does all that the executor does
