"""`Telemetry`: the handle of a set-up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Protocol

from opentelemetry.sdk.trace import TracerProvider

from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log_warning
from tracekit._delivery.deadlines import check_timeout
from tracekit._delivery.stats import Stats
from tracekit._filters.filter import Filter
from tracekit._filters.filter_set import FilterSet
from tracekit._setup.choices import resolve_filter
from tracekit._setup.components import ExporterFilters
from tracekit._setup.lifecycle import Lifecycle

DEFAULT_TIMEOUT: Final = 30.0
# Servers wait for the end of a lifespan before they end the process.
LIFESPAN_TIMEOUT: Final = 3.0


class WorkerInitializer(Protocol):
    """Sets up worker processes like this process, and can be pickled."""

    setup_id: str

    def __call__(self, *args: object, **kwargs: object) -> None:
        """Set up the process that calls it."""

    def use_filters(self, filters: ExporterFilters) -> None:
        """Use other filters in the workers that start from now on."""

    def warn_of_memory_exporters(self) -> None:
        """Log once that spans in the memory of a worker do not reach this process."""


class Telemetry:
    """The handle of what `init_telemetry` or a `TelemetryBuilder` has set up.

    As a context manager it shuts down, and so flushes, when the block ends.

    Example:
        ```python
        import tracekit
        from tracekit import exporters, span

        with tracekit.init_telemetry("demo", exporter=exporters.memory()) as telemetry:
            with span("work"):
                pass
            assert telemetry.flush(timeout=5.0)
            assert telemetry.stats.exported == 1
        ```
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        worker_initializer: WorkerInitializer,
        apply_filters: Callable[[FilterSet], None],
    ) -> None:
        # The runtime creates it. A docstring would show these arguments as public ones.
        self._lifecycle = lifecycle
        self._filters = lifecycle.components.filters
        self._worker_initializer = worker_initializer
        self._apply_filters = apply_filters

    @property
    def tracer_provider(self) -> TracerProvider:
        """The OpenTelemetry tracer provider of this set-up."""
        return self._lifecycle.provider

    @property
    def filter(self) -> Filter:
        """The filter of every exporter that has none of its own."""
        return self._filters.default

    @property
    def filters(self) -> Mapping[str, Filter]:
        """The filter of each exporter, by its name in `stats`."""
        return self._filters.by_exporter()

    def set_filter(self, directives: str | Filter, *, exporter: str | None = None) -> None:
        """Replace the filter, with effect from the next call on in all threads.

        Spans that are open end as they began.

        Args:
            directives: Directives, or a `Filter`.
            exporter: The exporter whose filter is replaced, by its name in `stats`. By default the
                filters of all exporters are replaced, their own ones included.

        Raises:
            FilterSyntaxError: The text does not parse; the old filter stays.
            ConfigurationError: No exporter has that name.
        """
        new = resolve_filter(directives)
        with self._lifecycle.lock:
            self._filters = self._filters.replaced(new, exporter)
            self._worker_initializer.use_filters(self._filters)
            if not self._lifecycle.is_shut_down:
                self._apply_filters(self._filters.filter_set())

    @property
    def in_worker(self) -> Callable[..., None]:
        """A function that sets up a worker process like this process.

        It is for engines that have a hook for their worker processes. `tracekit.executors` call it
        themselves. It can be pickled, ignores its arguments, never raises, and does nothing in a
        process in which it was called before. The worker's spans are delivered when it exits
        through Python.

        An argument that cannot be pickled, such as an exporter in use, does not reach the worker. A
        warning on the logger `tracekit` reports it once.

        Example:
            ```python
            import tracekit

            telemetry = tracekit.init_telemetry("shop", exporter="none")
            post_fork = telemetry.in_worker  # in gunicorn's configuration
            ```
        """
        return self._worker_initializer

    @property
    def stats(self) -> Stats:
        """The counts of spans so far: started, and per exporter delivered, lost and waiting."""
        return self._lifecycle.stats

    def flush(self, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Deliver the spans that have ended.

        Args:
            timeout: The deadline in seconds. It holds even if an exporter hangs.

        Returns:
            Whether all spans were delivered in time, and none was lost since the last flush.

        Raises:
            ConfigurationError: The timeout is not a number, or below 0.
        """
        return self._lifecycle.flush(check_timeout(timeout))

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Deliver the spans at the end of the lifespan of an ASGI application.

        The server ends the lifespan after the last request, and waits for it before it ends the
        process. The delivery takes 3 seconds at most, and a loss is logged.

        Args:
            app: The application, which is not used.

        Example:
            ```python
            import tracekit
            from fastapi import FastAPI

            telemetry = tracekit.init_telemetry("shop", exporter="none")
            app = FastAPI(lifespan=telemetry.lifespan)
            ```
        """
        try:
            yield
        finally:
            # The event loop has no more requests that could wait for it.
            if not self._lifecycle.flush(LIFESPAN_TIMEOUT):
                log_warning("at the end of the lifespan, not all spans had been delivered")

    def shutdown(self, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Deliver the spans that have ended, and end the set-up.

        Args:
            timeout: The deadline in seconds. It holds even if an exporter hangs. Spans that still
                wait then are dropped and counted.

        Returns:
            Whether all spans were delivered in time, and none was lost since the last flush. A
            second call waits for the same shutdown with a deadline of its own, and returns the
            same.

        Raises:
            ConfigurationError: The timeout is not a number, or below 0.
        """
        return self._lifecycle.shutdown(check_timeout(timeout))

    def __enter__(self) -> Telemetry:
        if self._lifecycle.is_shut_down:
            raise ConfigurationError(
                "this telemetry was shut down; call init_telemetry or build() again"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.shutdown()
