"""Flushing a worker process before `SIGTERM` ends it.

A pool of `multiprocessing` ends its workers by `SIGTERM` when its with-block ends. Python runs a
signal handler between two steps of the main thread. Within a task these steps may be far apart, so
a task keeps the signal's default action. Between two tasks the worker only waits, and a handler
flushes it first.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tracekit._setup.signal_wakeup import SignalWakeup


class _TaskDepth(threading.local):
    """The number of nested tasks that this thread runs."""

    value = 0


class TerminationHandler:
    """Flushes this worker process when `SIGTERM` arrives between two tasks.

    Args:
        flush: Delivers the worker's spans within a short deadline.

    Attributes:
        worker_pid: The process id of the worker that the handler was started in, or 0.
    """

    def __init__(self, flush: Callable[[], object]) -> None:
        self.worker_pid = 0
        self._flush = flush
        self._is_exiting = False
        self._has_signal = False
        self._task_depth = _TaskDepth()
        self._wakeup = SignalWakeup(signal.SIGTERM, lambda: self._has_signal)

    def start(self) -> None:
        """Begin in a worker process, before its first task."""
        self.worker_pid = os.getpid()
        self._has_signal = False
        self._task_depth.value = 0

    def begin_task(self) -> None:
        """Restore the default action of `SIGTERM` for the duration of a task."""
        self._task_depth.value += 1
        if (
            self._task_depth.value == 1
            and self._is_main_thread_of_worker()
            and signal.getsignal(signal.SIGTERM) == self.handle
        ):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._wakeup.stop()

    def end_task(self) -> None:
        """Handle `SIGTERM` while the worker waits, unless the program handles it itself."""
        self._task_depth.value -= 1
        if (
            self._task_depth.value == 0
            and self._is_main_thread_of_worker()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            and self._wakeup.start()
        ):
            signal.signal(signal.SIGTERM, self.handle)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a flush at the worker's exit finish before `SIGTERM` ends the process."""
        self._is_exiting = True
        try:
            yield
        finally:
            self._is_exiting = False
            if self._has_signal:
                _terminate()

    def handle(self, _number: int, _frame: object) -> None:
        """Flush once, then end the process by the signal's default action."""
        if self._has_signal:
            return
        self._has_signal = True
        if self._is_exiting:
            return
        try:
            if self.worker_pid == os.getpid():
                self._flush()
        finally:
            _terminate()

    def _is_main_thread_of_worker(self) -> bool:
        is_main_thread = threading.current_thread() is threading.main_thread()
        return self.worker_pid == os.getpid() and is_main_thread


def _terminate() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
