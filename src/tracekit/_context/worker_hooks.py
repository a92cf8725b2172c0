"""Hooks around the tasks of worker processes, registered by the set-up.

This package sends tasks to worker processes and knows nothing of set-ups. The set-up registers how
a worker is initialized, and what happens around each task there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

Initializer = Callable[..., object]


@dataclass
class _Hooks:
    """The registered hooks, which do nothing before a set-up has registered its own."""

    get_initializer: Callable[[], Initializer | None] = lambda: None
    begin_task: Callable[[], object] = lambda: None
    end_task: Callable[[], object] = lambda: None


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
    return _hooks.get_initializer()


@contextmanager
def worker_task() -> Iterator[None]:
    """Run a block as a task that another process has sent."""
    # A task that sets up its process registers hooks. They are not of this task.
    end_task = _hooks.end_task
    _hooks.begin_task()
    try:
        yield
    finally:
        end_task()


def pool_initializer(
    initializer: Initializer | None, initargs: tuple[Any, ...]
) -> tuple[Initializer, tuple[Any, ...]]:
    """Return an initializer for a process pool, which sets up a worker and then runs the user's.

    Returns:
        The initializer and its arguments. They can be pickled if the user's can.
    """
    return _initialize, (_CurrentInitializer(), initializer, initargs)


def _initialize(
    worker_initializer: Initializer | None,
    initializer: Initializer | None,
    initargs: tuple[Any, ...],
) -> None:
    if worker_initializer is not None:
        worker_initializer()
    if initializer is not None:
        initializer(*initargs)


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
