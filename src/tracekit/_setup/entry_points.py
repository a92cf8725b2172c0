"""Components by name, from the entry points that packages declare."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tracekit._base.errors import ConfigurationError


def find_entry_point(group: str, name: str) -> EntryPoint | None:
    """Return the entry point with this name, or None."""
    return next(iter(entry_points(group=group, name=name)), None)


def entry_point_names(group: str) -> list[str]:
    """Return the names that installed packages declare, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def load_component(point: EntryPoint, argument: str, *arguments: object) -> Any:
    """Load a component and call it.

    Args:
        point: Its entry point.
        argument: The argument that names it, for the message of an error.
        *arguments: The arguments of the call.

    Raises:
        ConfigurationError: It cannot be loaded, or the call fails.
    """
    try:
        return point.load()(*arguments)
    except Exception as error:
        raise ConfigurationError(
            f"{argument}: {point.value} could not be created: {type(error).__name__}: {error}"
        ) from error


def create_component(
    group: str, name: str, kind: type[Any], argument: str, *arguments: object
) -> Any:
    """Create the component with this name.

    Args:
        group: The group of its entry point.
        name: Its name.
        kind: The type that it must have.
        argument: The argument that names it, for the message of an error.
        *arguments: The arguments of the call that creates it.

    Returns:
        The component; None if no entry point has the name.

    Raises:
        ConfigurationError: It cannot be created, or has another type.
    """
    point = find_entry_point(group, name)
    if point is None:
        return None
    created = load_component(point, argument, *arguments)
    if not isinstance(created, kind):
        raise ConfigurationError(f"{argument}: {point.value} does not create a {kind.__name__}")
    return created
