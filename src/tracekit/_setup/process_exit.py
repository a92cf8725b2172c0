"""The exit of a process: flush at the end of workers, with one deadline for all set-ups.

`atexit` does not run in a process that `multiprocessing` started: such a process ends by
`os._exit`. It runs the finalizers of `multiprocessing` instead. A forked process forgets the
finalizers of its parent, so the finalizer is added again after each fork.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from multiprocessing import process as _process
from multiprocessing import util as _util
from typing import Final

from tracekit._setup.termination import TerminationHandler

# The seconds that all flushes at the exit of a process may take together.
EXIT_TIMEOUT = 10.0
# The same after SIGTERM, whose sender waits for the process.
TERMINATION_TIMEOUT = 3.0

# Finalizers with a higher priority end the worker's own pools and queues first.
_PRIORITY: Final = 0


class ExitDeadline:
    """The deadline that all flushes at the exit of a process share."""

    def __init__(self) -> None:
        self._deadline: float | None = None

    def start(self, seconds: float) -> None:
        """Begin a deadline now."""
        self._deadline = time.monotonic() + seconds

    def reset(self) -> None:
        """Let the next call of `remaining_seconds` begin the deadline of an exit."""
        self._deadline = None

    def remaining_seconds(self) -> float:
        """Return the seconds until the deadline."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + EXIT_TIMEOUT
        return max(0.0, self._deadline - now)


exit_deadline: Final = ExitDeadline()


class WorkerExit:
    """Flushes a process of `multiprocessing` when it exits.

    Attributes:
        termination: The handler of `SIGTERM`.
    """

    def __init__(self) -> None:
        self.termination = TerminationHandler(self._flush_before_termination)
        self._flush: Callable[[], object] | None = None

    def flush_with(self, flush: Callable[[], object]) -> None:
        """Call a function when this process or a child of it exits, if that process is a worker.

        Args:
            flush: Delivers the spans of the process before `exit_deadline`.
        """
        is_first, self._flush = self._flush is None, flush
        if is_first:
            _util.register_after_fork(self, WorkerExit._add_finalizer)
        if _process.parent_process() is not None and self.termination.worker_pid != os.getpid():
            self._add_finalizer()

    def _add_finalizer(self) -> None:
        exit_deadline.reset()
        self.termination.start()
        _util.Finalize(None, self._exit_worker, exitpriority=_PRIORITY)

    def _exit_worker(self) -> None:
        if self._flush is None:
            return
        with self.termination.deferred():
            self._flush()
        threads = [one for one in threading.enumerate() if _blocks_exit(one)]
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
        if self._flush is not None:
            exit_deadline.reset()
            self._flush()

    def _flush_before_termination(self) -> None:
        if self._flush is not None:
            exit_deadline.start(TERMINATION_TIMEOUT)
            self._flush()


worker_exit: Final = WorkerExit()


def _blocks_exit(thread: threading.Thread) -> bool:
    return not thread.daemon and thread not in (
        threading.current_thread(),
        threading.main_thread(),
    )
