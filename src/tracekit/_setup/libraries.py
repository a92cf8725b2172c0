"""Instrumentation libraries that OpenTelemetry already has, switched on by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log, log_warning
from tracekit._setup import named_components

_GROUP: Final = "opentelemetry_instrumentor"
AUTO: Final = "auto"


class Libraries:
    """The instrumentation libraries of a set-up.

    Attributes:
        instrumentors: The libraries' instrumentors, by name.
    """

    def __init__(self, instrumentors: dict[str, Any]) -> None:
        self.instrumentors = instrumentors
        self._switched_on: dict[str, Any] = {}

    @classmethod
    def find(cls, wanted: Iterable[str] | str | None) -> Libraries:
        """Find what was asked for, and make sure that it can be switched on.

        Args:
            wanted: Names, or `"auto"` for all that are installed and fit.

        Raises:
            ConfigurationError: A name is unknown, or its library is missing or of a version that
                the instrumentation does not take.
        """
        if wanted is None:
            return cls({})
        if wanted == AUTO:
            return cls(dict(_all_that_fit()))
        if not isinstance(wanted, Iterable):
            raise ConfigurationError(
                f"libraries={wanted!r}: expected names of instrumentations, or {AUTO!r}"
            )
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        return cls({name: _find(name) for name in dict.fromkeys(names)})

    def switch_on(self) -> None:
        """Switch on what is not on yet; all of it or, where one library fails, none.

        Raises:
            ConfigurationError: One failed, or stayed off.
        """
        try:
            for name, instrumentor in self.instrumentors.items():
                if not instrumentor.is_instrumented_by_opentelemetry:
                    _switch_on(name, instrumentor)
                    self._switched_on[name] = instrumentor
        except BaseException:
            self.switch_off()
            raise

    def take_over(self, before: Libraries) -> None:
        """Answer for what an earlier set-up switched on; what is not wanted any more goes off."""
        for name, instrumentor in before._switched_on.items():
            if name in self.instrumentors:
                self._switched_on[name] = instrumentor
            else:
                _switch_off(name, instrumentor)
        before._switched_on = {}

    def switch_off(self) -> None:
        """Switch off what was switched on here, and nothing that was on before."""
        switched_on, self._switched_on = self._switched_on, {}
        for name, instrumentor in switched_on.items():
            _switch_off(name, instrumentor)


def _switch_on(name: str, instrumentor: Any) -> None:
    try:
        instrumentor.instrument()
    except Exception as error:
        raise ConfigurationError(f"libraries: {name!r} failed to switch on: {error!r}") from error
    if not instrumentor.is_instrumented_by_opentelemetry:
        raise ConfigurationError(f"libraries: {name!r} stayed off and did not say why")


def _switch_off(name: str, instrumentor: Any) -> None:
    try:
        instrumentor.uninstrument()
    except Exception as error:
        # What comes after it, the delivery of spans above all, must not be lost with it.
        log_warning("libraries: %r failed to switch off: %r", name, error)


def _find(name: Any) -> Any:
    point = named_components.find(_GROUP, name) if isinstance(name, str) else None
    if point is None:
        installed = ", ".join(map(repr, named_components.names(_GROUP))) or "none"
        raise ConfigurationError(
            f"libraries: there is no instrumentation called {name!r}; installed: {installed}. "
            f"Others come as packages: pip install opentelemetry-instrumentation-{name}"
        )
    instrumentor = _make(point)
    conflict = _conflict(instrumentor)
    if conflict:
        raise ConfigurationError(f"libraries: {name!r} cannot be switched on: {conflict}")
    return instrumentor


def _make(point: EntryPoint) -> Any:
    return named_components.make(point, f"libraries: {point.name!r}")


def _conflict(instrumentor: Any) -> Any:
    # Instrumentors only log a conflict and stay off; the method that finds it is theirs alone.
    check = getattr(instrumentor, "_check_dependency_conflicts", None)
    return check() if check is not None else None


def _all_that_fit() -> Iterable[tuple[str, Any]]:
    for point in sorted(entry_points(group=_GROUP), key=lambda point: point.name):
        try:
            instrumentor = _make(point)
        except ConfigurationError as error:
            # Often only because the library that it is for is not installed.
            log(logging.DEBUG, "%s", error)
            continue
        conflict = _conflict(instrumentor)
        if conflict:
            found = getattr(conflict, "found", None) or getattr(conflict, "found_any", None)
            level = logging.WARNING if found else logging.DEBUG
            log(level, "libraries='auto': %s stays off: %s", point.name, conflict)
        else:
            yield point.name, instrumentor
