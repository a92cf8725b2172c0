"""The end of a process: what has ended is delivered, in whichever way Python leaves."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from multiprocessing import process as _process
from multiprocessing import util as _util
from typing import Final

# How long the end of a process may wait for receivers, in seconds.
EXIT_TIMEOUT: Final = 10.0

# The default finalizers of pools and queues are at 0 and above; -1 is not reached before the
# children of a child were waited for.
_PRIORITY: Final = 0


class _Exit:
    """The end of this process, once it has begun."""

    deadline: float | None = None
    deliver: Callable[[], object] | None = None
    finalizer: _util.Finalize | None = None
    finalizer_of: int = 0


def remaining() -> float:
    """The seconds that are left to everyone who delivers at the end, together."""
    now = time.monotonic()
    if _Exit.deadline is None:
        _Exit.deadline = now + EXIT_TIMEOUT
    return max(0.0, _Exit.deadline - now)


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
    _Exit.finalizer = _util.Finalize(None, _leave, exitpriority=_PRIORITY)


def _leave() -> None:
    if _Exit.deliver is None:
        return
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
