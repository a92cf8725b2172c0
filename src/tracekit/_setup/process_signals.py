"""Delivery of the spans when a signal ends the process.

With the default action of `SIGTERM` the system ends the process, and no Python code runs. So a
handler takes its place, which delivers the spans and then lets the default action end the process,
with the status that it would have had. Python runs a handler in the main thread only, between two
of its steps. While the main thread is inside a call into C, a thread that watches for the signal
does the same.

A handler of the program or of its server is never replaced. Python reports a signal to the watching
thread beside every handler. From then on the process may end at any time, so the spans that wait
are delivered at once, and so is each local root when it ends.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from tracekit._base import forks
from tracekit._setup.termination import SignalWakeup

# The seconds that the flush may take, and after which the process ends whatever else happens.
FLUSH_TIMEOUT: Final = 2.5
END_TIMEOUT: Final = 3.0
# The seconds that the main thread has to begin the handler.
_GRACE_PERIOD: Final = 0.1
_POLL_INTERVAL: Final = 0.01


class ProcessSignals:
    """Delivers the spans of this process when it gets `SIGTERM`.

    Args:
        flush: Delivers all spans within `FLUSH_TIMEOUT`.
        deliver_at_once: Delivers all spans, and each local root from then on.
    """

    def __init__(self, flush: Callable[[], object], deliver_at_once: Callable[[], object]) -> None:
        self._flush = flush
        self._deliver_at_once = deliver_at_once
        self._has_begun = False
        self._wakeup = SignalWakeup(self._on_signals)
        forks.register(self)

    def start(self) -> None:
        """Begin, unless the program watches for signals itself or this is not its main thread."""
        # On Windows os.kill ends a process without a signal.
        if not hasattr(signal, "pthread_kill") or not _is_main_thread():
            return
        if self._wakeup.start() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self.handle)

    def stop(self) -> None:
        """Restore what was before; only the main thread can."""
        if _is_main_thread():
            if self._is_handling():
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._wakeup.close()

    def handle(self, _number: int, _frame: object) -> None:
        """Deliver the spans, then end the process by the default action of `SIGTERM`."""
        if self._has_begun:
            return
        self._has_begun = True
        try:
            self._flush()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    def before_fork(self, _timeout: float) -> bool:
        """Restore the default action, so that a child never has the handler of its parent.

        A signal to a child in its first moments would otherwise be written to the parent's
        descriptor, and be lost for the child.
        """
        if not (_is_main_thread() and self._is_handling()):
            return False
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return True

    def after_fork_in_parent(self) -> None:
        """Handle the signal again."""
        signal.signal(signal.SIGTERM, self.handle)

    def after_fork_in_child(self) -> None:
        """Leave the signal to the child, whose export worker does not wait for a batch."""
        self._has_begun = False
        if self._is_handling():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _is_handling(self) -> bool:
        return signal.getsignal(signal.SIGTERM) == self.handle

    def _on_signals(self, received: bytes) -> None:
        if signal.SIGTERM in received and self._is_handling():
            self._end_process()
        elif signal.SIGTERM in received or (
            signal.SIGINT in received
            and signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            self._deliver_at_once()

    def _end_process(self) -> None:
        """End the process by the deadline, and deliver before that if the main thread does not."""
        end = time.monotonic() + END_TIMEOUT
        grace_end = time.monotonic() + _GRACE_PERIOD
        while not self._has_begun and time.monotonic() < grace_end:
            time.sleep(_POLL_INTERVAL)
        try:
            if self._has_begun:
                time.sleep(max(0.0, end - time.monotonic()))
            else:
                self._has_begun = True
                self._flush()
        finally:
            _end_by_default_action()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _end_by_default_action() -> None:
    """End the process by `SIGTERM`, from a thread that is not the main thread."""
    try:
        # signal.signal works in the main thread only.
        import ctypes

        set_signal = ctypes.pythonapi.PyOS_setsig
    except (ImportError, AttributeError):
        os._exit(128 + signal.SIGTERM)
    set_signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    set_signal.restype = ctypes.c_void_p
    set_signal(signal.SIGTERM, None)  # SIG_DFL is the null pointer
    os.kill(os.getpid(), signal.SIGTERM)
