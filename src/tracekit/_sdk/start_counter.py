"""The number of spans that were started."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

from tracekit._base import forks


class StartCounter:
    """Counts the spans that start in this process.

    Attributes:
        add: Counts one more span, without a lock.
    """

    add: Callable[[], int]

    def __init__(self) -> None:
        self.after_fork_in_child()
        forks.register(self)

    def after_fork_in_child(self) -> None:
        """Count from zero."""
        self.add = count().__next__
        self._reads = 0
        # Reentrant: a signal handler can read the number while its thread holds the lock.
        self._lock = threading.RLock()

    @property
    def started(self) -> int:
        """The number of spans that were started."""
        with self._lock:
            # An `itertools.count` can be read only by a step, so the steps of reads are subtracted.
            started = self.add() - self._reads
            self._reads += 1
            return started
