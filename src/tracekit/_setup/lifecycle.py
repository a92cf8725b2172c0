"""The lifecycle of a set-up's span processors: flush, shutdown, and reset after a fork.

A wait is a function that waits for the end of something that runs in another thread. A flush or a
shutdown first begins everywhere and then waits, so that processors work at the same time and share
one deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from tracekit._base import forks
from tracekit._delivery import deadlines
from tracekit._delivery.deadlines import Wait
from tracekit._delivery.stats import Stats
from tracekit._sdk.provider import LiveTracerProvider
from tracekit._setup.components import Components


class Lifecycle:
    """Flushes, shuts down and counts what one set-up delivers.

    Args:
        components: The components of the set-up.
        provider: The provider, which may hold further processors.
        on_shutdown: Called before anything is shut down, to uninstall the set-up.

    Attributes:
        lock: Held while the set-up changes: its filters, or its end. A signal handler may change it
            while its own thread holds the lock, so the lock is reentrant.
        is_finished: Whether a shutdown has begun and its wait has ended. A wait that was
            interrupted does not count: the exit of the interpreter waits once more.
    """

    def __init__(
        self,
        components: Components,
        provider: TracerProvider,
        on_shutdown: Callable[[Lifecycle], None] | None = None,
    ) -> None:
        self.components = components
        self.provider = provider
        self._on_shutdown = on_shutdown
        self._shutdown_waits: list[Wait] | None = None
        self.is_finished = False
        self.lock = threading.RLock()
        forks.register(self)

    def after_fork_in_child(self) -> None:
        """Replace the lock, which another thread of the parent may hold, in a forked process."""
        self.lock = threading.RLock()

    @property
    def stats(self) -> Stats:
        """The counts of spans so far."""
        return Stats(
            started=self.components.counter.started,
            exporters={one.name: one.stats for one in self.components.export_processors},
        )

    @property
    def is_shut_down(self) -> bool:
        """Whether a shutdown has begun."""
        return self._shutdown_waits is not None

    def flush(self, seconds: float) -> bool:
        """Deliver the spans that have ended.

        Returns:
            Whether all spans were delivered in time, and none was lost since the last flush.
        """
        waits = [one.begin_flush() for one in self.components.export_processors]
        waits += [deadlines.begin_flush(one, seconds) for one in self._all_processors()]
        return deadlines.wait_for_all(waits, seconds)

    def shutdown(self, seconds: float, successor: Components | None = None) -> bool:
        """Deliver the spans that have ended, and end the set-up.

        Args:
            seconds: The deadline.
            successor: The components of the set-up that replaces this one. Exporters and processors
                that it uses as well are flushed and stay open.

        Returns:
            Whether all spans were delivered in time, and none was lost since the last flush. A
            second call waits for the same shutdown and returns the same.
        """
        is_delivered = deadlines.wait_for_all(self.begin_shutdown(seconds, successor), seconds)
        self.is_finished = True
        return is_delivered

    def begin_shutdown(self, seconds: float, successor: Components | None = None) -> list[Wait]:
        """Begin the shutdown, unless it has begun, and return its waits. See `shutdown`."""
        # The lock is not held while waiting: each caller has a deadline of its own.
        with self.lock:
            if self._shutdown_waits is None:
                self._shutdown_waits = []
                try:
                    self._begin_shutdowns(self._shutdown_waits, seconds, successor)
                except BaseException:
                    # Interrupted. The next call begins again, at the latest the one at exit.
                    self._shutdown_waits = None
                    raise
            return self._shutdown_waits.copy()

    def _begin_shutdowns(
        self, waits: list[Wait], seconds: float, successor: Components | None
    ) -> None:
        if self._on_shutdown is not None:
            self._on_shutdown(self)
        shared = () if successor is None else successor.export_processors
        for delivery in self.components.export_processors:
            keep_exporter = any(one.exporter is delivery.exporter for one in shared)
            waits.append(delivery.begin_shutdown(keep_exporter=keep_exporter))
        kept = () if successor is None else (*successor.processors, *self._added_processors())
        for processor in self._all_processors():
            if processor in kept:
                waits.append(deadlines.begin_flush(processor, seconds))
            else:
                waits.append(deadlines.begin_call(processor.shutdown, "shutdown"))
        if successor is None and isinstance(self.provider, LiveTracerProvider):
            self.provider.forget_added_processors()

    def _all_processors(self) -> tuple[SpanProcessor, ...]:
        return (*self.components.processors, *self._added_processors())

    def _added_processors(self) -> tuple[SpanProcessor, ...]:
        provider = self.provider
        return provider.added_processors if isinstance(provider, LiveTracerProvider) else ()
