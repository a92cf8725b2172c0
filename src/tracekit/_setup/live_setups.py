"""The set-ups to deliver when the process exits."""

from __future__ import annotations

import atexit
import weakref
from typing import Final

from tracekit._base.log import log_warning
from tracekit._setup.lifecycle import Lifecycle
from tracekit._setup.process_exit import exit_deadline, worker_exit


class SetupRegistry:
    """The live set-ups: shut down at exit, and flushed at the exit of a worker process.

    Attributes:
        is_exiting: Whether the shutdown at exit has begun.
    """

    def __init__(self) -> None:
        self.is_exiting = False
        self._is_registered = False
        # Includes replaced set-ups, because their shutdown may be interrupted.
        self._installed: list[Lifecycle] = []
        self._private: weakref.WeakSet[Lifecycle] = weakref.WeakSet()

    def add_installed(self, lifecycle: Lifecycle, *, runs_first: bool) -> None:
        """Add a set-up of the whole process.

        Args:
            lifecycle: Its lifecycle.
            runs_first: Whether its shutdown runs before all functions that were registered with
                `atexit` until now.
        """
        self._register(again=runs_first)
        self.flush_at_worker_exit()
        self._installed = [*(one for one in self._installed if not one.is_finished), lifecycle]

    def add_private(self, lifecycle: Lifecycle) -> None:
        """Add a set-up that the program holds; it is shut down at exit if it still exists."""
        self._private.add(lifecycle)
        self._register(again=False)

    def flush_at_worker_exit(self) -> None:
        """Flush all set-ups if this process is a worker of `multiprocessing` and exits."""
        worker_exit.flush_with(self.flush)

    def flush(self) -> None:
        """Flush all set-ups, within the deadline of the exit."""
        for lifecycle in self._unfinished():
            if not lifecycle.flush(exit_deadline.remaining_seconds()):
                _log_lost_spans(lifecycle)

    def _register(self, *, again: bool) -> None:
        if again or not self._is_registered:
            self._is_registered = True
            atexit.unregister(self._shut_down)
            atexit.register(self._shut_down)

    def _shut_down(self) -> None:
        self.is_exiting = True
        lifecycles = self._unfinished()
        for lifecycle in lifecycles:
            lifecycle.begin_shutdown(exit_deadline.remaining_seconds())
        for lifecycle in lifecycles:
            if not lifecycle.shutdown(exit_deadline.remaining_seconds()):
                _log_lost_spans(lifecycle)

    def _unfinished(self) -> list[Lifecycle]:
        return [one for one in (*self._installed, *self._private) if not one.is_finished]


def _log_lost_spans(lifecycle: Lifecycle) -> None:
    stats = lifecycle.stats
    waiting = sum(one.waiting for one in stats.exporters.values())
    log_warning(
        "at exit %d spans had not been delivered (dropped %d, failed %d)",
        stats.dropped + stats.failed + waiting,
        stats.dropped,
        stats.failed,
    )


setups: Final = SetupRegistry()
