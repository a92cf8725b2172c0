"""The one registry of objects that need care when the process forks.

A fork copies the memory and only the thread that called it. In the child, a lock that another
thread held stays locked for ever, and work that another thread had begun is never finished.
An object registers itself once and implements the hooks of `os.register_at_fork` as methods. The
registry holds it weakly, so that it calls the hooks while the object lives.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any, Final, Protocol, TypeVar

from tracekit._base.log import log_warning

# How long a fork waits in all for the `before_fork` methods, in seconds.
BEFORE_FORK_TIMEOUT: Final = 1.5


class ForkAware(Protocol):
    """An object whose state the child of a fork cannot use as it is."""

    def after_fork_in_child(self) -> None:
        """Replace the locks and connections, in the child, by its only thread."""


class PausedDuringFork(ForkAware, Protocol):
    """An object whose threads must be at rest while the memory is copied."""

    def before_fork(self, timeout: float) -> bool:
        """Wait until the threads are at rest and hold them there.

        Args:
            timeout: How long to wait at most, in seconds.

        Returns:
            Whether they are held. Only then is `after_fork_in_parent` called.
        """
        ...

    def after_fork_in_parent(self) -> None:
        """Release the threads, in the parent, by the thread that forked."""


_ForkAware = TypeVar("_ForkAware", bound=ForkAware)

_registered: Final[dict[int, weakref.ref[Any]]] = {}
_numbers: Final = count()


class _Paused(threading.local):
    """The objects that the forking thread holds at rest; two threads may fork at once."""

    def __init__(self) -> None:
        self.objects: list[PausedDuringFork] = []


_paused: Final = _Paused()


def register(one: _ForkAware) -> _ForkAware:
    """Call the hooks of an object at every fork, while the object lives.

    `before_fork` and `after_fork_in_child` are called in the order of registration,
    `after_fork_in_parent` in the reverse order.

    Args:
        one: A `ForkAware`, or a `PausedDuringFork`.

    Returns:
        The object.
    """
    number = next(_numbers)
    _registered[number] = weakref.ref(one, lambda _: _registered.pop(number, None))
    return one


def _living_objects() -> list[Any]:
    objects = [reference() for _, reference in sorted(_registered.copy().items())]
    return [one for one in objects if one is not None]


def _before_fork() -> None:
    deadline = time.monotonic() + BEFORE_FORK_TIMEOUT
    _paused.objects = []
    for one in _living_objects():
        before_fork: Callable[[float], bool] | None = getattr(one, "before_fork", None)
        if before_fork is not None and before_fork(max(0.0, deadline - time.monotonic())):
            _paused.objects.append(one)


def _after_fork_in_parent() -> None:
    objects, _paused.objects = _paused.objects, []
    for one in reversed(objects):
        one.after_fork_in_parent()


def _after_fork_in_child() -> None:
    _paused.objects = []
    for one in _living_objects():
        try:
            one.after_fork_in_child()
        except Exception as error:
            log_warning("%r cannot be used in a forked process: %r", one, error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
