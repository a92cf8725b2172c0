"""What has to be done around a fork, asked of each object for as long as it lives.

A fork copies the memory and one thread. A lock that another thread holds stays locked in the child
for ever, and what another thread was about to do is done by nobody.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any, Final, Protocol, TypeVar

from tracekit._base.log import warn

# How long a fork waits, for all objects together, until no thread of theirs is where a copy of it
# would be of no use; in seconds.
PATIENCE: Final = 1.5


class ForkAware(Protocol):
    """What a child process cannot use as the parent left it."""

    def after_fork_in_child(self) -> None:
        """Make locks and connections of one's own, in the child, whose only thread this is."""


class HeldDuringFork(ForkAware, Protocol):
    """What has threads that must not be in the midst of something at the moment of a fork."""

    def before_fork(self, seconds: float) -> bool:
        """Wait until the threads are out of it and keep them out; whether it came to that."""
        ...

    def after_fork_in_parent(self) -> None:
        """Let the threads go on, in the parent, in the thread that held them."""


_Object = TypeVar("_Object", bound=ForkAware)

_all: Final[dict[int, weakref.ref[Any]]] = {}
_number: Final = count()


class _Held(threading.local):
    """What the forking thread keeps still; two threads may fork at once."""

    def __init__(self) -> None:
        self.objects: list[HeldDuringFork] = []


_held: Final = _Held()


def watch(one: _Object) -> _Object:
    """Ask an object at every fork from now on, in the order in which objects came here.

    Returns:
        The object.
    """
    number = next(_number)
    _all[number] = weakref.ref(one, lambda _: _all.pop(number, None))
    return one


def _alive() -> list[Any]:
    found = [reference() for _, reference in sorted(_all.copy().items())]
    return [one for one in found if one is not None]


def _before() -> None:
    deadline = time.monotonic() + PATIENCE
    _held.objects = []
    for one in _alive():
        before_fork: Callable[[float], bool] | None = getattr(one, "before_fork", None)
        if before_fork is not None and before_fork(max(0.0, deadline - time.monotonic())):
            _held.objects.append(one)


def _after_in_parent() -> None:
    objects, _held.objects = _held.objects, []
    for one in reversed(objects):
        one.after_fork_in_parent()


def _after_in_child() -> None:
    _held.objects = []
    for one in _alive():
        try:
            one.after_fork_in_child()
        except Exception as error:
            warn("%r cannot be used in a forked process: %r", one, error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
