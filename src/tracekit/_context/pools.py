"""Pools that keep the submitter's context, and how one that someone else has made becomes one."""

from __future__ import annotations

from typing import Any, TypeVar

from tracekit._base.errors import InstrumentationError

E = TypeVar("E")


class ContextKeeper:
    """The mark of a pool that keeps the context by itself."""


def wrap(executor: E) -> E:
    """Make an executor or a pool that exists keep the context of whoever hands it work.

    Each call, and for a pool of `multiprocessing` each callback too, runs in the context in which
    it was handed over: for `map` and its relatives that is the moment when `map` was called. Calls
    that reach another process take the trace and the baggage along.

    Args:
        executor: An executor of `concurrent.futures`, of loky, Dask (`client.get_executor()`) or of
            your own, that is, a `concurrent.futures.Executor`; or a pool of `multiprocessing`, of
            processes (`Pool`) or threads (`ThreadPool`).

    Returns:
        A proxy that is an instance of the executor's class and does otherwise as it does; an
        executor that keeps the context already comes back as it is.

    Raises:
        InstrumentationError: It is not one of these.

    Example:
        ```python
        from multiprocessing.pool import ThreadPool

        from tracekit import span
        from tracekit.executors import wrap

        with wrap(ThreadPool(2)) as pool, span("upload"):
            pool.map(len, ["cat.png", "dog.png"])
        ```
    """
    if issubclass(type(executor), ContextKeeper):
        return executor
    # Loaded with the first pool that is wrapped: executors of our own need no wrapt.
    from tracekit._context.pool_proxies import proxy_of

    proxy: Any = proxy_of(executor)
    if proxy is None:
        raise InstrumentationError(
            f"wrap({executor!r}): that is no executor. wrap takes a concurrent.futures.Executor "
            f"(also of loky, of Dask, or your own) or a multiprocessing Pool or ThreadPool; "
            f"for a single callable there is preserve_context"
        )
    return proxy  # type: ignore[no-any-return]  # the proxy does all that the executor does
