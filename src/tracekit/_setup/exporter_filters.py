"""The filters of a set-up: one default, and those of single exporters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tracekit._base.errors import ConfigurationError
from tracekit._filters.filter import Filter
from tracekit._filters.filter_set import FilterSet


@dataclass(frozen=True)
class ExporterFilters:
    """The filters of a set-up's exporters.

    Attributes:
        default: The filter of every exporter that has none of its own.
        own: The filters of single exporters, by the exporter's name.
        exporters: The names of all exporters, in their order.
    """

    default: Filter
    own: Mapping[str, Filter]
    exporters: tuple[str, ...]

    def by_exporter(self) -> dict[str, Filter]:
        """Return the filter of each exporter, by the exporter's name."""
        return {name: self.own.get(name, self.default) for name in self.exporters}

    def filter_set(self) -> FilterSet:
        """Return the filters of all exporters in their order; without exporters the default."""
        return FilterSet(list(self.by_exporter().values()) or [self.default])

    def replaced(self, new: Filter, exporter: str | None) -> ExporterFilters:
        """Return these filters with another one for one exporter or for all.

        Args:
            new: The filter.
            exporter: The exporter's name; None for all exporters and the default.

        Raises:
            ConfigurationError: No exporter has the name.
        """
        if exporter is None:
            return replace(self, default=new, own={})
        if exporter not in self.exporters:
            known = ", ".join(map(repr, self.exporters)) or "none"
            raise ConfigurationError(f"exporter={exporter!r} is not set up; exporters: {known}")
        return replace(self, own={**self.own, exporter: new})
