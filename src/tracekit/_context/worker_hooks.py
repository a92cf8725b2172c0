"""Worker processes: what they need to be set up like the process that they work for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

Initializer = Callable[..., object]
# A picklable callable that sets up the process in which it is called, or None where there is
# nothing to be set up.
SetUp = Callable[[], object]


class _Above:
    """What the floor above puts here, once there is something to be set up."""

    def __init__(self) -> None:
        self.set_up: Callable[[], SetUp | None] | None = None
        self.begin_task: Callable[[], object] | None = None
        self.end_task: Callable[[], object] | None = None


_above: Final = _Above()


def set_source(ask: Callable[[], SetUp | None]) -> None:
    """Have the set-up of worker processes made by the floor that knows it."""
    _above.set_up = ask


def initializer_for(
    initializer: Initializer | None, initargs: tuple[Any, ...]
) -> tuple[Initializer | None, tuple[Any, ...]]:
    """What a worker process of our own pool runs first.

    Args:
        initializer: What the user wants to run first, or None.
        initargs: Its arguments.

    Returns:
        An initializer and its arguments, both as picklable as the given ones, that set the worker
        up like this process is when the worker starts, and then run the user's.
    """
    return _initialize, (_ShippedAtStart(), initializer, initargs)


class _ShippedAtStart:
    """Stands for the set-up of the moment in which a worker is started, not of the pool's making.

    A forked worker gets it as it is and needs nothing: it has a copy of all that its parent has.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _same, (shipment(),)


def _same(shipped: object) -> object:
    return shipped


def _initialize(
    shipped: object, initializer: Initializer | None, initargs: tuple[Any, ...]
) -> None:
    if not isinstance(shipped, _ShippedAtStart):
        unpack(shipped)
    if initializer is not None:
        initializer(*initargs)


def shipment() -> object:
    """What travels with a task to a process that may not be set up; small, picklable, or None."""
    return None if _above.set_up is None else _above.set_up()


def set_turns(begin: Callable[[], object], end: Callable[[], object]) -> None:
    """Have this done around each task that arrives from another process."""
    _above.begin_task, _above.end_task = begin, end


@contextmanager
def at_work() -> Iterator[None]:
    """The time of one task that arrived from another process."""
    begin, end = _above.begin_task, _above.end_task
    if begin is None or end is None:
        yield
        return
    begin()
    try:
        yield
    finally:
        end()


def unpack(shipped: object) -> None:
    """Set this process up by what travelled with a task, unless that was done before."""
    if callable(shipped):
        shipped()
