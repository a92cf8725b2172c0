"""The gate between the code that is traced and the set-up, and the call sites that pass it.

A call site holds its verdict, so that a call which nobody wants costs one attribute read. The
verdicts are computed anew, for all call sites at once, when the gate changes.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, Final, Protocol

from tracekit._base import forks
from tracekit._base.levels import Level
from tracekit._filters.filter import Filter
from tracekit._filters.filter_set import ALL_EXPORTERS, NO_EXPORTER, DynamicFilter, FilterSet


class Backend(Protocol):
    """What the set-up floor hands down: who makes the spans.

    Attributes:
        ends_traces: Whether nothing is ever recorded inside of an unsampled trace.
    """

    ends_traces: bool

    def tracer(self, target: str) -> Any:
        """The OpenTelemetry tracer for a target, or None where nothing is to be recorded."""


class CallSite:
    """A place in the program that makes spans, with all that is known before it is called.

    Attributes:
        target: What filters match on.
        level: How important its spans are.
        off: The verdict: True where no span of this place is wanted, whatever the call.
        judge: What decides call by call; None where `wanted` is the answer to every call.
        wanted: The mask of those who want its spans.
        inherits: Whether its spans may stand in a scope, which they pass on to what is inside.
        tracer: The tracer for this place, kept while `tracer_source` is still the one in force.
    """

    __slots__ = (
        "__weakref__",
        "dynamic_filter",
        "inherits",
        "level",
        "off",
        "target",
        "tracer",
        "tracer_source",
        "wanted",
    )

    def __init__(self, target: str, level: Level) -> None:
        self.target = target
        self.level = level
        self.off = False
        self.dynamic_filter: DynamicFilter | None = None
        self.wanted = ALL_EXPORTERS
        self.inherits = False
        self.tracer: Any = None
        self.tracer_source: object = None
        registry.admit(self)

    def refresh(self, filters: FilterSet) -> None:
        """Take a new verdict and forget what the old set-up made."""
        self.tracer = self.tracer_source = None
        self.wanted = filters.static_mask(self.target, self.level)
        self.inherits = filters.is_dynamic
        self.dynamic_filter = self.make_dynamic_filter(filters)
        self.off = self.wanted == NO_EXPORTER and self.dynamic_filter is None

    def make_dynamic_filter(self, filters: FilterSet) -> DynamicFilter | None:
        """What decides call by call, for a place whose spans have any name."""
        return filters.dynamic_filter(self.target, self.level, None)


class CallSiteRegistry:
    """What is in force for the whole process: the filters, and who makes spans.

    Attributes:
        backend: Who makes the spans, or None where no set-up was made and OpenTelemetry's global
            provider is asked.
    """

    def __init__(self) -> None:
        self.backend: Backend | None = None
        self._filters: FilterSet | None = None
        self._sites: weakref.WeakSet[CallSite] = weakref.WeakSet()
        self._lock = threading.RLock()
        forks.watch(self)

    @property
    def filters(self) -> FilterSet:
        """The filters in force."""
        if self._filters is None:
            self._filters = FilterSet([Filter.from_environment()])
        return self._filters

    def change(self, backend: Backend | None, filters: FilterSet | None) -> None:
        """Put a set-up in force, effective for the next call everywhere.

        Args:
            backend: Who makes the spans from now on; None leaves it to OpenTelemetry's global
                provider.
            filters: What is wanted from now on; None reads the environment.
        """
        with self._lock:
            self.backend = backend
            self._filters = filters
            self.refresh()

    def refresh(self) -> None:
        """Compute every verdict anew."""
        with self._lock:
            filters = self.filters
            for site in self._all_sites():
                site.refresh(filters)

    def _all_sites(self) -> list[CallSite]:
        while True:
            try:
                return list(self._sites)
            except RuntimeError:
                # A finalizer that decorates something ran in between.
                continue

    def after_fork_in_child(self) -> None:
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
            site.refresh(self.filters)


registry: Final = CallSiteRegistry()
