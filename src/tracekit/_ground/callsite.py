"""The gate between the code that is traced and the set-up, and the call sites that pass it.

A call site holds its verdict, so that a call which nobody wants costs one attribute read. The
verdicts are computed anew, for all call sites at once, when the gate changes.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, Final, Protocol

from tracekit._ground import forks
from tracekit._ground.filter import Filter
from tracekit._ground.levels import Level


class Backend(Protocol):
    """What the set-up floor hands down: who makes the spans."""

    def tracer(self, target: str) -> Any:
        """The OpenTelemetry tracer for a target, or None where nothing is to be recorded."""


class CallSite:
    """A place in the program that makes spans, with all that is known before it is called.

    Attributes:
        off: The verdict: True where no span of this place is wanted.
        tracer: The tracer for this place, kept while `tracer_source` is still the one in force.
    """

    __slots__ = ("__weakref__", "level", "off", "target", "tracer", "tracer_source")

    def __init__(self, target: str, level: Level) -> None:
        self.target = target
        self.level = level
        self.off = False
        self.tracer: Any = None
        self.tracer_source: object = None
        gate.admit(self)

    def refresh(self, enabled: bool) -> None:
        """Take a new verdict and forget what the old set-up made."""
        self.off = not enabled
        self.tracer = self.tracer_source = None


class Gate:
    """What is in force for the whole process: the filter, and who makes spans.

    Attributes:
        backend: Who makes the spans, or None where no set-up was made and OpenTelemetry's global
            provider is asked.
        filter: The directives in force.
    """

    def __init__(self) -> None:
        self.backend: Backend | None = None
        self._filter: Filter | None = None
        self._sites: weakref.WeakSet[CallSite] = weakref.WeakSet()
        self._verdicts: dict[tuple[str, Level], bool] = {}
        self._lock = threading.RLock()
        forks.watch(self)

    @property
    def filter(self) -> Filter:
        """The directives in force."""
        if self._filter is None:
            self._filter = Filter.from_environment()
        return self._filter

    def change(self, backend: Backend | None, filter: Filter | None) -> None:
        """Put a set-up in force, effective for the next call everywhere.

        Args:
            backend: Who makes the spans from now on; None leaves it to OpenTelemetry's global
                provider.
            filter: What is wanted from now on; None reads the environment.
        """
        with self._lock:
            self.backend = backend
            self._filter = filter
            self.refresh()

    def refresh(self) -> None:
        """Compute every verdict anew."""
        with self._lock:
            self._verdicts.clear()
            for site in list(self._sites):
                site.refresh(self.enables(site.target, site.level))

    def begin_anew(self) -> None:
        """Go on in a forked process, where nobody will ever release the lock that was held."""
        held_elsewhere = not self._lock.acquire(blocking=False)
        self._lock = threading.RLock()
        if held_elsewhere:
            # The thread that was at it is not here to bring it to its end.
            self.refresh()

    def admit(self, site: CallSite) -> None:
        """Give a new call site its verdict, and keep it up to date while it lives."""
        with self._lock:
            self._sites.add(site)
            site.refresh(self.enables(site.target, site.level))

    def enables(self, target: str, level: Level) -> bool:
        """Whether a span or an event of this target and level is wanted."""
        verdict = self._verdicts.get((target, level))
        if verdict is None:
            verdict = self.filter.enables(target, level)
            if len(self._verdicts) < _MOST_VERDICTS:
                self._verdicts[target, level] = verdict
        return verdict


_MOST_VERDICTS: Final = 10_000

gate: Final = Gate()
