"""The end of a process: what has ended is delivered, in whichever way Python leaves."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import process as _process
from multiprocessing import util as _util
from typing import Final

from tracekit._setup.signal_watch import HandlerWatch

# How long the end of a process may wait for receivers, in seconds.
EXIT_TIMEOUT: Final = 10.0
# How long a worker that was told to go may: whoever told it waits meanwhile.
TERMINATION_TIMEOUT: Final = 3.0

# The pools and queues of a worker's own are ended by finalizers before this one.
_PRIORITY: Final = 0


class _End:
    """The end of this process."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.deliver: Callable[[], object] | None = None
        self.finalizer_of = 0
        self.is_leaving = False
        self.is_told_to_go = False


_Exit: Final = _End()


def remaining() -> float:
    """The seconds that are left to everyone who delivers at the end, together."""
    now = time.monotonic()
    if _Exit.deadline is None:
        _Exit.deadline = now + EXIT_TIMEOUT
    return max(0.0, _Exit.deadline - now)


@contextmanager
def leaving() -> Iterator[None]:
    """The time in which a process delivers at its end; told to go meanwhile, it goes afterwards."""
    _Exit.is_leaving = True
    try:
        yield
    finally:
        _Exit.is_leaving = False
        if _Exit.is_told_to_go:
            _go()


def deliver_at_exit(deliver: Callable[[], object]) -> None:
    """Call this at the end of a process that `multiprocessing` started, here and in its children.

    Such a process does not run what is registered with `atexit`: a forked one leaves through
    `os._exit`, and so does one of the fork server. What it runs are the finalizers of
    `multiprocessing`, of which it forgets those of its parent.

    Args:
        deliver: Delivers what there is, within the seconds that remain.
    """
    is_first, _Exit.deliver = _Exit.deliver is None, deliver
    if is_first:
        _util.register_after_fork(_Exit, _add_finalizer)
    if _process.parent_process() is not None and _Exit.finalizer_of != os.getpid():
        _add_finalizer(_Exit)


def _add_finalizer(_: object) -> None:
    _Exit.deadline = None
    _Exit.finalizer_of = os.getpid()
    _Exit.is_told_to_go = False
    _idle.tasks = 0
    _util.Finalize(None, _leave, exitpriority=_PRIORITY)


class _Idle(threading.local):
    """Whether this thread is at a task, and at how many within each other."""

    tasks = 0


_idle: Final = _Idle()


def begin_task() -> None:
    """A worker turns to a task, during which `SIGTERM` ends it at once, as ever."""
    _idle.tasks += 1
    if _idle.tasks == 1 and _may_be_told() and signal.getsignal(signal.SIGTERM) is _deliver_and_go:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _watch.end()


def end_task() -> None:
    """A worker turns away from a task: told to go now, it delivers first.

    A pool of `multiprocessing` ends its workers by `SIGTERM` when its with-block is left. Python
    runs a handler between two steps of the main thread, which may be far apart in a task, but not
    in a worker that waits for one, where the handler is watched.
    """
    _idle.tasks -= 1
    if (
        _idle.tasks == 0
        and _may_be_told()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        and _watch.begin()
    ):
        signal.signal(signal.SIGTERM, _deliver_and_go)


def _may_be_told() -> bool:
    return (
        _Exit.finalizer_of == os.getpid() and threading.current_thread() is threading.main_thread()
    )


def _deliver_and_go(_number: int, _frame: object) -> None:
    if _Exit.is_told_to_go:
        return
    _Exit.is_told_to_go = True
    if _Exit.is_leaving:
        # It was on its way out already, and what it delivers is not to be cut short.
        return
    try:
        if _Exit.deliver is not None and _Exit.finalizer_of == os.getpid():
            _Exit.deadline = time.monotonic() + TERMINATION_TIMEOUT
            _Exit.deliver()
    finally:
        _go()


def _go() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


_watch: Final = HandlerWatch(signal.SIGTERM, lambda: _Exit.is_told_to_go)


def _leave() -> None:
    if _Exit.deliver is None:
        return
    with leaving():
        _Exit.deliver()
    others = [one for one in threading.enumerate() if _is_waited_for(one)]
    if others:
        try:
            threading.Thread(target=_deliver_after, args=(others,), name="tracekit-exit").start()
        except RuntimeError:
            return


def _is_waited_for(thread: threading.Thread) -> bool:
    return not thread.daemon and thread not in (
        threading.current_thread(),
        threading.main_thread(),
    )


def _deliver_after(threads: list[threading.Thread]) -> None:
    # The process waits for these, and for this one, before it ends without a further word.
    for thread in threads:
        thread.join()
    if _Exit.deliver is not None:
        _Exit.deadline = None
        _Exit.deliver()
