"""Who is at an exporter: one thread at a time, and none while the process is forked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk.trace.export import SpanExporter

from tracekit._base.log import log_warning


class ExporterLock:
    """Whether a thread is calling an exporter, and which.

    A copy of a process in which a thread is within gRPC, or holds a lock of an exporter's, is a
    process in which neither works.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._caller: int | None = None
        self._calls = 0
        self._call_that_hangs: int | None = None

    @contextmanager
    def calling(self) -> Iterator[None]:
        """The time of a call."""
        with self._lock:
            self._calls += 1
            self._caller = threading.get_ident()
            try:
                yield
            finally:
                self._caller = None

    @property
    def is_called(self) -> bool:
        """Whether a thread is at it."""
        return self._caller is not None

    @property
    def is_called_from_here(self) -> bool:
        """Whether it is this thread, which would wait for itself."""
        return self._caller == threading.get_ident()

    def before_fork(self, seconds: float) -> bool:
        """Keep all threads out while the process is forked.

        A call that outlasted the patience of one fork is not waited for by the next.
        """
        call = self._calls
        patience = 0.0 if call == self._call_that_hangs else seconds
        if self._lock.acquire(timeout=patience):
            return True
        self._call_that_hangs = call
        return False

    def after_fork_in_parent(self) -> None:
        """Let threads in again."""
        self._lock.release()


def recreate_exporter(exporter: SpanExporter, name: str) -> SpanExporter:
    """An exporter for a child process, in place of the one that it inherited."""
    fresh: Callable[[], SpanExporter] | None = getattr(exporter, "fresh", None)
    if fresh is None:
        return exporter
    # Closing what the parent uses would wait for threads that are not here.
    _kept_as_inherited.append(exporter)
    try:
        return fresh()
    except Exception as error:
        log_warning("the exporter %s was not made anew: %r", name, error)
        return exporter


def call_in_background(function: Callable[[], Any], name: str) -> None:
    """Call what may hang from a thread that nobody waits for, if there can be one."""
    try:
        threading.Thread(target=function, name=name, daemon=True).start()
    except RuntimeError:
        return


_kept_as_inherited: Final[list[SpanExporter]] = []
