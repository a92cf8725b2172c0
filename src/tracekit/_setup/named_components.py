"""Components by name, from the entry points that OpenTelemetry's packages declare."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tracekit._base.errors import ConfigurationError


def find(group: str, name: str) -> EntryPoint | None:
    """The entry point of this name, or None."""
    return next(iter(entry_points(group=group, name=name)), None)


def names(group: str) -> list[str]:
    """The names that installed packages declare, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def make(point: EntryPoint, argument: str, *arguments: object) -> Any:
    """Load a component and call it.

    Args:
        point: Where it is declared.
        argument: What the user asked for it with, for the message of an error.
        *arguments: What it is called with.

    Raises:
        ConfigurationError: It cannot be loaded or made.
    """
    try:
        return point.load()(*arguments)
    except Exception as error:
        raise ConfigurationError(
            f"{argument}: {point.value} could not be made: {type(error).__name__}: {error}"
        ) from error
