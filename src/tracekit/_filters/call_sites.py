"""Call sites, and the registry that keeps their interest up to date.

A call site is a piece of the program that makes spans: a decorated function, or a `span()` block.
What the filters say about its target and level is the same for every call, so the call site caches
the answer, its *interest*, as in Rust's tracing:

- *never*: `disabled` is true. A call costs one attribute read.
- *sometimes*: `dynamic_filter` decides call by call.
- *always*: `exporter_mask` says which exporters take the spans of every call.

The registry rebuilds the interest of all call sites when the filters change.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, Final, Protocol

from tracekit._base import forks
from tracekit._base.levels import Level
from tracekit._filters.filter import filter_from_environment
from tracekit._filters.filter_set import ALL_EXPORTERS, NO_EXPORTERS, DynamicFilter, FilterSet


class Backend(Protocol):
    """The part of a set-up that makes spans; a higher room implements it."""

    # Whether a span whose parent is not sampled is never recorded.
    drops_unsampled_children: bool

    def tracer(self, target: str) -> Any:
        """Return the OpenTelemetry tracer for a target, or None if nothing is recorded."""


class CallSite:
    """A piece of the program that makes spans, and its interest in being called.

    Attributes:
        target: The name that filters match.
        level: The level of its spans.
        disabled: Whether no call makes a span.
        dynamic_filter: Decides call by call; None if `exporter_mask` holds for every call.
        exporter_mask: The exporters that take its spans wherever they stand.
        inherits_scope: Whether its spans pass on the filter scope around them.
        tracer: The tracer of `tracer_source` for the target.
        tracer_source: The object that `tracer` came from; another one in force makes it stale.
    """

    __slots__ = (
        "__weakref__",
        "disabled",
        "dynamic_filter",
        "exporter_mask",
        "inherits_scope",
        "level",
        "target",
        "tracer",
        "tracer_source",
    )

    def __init__(self, target: str, level: Level) -> None:
        self.target = target
        self.level = level
        self.disabled = False
        self.dynamic_filter: DynamicFilter | None = None
        self.exporter_mask = ALL_EXPORTERS
        self.inherits_scope = False
        self.tracer: Any = None
        self.tracer_source: object = None
        registry.register(self)

    def update_interest(self, filters: FilterSet) -> None:
        """Cache what the filters say about this call site, and drop the tracer."""
        self.tracer = self.tracer_source = None
        self.exporter_mask = filters.static_mask(self.target, self.level)
        self.inherits_scope = filters.is_dynamic
        self.dynamic_filter = self.find_dynamic_filter(filters)
        self.disabled = self.exporter_mask == NO_EXPORTERS and self.dynamic_filter is None

    def find_dynamic_filter(self, filters: FilterSet) -> DynamicFilter | None:
        """Return the filter to ask at each call; a subclass whose spans have one name passes it."""
        return filters.dynamic_filter_for(self.target, self.level, None)


class CallSiteRegistry:
    """All call sites of the process, and the set-up that they work for."""

    def __init__(self) -> None:
        # None without a set-up, where OpenTelemetry's global provider makes the spans.
        self.backend: Backend | None = None
        self._filters: FilterSet | None = None
        self._sites: weakref.WeakSet[CallSite] = weakref.WeakSet()
        self.lock = threading.RLock()
        forks.register(self)

    @property
    def filters(self) -> FilterSet:
        """The filters in force."""
        if self._filters is None:
            self._filters = FilterSet([filter_from_environment()])
        return self._filters

    def configure(self, backend: Backend | None, filters: FilterSet | None) -> None:
        """Put a set-up in force; the next call of every call site follows it.

        Args:
            backend: Makes the spans from now on; None for OpenTelemetry's global provider.
            filters: The filters from now on; None reads the environment.
        """
        with self.lock:
            self.backend = backend
            self._filters = filters
            self.rebuild_interest()

    def register(self, site: CallSite) -> None:
        """Keep the interest of a call site up to date while it lives."""
        with self.lock:
            self._sites.add(site)
            site.update_interest(self.filters)

    def rebuild_interest(self) -> None:
        """Update the interest of every call site."""
        with self.lock:
            filters = self.filters
            for site in self._living_sites():
                site.update_interest(filters)

    def _living_sites(self) -> list[CallSite]:
        while True:
            try:
                return list(self._sites)
            except RuntimeError:
                # A finalizer that decorates something changed the set meanwhile.
                continue

    def after_fork_in_child(self) -> None:
        """Replace the lock, and finish what a thread of the parent had begun under it."""
        was_held_by_another_thread = not self.lock.acquire(blocking=False)
        self.lock = threading.RLock()
        if was_held_by_another_thread:
            self.rebuild_interest()


registry: Final = CallSiteRegistry()
