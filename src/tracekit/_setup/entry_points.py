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


def load_component(point: EntryPoint, source: str, *arguments: object) -> Any:
    """Load a component and call it with the arguments.

    Raises:
        ConfigurationError: It cannot be loaded, or the call fails. The message begins with the
            source of its name: an argument or a variable.
    """
    try:
        return point.load()(*arguments)
    except Exception as error:
        raise ConfigurationError(
            f"{source}: {point.value} could not be created: {type(error).__name__}: {error}"
        ) from error


def create_component(
    group: str, name: str, kind: type[Any], source: str, *arguments: object
) -> Any:
    """Create the component with this name, or return None if no entry point has the name.

    Raises:
        ConfigurationError: It cannot be created, or is not of this kind.
    """
    point = find_entry_point(group, name)
    if point is None:
        return None
    created = load_component(point, source, *arguments)
    if not isinstance(created, kind):
        raise ConfigurationError(f"{source}: {point.value} does not create a {kind.__name__}")
    return created
