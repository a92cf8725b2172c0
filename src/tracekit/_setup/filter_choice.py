"""From what `filter=` was given, or the environment says, to a filter."""

from __future__ import annotations

from tracekit._base.log import log_warning
from tracekit._filters.filter import Filter, filter_from_environment, find_misspelt_levels


def resolve_filter(directives: str | Filter | None) -> Filter:
    """Read directives, and point out a word that is more likely a misspelt level than a target.

    Args:
        directives: Directives, a `Filter`, or None for what the environment says.

    Raises:
        FilterSyntaxError: The text does not parse.
    """
    wanted = filter_from_environment() if directives is None else Filter(directives)
    for word, level in find_misspelt_levels(wanted):
        log_warning("filter: %r is taken for a target; did you mean the level %r?", word, level)
    return wanted
