"""Hooks around the tasks of worker processes, registered by the set-up.

This package sends tasks to worker processes and knows nothing of set-ups. The set-up registers how
a worker is initialized, and what happens around each task there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

Initializer = Callable[..., object]


class _Hooks:
    """The registered hooks; None before a set-up has registered any."""

    def __init__(self) -> None:
        self.get_initializer: Callable[[], Initializer | None] | None = None
        self.begin_task: Callable[[], object] | None = None
        self.end_task: Callable[[], object] | None = None


_hooks: Final = _Hooks()


def register(
    *,
    get_initializer: Callable[[], Initializer | None],
    begin_task: Callable[[], object],
    end_task: Callable[[], object],
) -> None:
    """Register the hooks of a set-up.

    Args:
        get_initializer: Returns a picklable function that sets up the process that calls it, or
            None if there is nothing to set up.
        begin_task: Called in a worker before a task.
        end_task: Called in a worker after a task.
    """
    _hooks.get_initializer = get_initializer
    _hooks.begin_task = begin_task
    _hooks.end_task = end_task


def worker_initializer() -> Initializer | None:
    """Return the function that sets up a worker process; picklable, or None."""
    return None if _hooks.get_initializer is None else _hooks.get_initializer()


def pool_initializer(
    initializer: Initializer | None, initargs: tuple[Any, ...]
) -> tuple[Initializer, tuple[Any, ...]]:
    """Return an initializer for a process pool, which sets up a worker and then runs the user's.

    Args:
        initializer: The user's initializer, or None.
        initargs: Its arguments.

    Returns:
        The initializer and its arguments. They can be pickled if the user's can.
    """
    return _initialize, (_CurrentInitializer(), initializer, initargs)


class _CurrentInitializer:
    """Pickles as the worker initializer at the start of a worker, not of the pool.

    A forked worker receives the object itself and calls it to no effect: it has a copy of
    everything that its parent has.
    """

    def __call__(self) -> None:
        return

    def __reduce__(self) -> tuple[Any, ...]:
        return _return, (worker_initializer(),)


def _return(value: object) -> object:
    return value


def _initialize(
    worker_initializer: Initializer | None,
    initializer: Initializer | None,
    initargs: tuple[Any, ...],
) -> None:
    if worker_initializer is not None:
        worker_initializer()
    if initializer is not None:
        initializer(*initargs)


@contextmanager
def worker_task() -> Iterator[None]:
    """Run a block as a task that another process has sent."""
    begin, end = _hooks.begin_task, _hooks.end_task
    if begin is None or end is None:
        yield
        return
    begin()
    try:
        yield
    finally:
        end()
