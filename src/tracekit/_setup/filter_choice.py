"""From what `filter=` was given, or the environment says, to a filter."""

from __future__ import annotations

from tracekit._base.log import warn
from tracekit._filters.filter import Filter


def resolve_filter(directives: str | Filter | None) -> Filter:
    """Read directives, and point out a word that is more likely a misspelt level than a target.

    Args:
        directives: Directives, a `Filter`, or None for what the environment says.

    Raises:
        FilterSyntaxError: The text does not parse.
    """
    wanted = Filter.from_environment() if directives is None else Filter(directives)
    for word, level in wanted.misspelt_levels():
        warn("filter: %r is taken for a target; did you mean the level %r?", word, level)
    return wanted
