"""Flushing a worker process before `SIGTERM` ends it.

A pool of `multiprocessing` ends its workers by `SIGTERM` when its with-block ends. Python runs a
signal handler between two steps of the main thread. Within a task these steps may be far apart, so
a task keeps the signal's default action. Between two tasks the worker only waits, and a handler
flushes it first.

The signal interrupts the wait, and its handler runs. A signal that arrives shortly before the wait
begins interrupts nothing, and neither does one that the system delivers to another thread. The
handler then runs when something else ends the wait, which for a worker without work may never
happen. So a thread watches for the signal.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tracekit._base import forks

# The seconds that the main thread has to begin the handler before it is interrupted.
_GRACE_PERIOD: Final = 0.05
_NO_DESCRIPTOR: Final = -1


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
        self._wakeup = SignalWakeup(self._wake_main_thread)

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

    def _wake_main_thread(self, received: bytes) -> None:
        """Send `SIGTERM` to the main thread again until its handler has begun there."""
        main = threading.main_thread().ident
        while signal.SIGTERM in received and main is not None and not self._has_signal:
            time.sleep(_GRACE_PERIOD)
            signal.pthread_kill(main, signal.SIGTERM)

    def _is_main_thread_of_worker(self) -> bool:
        is_main_thread = threading.current_thread() is threading.main_thread()
        return self.worker_pid == os.getpid() and is_main_thread


def _terminate() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


class SignalWakeup:
    """Reports signals to a thread of its own, also while the main thread runs no Python code.

    Python's own part of a signal handler reports them, so a signal with its default action is not
    reported. Processes that this one starts do not inherit the descriptor.

    Args:
        on_signals: Called in that thread with the numbers of signals that arrived.
    """

    def __init__(self, on_signals: Callable[[bytes], object]) -> None:
        self._on_signals = on_signals
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        forks.register(self)

    def start(self) -> bool:
        """Watch for the signal; called in the main thread.

        Returns:
            Whether it watches. It does not if the program uses `signal.set_wakeup_fd` itself, or if
            the process can open no more files or start no more threads.
        """
        own = self._own_descriptor()
        if own == _NO_DESCRIPTOR:
            return False
        previous = signal.set_wakeup_fd(own, warn_on_full_buffer=False)
        if previous in (_NO_DESCRIPTOR, own):
            return True
        signal.set_wakeup_fd(previous)
        return False

    def stop(self) -> None:
        """Stop watching; called in the main thread."""
        if self._sockets is None:
            return
        current = signal.set_wakeup_fd(_NO_DESCRIPTOR)
        if current != self._sockets[1].fileno():
            signal.set_wakeup_fd(current)

    def close(self) -> None:
        """Stop watching, and end the thread; called in the main thread."""
        self.stop()
        if self._sockets is not None:
            # The thread reads the end of the stream, and closes its own side.
            self._sockets[1].close()
        self._sockets = None

    def after_fork_in_child(self) -> None:
        """Stop watching and close the copies of the parent's sockets, in a forked process."""
        self.stop()
        if self._sockets is not None:
            for one in self._sockets:
                one.close()
        self._sockets = None

    def _own_descriptor(self) -> int:
        """Return the descriptor that Python writes signals to, with a thread that reads them."""
        if self._sockets is None and hasattr(signal, "pthread_kill"):
            try:
                reader, writer = socket.socketpair()
                writer.setblocking(False)
                threading.Thread(
                    target=self._watch, args=(reader,), name="tracekit-signals", daemon=True
                ).start()
            except (OSError, RuntimeError):
                return _NO_DESCRIPTOR
            self._sockets = reader, writer
        return _NO_DESCRIPTOR if self._sockets is None else self._sockets[1].fileno()

    def _watch(self, reader: socket.socket) -> None:
        with reader:
            while received := reader.recv(64):
                self._on_signals(received)
