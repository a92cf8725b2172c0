"""`Telemetry`: the handle to what was set up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from tracekit._base import forks
from tracekit._base.errors import ConfigurationError
from tracekit._delivery import deadlines
from tracekit._delivery.counts import Stats
from tracekit._delivery.deadlines import Wait
from tracekit._delivery.processor import Delivery
from tracekit._filters.filter import Filter
from tracekit._filters.filter_set import FilterSet
from tracekit._sdk.provider import LiveTracerProvider
from tracekit._sdk.start_counter import StartCounter
from tracekit._setup.filter_choice import resolve_filter
from tracekit._setup.parts import Parts, filter_set

DEFAULT_TIMEOUT: Final = 30.0


class Telemetry:
    """What `init_telemetry` or a `TelemetryBuilder` set up.

    As a context manager it flushes and shuts down when the block is left.

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
        parts: Parts,
        provider: TracerProvider,
        *,
        on_filters: Callable[[FilterSet], None],
        on_shutdown: Callable[[Telemetry], None] | None = None,
    ) -> None:
        """Made by `init_telemetry` and `TelemetryBuilder`, not by hand.

        Args:
            parts: What was set up.
            provider: Who makes the spans.
            on_filters: Puts other filters in force.
            on_shutdown: Takes the set-up out of force, before anything is shut down.
        """
        self._parts = parts
        self._provider = provider
        self._on_filters = on_filters
        self._on_shutdown = on_shutdown
        self._filter = parts.filter
        self._own_filters = dict(parts.own_filters)
        self._ends: list[Wait] | None = None
        self._is_over = False
        self._renew_locks()
        forks.register(self)

    def _renew_locks(self) -> None:
        # Reentrant: a signal handler may call any of this while its own thread is in here.
        self._changing = threading.RLock()
        self._ending = threading.RLock()

    @property
    def tracer_provider(self) -> TracerProvider:
        """The OpenTelemetry tracer provider of this set-up."""
        return self._provider

    @property
    def filter(self) -> Filter:
        """The directives in force for every exporter that has none of its own."""
        return self._filter

    @property
    def filters(self) -> Mapping[str, Filter]:
        """The directives in force for each exporter, by its name in `stats`."""
        names = [one.name for one in self._parts.deliveries]
        return {name: self._own_filters.get(name, self._filter) for name in names}

    def set_filter(self, directives: str | Filter, *, exporter: str | None = None) -> None:
        """Put other directives in force, for the next call everywhere; open spans end as begun.

        Args:
            directives: Directives, or a `Filter`.
            exporter: The exporter that they are for, by its name in `stats`. By default they are
                for all exporters, those with directives of their own included.

        Raises:
            FilterSyntaxError: The text does not parse; the old directives stay.
            ConfigurationError: There is no exporter of that name.
        """
        new = resolve_filter(directives)
        names = list(self.filters)
        if exporter is not None and exporter not in names:
            there_are = ", ".join(map(repr, names)) or "no exporters"
            raise ConfigurationError(f"exporter={exporter!r} is not set up; there are {there_are}")
        with self._changing:
            if exporter is None:
                self._filter, self._own_filters = new, {}
            else:
                self._own_filters = {**self._own_filters, exporter: new}
            self._parts.in_worker.follow(self._filter, self._own_filters)
            if self._ends is None:
                self._on_filters(filter_set(self._filter, self.filters.values()))

    @property
    def in_worker(self) -> Callable[..., None]:
        """Sets up a process that works for this one, as this one is set up.

        It can be pickled, takes and ignores any arguments, raises nothing, and does nothing where
        it was called before. It is for the engines of others that have a hook for their worker
        processes; `tracekit.executors` need none. What ends in the worker is delivered when it
        leaves through Python.

        What cannot be pickled, such as an exporter that is in use, does not go there, which is said
        once to the logger `tracekit`.

        Example:
            ```python
            import tracekit

            telemetry = tracekit.init_telemetry("shop", exporter="none")
            post_fork = telemetry.in_worker  # in gunicorn's configuration
            ```
        """
        return self._parts.in_worker

    def after_fork_in_child(self) -> None:
        """Go on in a forked process, which counts its own spans only."""
        self._renew_locks()
        StartCounter.__init__(self._parts.counter)

    @property
    def stats(self) -> Stats:
        """What became of the spans so far."""
        return Stats(
            started=self._parts.counter.started,
            exporters={one.name: one.stats for one in self._parts.deliveries},
        )

    def flush(self, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Deliver the spans that have ended.

        Args:
            timeout: How long to wait for it, in seconds; kept even where an exporter hangs.

        Returns:
            Whether they were delivered in time, and none was lost since the last flush.

        Raises:
            ConfigurationError: The timeout is no number from 0 on.
        """
        seconds = deadlines.check_timeout(timeout)
        waits = [one.begin_flush() for one in self._parts.deliveries]
        waits += [deadlines.begin_flush(one, seconds) for one in self._all_processors()]
        return deadlines.wait_for_all(waits, seconds)

    def _all_processors(self) -> tuple[SpanProcessor, ...]:
        return (*self._parts.processors, *self._added())

    def _added(self) -> tuple[SpanProcessor, ...]:
        provider = self._provider
        return provider.added if isinstance(provider, LiveTracerProvider) else ()

    def shutdown(self, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Deliver the spans that have ended, and end the set-up.

        Args:
            timeout: How long to wait for it, in seconds; kept even where an exporter hangs. Spans
                that wait even then are dropped and counted.

        Returns:
            Whether all was delivered in time, and none was lost since the last flush. A second
            call waits for the same end, as long as it is told to, and gives the same answer.

        Raises:
            ConfigurationError: The timeout is no number from 0 on.
        """
        seconds = deadlines.check_timeout(timeout)
        return self._wait_for_end(self.begin_shutdown(seconds), seconds)

    def give_way(self, successor: Parts, timeout: float) -> bool:
        """End the set-up, but leave alive what another one goes on with.

        Args:
            successor: The other one.
            timeout: How long to wait for it, in seconds.

        Returns:
            What `shutdown` gives.
        """
        return self._wait_for_end(self.begin_shutdown(timeout, successor), timeout)

    def _wait_for_end(self, ends: list[Wait], seconds: float) -> bool:
        answer = deadlines.wait_for_all(ends, seconds)
        # Not where the wait was interrupted: then the exit of the interpreter waits once more.
        self._is_over = True
        return answer

    @property
    def is_over(self) -> bool:
        """Whether it was shut down, and someone has waited for that."""
        return self._is_over

    def begin_shutdown(self, seconds: float, successor: Parts | None = None) -> list[Wait]:
        """Begin to end the set-up, if nobody has, and give what waits for it.

        Args:
            seconds: How long processors of the user's own may take.
            successor: Another one, that goes on with some of its exporters and processors.
        """
        # The lock is held to begin only, so that everyone waits with a deadline of his own.
        with self._ending:
            if self._ends is None:
                self._ends = []
                try:
                    self._begin_ends(self._ends, seconds, successor)
                except BaseException:
                    # Interrupted: the next one begins again, at the latest when Python exits.
                    self._ends = None
                    raise
            return self._ends.copy()

    def _begin_ends(self, ends: list[Wait], seconds: float, successor: Parts | None) -> None:
        if self._on_shutdown is not None:
            self._on_shutdown(self)
        for delivery in self._parts.deliveries:
            delivery.is_shared = _is_in(delivery, successor)
            ends.append(delivery.begin_shutdown())
        ends += self._end_processors(seconds, successor)

    def _end_processors(self, seconds: float, successor: Parts | None) -> list[Wait]:
        kept = () if successor is None else (*successor.processors, *self._added())
        ends = [
            deadlines.begin_flush(one, seconds) if one in kept else deadlines.begin_shutdown(one)
            for one in self._all_processors()
        ]
        if successor is None and isinstance(self._provider, LiveTracerProvider):
            self._provider.forget_added()
        return ends

    def __enter__(self) -> Telemetry:
        if self._ends is not None:
            raise ConfigurationError("this telemetry was shut down; set it up anew")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.shutdown()


def _is_in(delivery: Delivery, successor: Parts | None) -> bool:
    others = () if successor is None else successor.deliveries
    return any(one.exporter is delivery.exporter for one in others)
