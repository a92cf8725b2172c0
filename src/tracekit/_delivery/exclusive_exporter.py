"""An exporter that one thread at a time calls, and no thread while the process forks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._base import forks
from tracekit._base.log import log_warning
from tracekit._delivery.export_outcome import ExportBatch, ExportOutcome, attempt_export


class ExclusiveExporter:
    """An exporter, with the lock that its calls hold.

    A process that is forked while a thread is inside gRPC, or holds a lock of an exporter, gets a
    copy in which neither works. So a fork takes the lock as well.

    A forked child recreates the exporter before its first export, if that is possible. Until then
    the exporter is the parent's to flush and to shut down.

    Args:
        exporter: The exporter.
        name: Its name in log messages.

    Attributes:
        exporter: The exporter, which is another one after it was recreated.
        name: Its name.
    """

    def __init__(self, exporter: SpanExporter, name: str) -> None:
        self.exporter = exporter
        self.name = name
        self._is_inherited = False
        self._reset()
        forks.register(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._calling_thread: int | None = None
        self._calls = 0
        self._hanging_call: int | None = None

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._lock:
            self._calls += 1
            self._calling_thread = threading.get_ident()
            try:
                yield
            finally:
                self._calling_thread = None

    @property
    def is_called(self) -> bool:
        """Whether a thread is inside the exporter."""
        return self._calling_thread is not None

    @property
    def is_called_from_here(self) -> bool:
        """Whether that thread is the current one, which must not wait for the exporter."""
        return self._calling_thread == threading.get_ident()

    def export(self, batch: ExportBatch, timeout: float) -> ExportOutcome:
        """Make one attempt to export a batch.

        Args:
            batch: The spans.
            timeout: Seconds that it may take.
        """
        # Not right after the fork: most forks are followed by an exec, or never end a span.
        if self._is_inherited:
            self._is_inherited = False
            self.exporter = _recreate(self.exporter, self.name)
        with self._calling():
            return attempt_export(self.exporter, batch, timeout)

    def flush(self) -> BaseException | None:
        """Flush the exporter, unless it is the parent process's.

        Returns:
            What it raised if that is not an `Exception`. An `Exception` is logged.
        """
        return self._call("flush", self.exporter.force_flush)

    def shutdown(self) -> BaseException | None:
        """Shut the exporter down, unless it is the parent process's.

        Returns:
            As for `flush`.
        """
        return self._call("shut down", self.exporter.shutdown)

    def _call(self, action: str, function: Callable[[], object]) -> BaseException | None:
        if self._is_inherited:
            return None
        try:
            with self._calling():
                function()
        except BaseException as error:
            log_warning("the exporter %s failed to %s: %r", self.name, action, error)
            return None if isinstance(error, Exception) else error
        return None

    def before_fork(self, timeout: float) -> bool:
        """Wait until no thread is inside the exporter, and keep threads out of it.

        A fork waits only once for a call that hangs: not again for a call that outlasted the
        timeout of an earlier fork.

        Args:
            timeout: The seconds to wait.

        Returns:
            Whether threads are kept out.
        """
        call = self._calls
        if self._lock.acquire(timeout=0.0 if call == self._hanging_call else timeout):
            return True
        self._hanging_call = call
        return False

    def after_fork_in_parent(self) -> None:
        """Let threads into the exporter again."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Let threads into the exporter, and recreate it before the first export."""
        self._is_inherited = True
        self._reset()


# Never closed: closing a channel waits for threads that do not exist in a forked process. So they
# are kept from the garbage collector too.
_inherited: Final[list[SpanExporter]] = []


def _recreate(exporter: SpanExporter, name: str) -> SpanExporter:
    recreate: Callable[[], SpanExporter] | None = getattr(exporter, "recreate", None)
    if recreate is None:
        return exporter
    _inherited.append(exporter)
    try:
        return recreate()
    except Exception as error:
        log_warning("the exporter %s was not recreated after a fork: %r", name, error)
        return exporter
