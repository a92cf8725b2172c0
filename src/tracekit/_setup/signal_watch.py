"""Handlers of signals that run although the main thread waits.

Python runs them in the main thread, between two of its steps. A call that waits is interrupted by
a signal, and lets the handler run. But a signal that comes shortly before the call begins to wait,
such as while the thread hands over the interpreter, interrupts nothing; and so does one that the
system hands to another thread. The handler then runs when something else ends the waiting, which
for a worker without work may be never.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from tracekit._base import forks

# How long the main thread has to begin with the handler before it is interrupted; in seconds.
_PATIENCE: Final = 0.05
_NOBODY: Final = -1


class HandlerWatch:
    """Interrupts the main thread until it has begun with the handler of a signal that has come."""

    def __init__(self, number: int, has_begun: Callable[[], bool]) -> None:
        """Made where the handler is.

        Args:
            number: The signal, whose handler does no harm when it is called again.
            has_begun: Whether the handler was called.
        """
        self._number = number
        self._has_begun = has_begun
        self._ends: tuple[socket.socket, socket.socket] | None = None
        forks.register(self)

    def begin(self) -> bool:
        """Watch, in the main thread.

        Returns:
            Whether it does: not where another one is told of signals (`signal.set_wakeup_fd`), nor
            in a process that can have no more files or threads.
        """
        ours = self._start()
        if ours == _NOBODY:
            return False
        others = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        if others in (_NOBODY, ours):
            return True
        signal.set_wakeup_fd(others)
        return False

    def end(self) -> None:
        """Watch no longer, in the main thread."""
        if self._ends is None:
            return
        told = signal.set_wakeup_fd(_NOBODY)
        if told != self._ends[1].fileno():
            signal.set_wakeup_fd(told)

    def after_fork_in_child(self) -> None:
        """Leave to the parent what is the parent's, in a forked child."""
        self.end()
        if self._ends is not None:
            for one in self._ends:
                one.close()
        self._ends = None

    def _start(self) -> int:
        """Have a thread that watches, and the descriptor by which Python tells it of signals."""
        if self._ends is None and hasattr(signal, "pthread_kill"):
            try:
                reader, writer = socket.socketpair()
                writer.setblocking(False)
                threading.Thread(
                    target=self._watch, args=(reader,), name="tracekit-signals", daemon=True
                ).start()
            except (OSError, RuntimeError):
                return _NOBODY
            self._ends = reader, writer
        return _NOBODY if self._ends is None else self._ends[1].fileno()

    def _watch(self, reader: socket.socket) -> None:
        main = threading.main_thread().ident
        assert main is not None  # noqa: S101 - told to the type checker
        while self._number not in reader.recv(64):
            pass
        while not self._has_begun():
            time.sleep(_PATIENCE)
            signal.pthread_kill(main, self._number)
