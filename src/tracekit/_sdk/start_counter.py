"""How many spans were started."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count


class StartCounter:
    """Counts the spans that are started.

    Attributes:
        add: Counts one more; it needs no lock.
    """

    def __init__(self) -> None:
        self.add: Callable[[], int] = count().__next__
        self._asked = 0
        # Reentrant: a signal handler may ask while its own thread is in here.
        self._lock = threading.RLock()

    @property
    def started(self) -> int:
        """How many spans were started."""
        with self._lock:
            # Reading a counter moves it on by one, which is taken off again.
            started = self.add() - self._asked
            self._asked += 1
            return started
