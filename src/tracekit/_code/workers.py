"""Worker processes: what they need to be set up like the process that they work for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Initializer = Callable[..., object]


def initializer_for(
    initializer: Initializer | None, initargs: tuple[Any, ...]
) -> tuple[Initializer | None, tuple[Any, ...]]:
    """What a worker process of our own pool runs first.

    Args:
        initializer: What the user wants to run first, or None.
        initargs: Its arguments.

    Returns:
        An initializer and its arguments, both as picklable as the given ones, that set the worker
        up and then run the user's.
    """
    return initializer, initargs


def shipment() -> object:
    """What travels with a task to a process that may not be set up; small, picklable, or None."""
    return None


def unpack(shipped: object) -> None:
    """Set this process up by what travelled with a task, unless that was done before."""
