"""Resolve the argument `filter=`, or the environment in its place, to a filter."""

from __future__ import annotations

from tracekit._base.log import log_warning
from tracekit._filters.filter import Filter, filter_from_environment, find_misspelt_levels


def resolve_filter(directives: str | Filter | None) -> Filter:
    """Parse directives, and warn of a target that is probably a misspelt level.

    Args:
        directives: Directives, a `Filter`, or None for the filter of the environment.

    Raises:
        FilterSyntaxError: The text does not parse.
    """
    resolved = filter_from_environment() if directives is None else Filter(directives)
    for word, level in find_misspelt_levels(resolved):
        log_warning("filter: %r is taken for a target; did you mean the level %r?", word, level)
    return resolved
