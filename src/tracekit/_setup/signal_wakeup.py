"""Signal handlers that run although the main thread waits.

Python runs a handler in the main thread, between two of its steps. A signal interrupts a call that
waits, and its handler runs. A signal that arrives shortly before the call begins to wait interrupts
nothing, and neither does one that the system delivers to another thread. The handler then runs when
something else ends the wait, which for a worker without work may never happen.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from tracekit._base import forks

# The seconds that the main thread has to begin the handler before it is interrupted.
_GRACE_PERIOD: Final = 0.05
_NO_DESCRIPTOR: Final = -1


class SignalWakeup:
    """Interrupts the main thread until it has begun the handler of a signal that has arrived.

    Args:
        number: The signal. Its handler must be harmless when it is called again.
        has_begun: Whether the handler was called.
    """

    def __init__(self, number: int, has_begun: Callable[[], bool]) -> None:
        self._number = number
        self._has_begun = has_begun
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
        main = threading.main_thread().ident
        while self._number not in reader.recv(64):
            pass
        while main is not None and not self._has_begun():
            time.sleep(_GRACE_PERIOD)
            signal.pthread_kill(main, self._number)
