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

from tracekit._ground.log import warn

# How long a fork waits, for all objects together, until no thread of theirs is where a copy of it
# would be of no use; in seconds.
PATIENCE: Final = 1.5


class BeginsAnew(Protocol):
    """What a child process cannot use as the parent left it."""

    def begin_anew(self) -> None:
        """Make locks and connections of one's own, in the child, whose only thread this is."""


class HoldsStill(BeginsAnew, Protocol):
    """What has threads that must not be in the midst of something at the moment of a fork."""

    def hold_still(self, seconds: float) -> bool:
        """Wait until the threads are out of it and keep them out; whether it came to that."""
        ...

    def go_on(self) -> None:
        """Let the threads go on, in the parent, in the thread that held them."""


_Object = TypeVar("_Object", bound=BeginsAnew)

_all: Final[dict[int, weakref.ref[Any]]] = {}
_number: Final = count()


class _Held(threading.local):
    """What the forking thread keeps still; two threads may fork at once."""

    def __init__(self) -> None:
        self.objects: list[HoldsStill] = []


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
        hold_still: Callable[[float], bool] | None = getattr(one, "hold_still", None)
        if hold_still is not None and hold_still(max(0.0, deadline - time.monotonic())):
            _held.objects.append(one)


def _after_in_parent() -> None:
    objects, _held.objects = _held.objects, []
    for one in reversed(objects):
        one.go_on()


def _after_in_child() -> None:
    _held.objects = []
    for one in _alive():
        try:
            one.begin_anew()
        except Exception as error:
            warn("%r cannot be used in a forked process: %r", one, error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
