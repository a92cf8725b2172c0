"""The live set-ups, which deliver their spans when the process exits.

`atexit` does not run in a process that `multiprocessing` started: such a process ends by
`os._exit`. It runs the finalizers of `multiprocessing` instead. A forked process forgets the
finalizers of its parent, so the finalizer is added again after each fork.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from multiprocessing import process as _process
from multiprocessing import util as _util
from typing import Final

from tracekit._base.log import log_warning
from tracekit._setup import process_signals
from tracekit._setup.lifecycle import Lifecycle
from tracekit._setup.process_signals import ProcessSignals
from tracekit._setup.termination import TerminationHandler

# The seconds that all flushes at the exit of a process may take together.
EXIT_TIMEOUT = 10.0
# The same after SIGTERM, whose sender waits for the process.
TERMINATION_TIMEOUT = 3.0

# Finalizers with a higher priority end the worker's own pools and queues first.
_PRIORITY: Final = 0


class LiveSetups:
    """The live set-ups: shut down at exit, and flushed at the exit of a worker process.

    Attributes:
        is_exiting: Whether the shutdown at exit has begun.
        termination: The handler of `SIGTERM` in worker processes.
        signals: The delivery when a signal ends the process.
    """

    def __init__(self) -> None:
        self.is_exiting = False
        self.termination = TerminationHandler(self._flush_before_termination)
        self.signals = ProcessSignals(self._flush_before_signal_acts, self._deliver_at_once)
        self._is_registered = False
        self._adds_finalizers = False
        # Includes replaced set-ups, because their shutdown may be interrupted.
        self._installed: list[Lifecycle] = []
        self._private: weakref.WeakSet[Lifecycle] = weakref.WeakSet()
        # All flushes at the exit share it. None lets the next one begin it.
        self._deadline: float | None = None

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
        """Flush all set-ups when this process or a child of it exits, if it is a worker then."""
        if not self._adds_finalizers:
            self._adds_finalizers = True
            _util.register_after_fork(self, LiveSetups._add_finalizer)
        if _process.parent_process() is not None and self.termination.worker_pid != os.getpid():
            self._add_finalizer()

    def flush(self) -> None:
        """Flush all set-ups, within the deadline of the exit."""
        for lifecycle in self._unfinished():
            if not lifecycle.flush(self._remaining_seconds()):
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
            lifecycle.begin_shutdown(self._remaining_seconds())
        for lifecycle in lifecycles:
            if not lifecycle.shutdown(self._remaining_seconds()):
                _log_lost_spans(lifecycle)
        self.signals.stop()

    def _unfinished(self) -> list[Lifecycle]:
        return [one for one in (*self._installed, *self._private) if not one.is_finished]

    def _remaining_seconds(self) -> float:
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + EXIT_TIMEOUT
        return max(0.0, self._deadline - now)

    def _add_finalizer(self) -> None:
        self._deadline = None
        self.termination.start()
        for lifecycle in self._unfinished():
            for processor in lifecycle.components.export_processors:
                processor.expect_normal_exit()
        _util.Finalize(None, self._exit_worker, exitpriority=_PRIORITY)

    def _exit_worker(self) -> None:
        with self.termination.deferred():
            self.flush()
        this_thread, main_thread = threading.current_thread(), threading.main_thread()
        threads = [
            one
            for one in threading.enumerate()
            if not one.daemon and one is not this_thread and one is not main_thread
        ]
        if threads:
            try:
                threading.Thread(
                    target=self._flush_after, args=(threads,), name="tracekit-exit"
                ).start()
            except RuntimeError:
                # The interpreter starts no more threads.
                return

    def _flush_after(self, threads: list[threading.Thread]) -> None:
        # The process waits for these threads and for this one, and runs no further finalizer.
        for thread in threads:
            thread.join()
        self._deadline = None
        self.flush()

    def _flush_before_termination(self) -> None:
        self._deadline = time.monotonic() + TERMINATION_TIMEOUT
        self.flush()

    def _flush_before_signal_acts(self) -> None:
        self._deadline = time.monotonic() + process_signals.FLUSH_TIMEOUT
        self.flush()

    def _deliver_at_once(self) -> None:
        lifecycles = self._unfinished()
        for lifecycle in lifecycles:
            for processor in lifecycle.components.export_processors:
                processor.export_local_roots_at_once()
        for lifecycle in lifecycles:
            lifecycle.flush(process_signals.FLUSH_TIMEOUT)


def _log_lost_spans(lifecycle: Lifecycle) -> None:
    stats = lifecycle.stats
    waiting = sum(one.waiting for one in stats.exporters.values())
    log_warning(
        "at exit %d spans had not been delivered (dropped %d, failed %d)",
        stats.dropped + stats.failed + waiting,
        stats.dropped,
        stats.failed,
    )


live_setups: Final = LiveSetups()
