"""OpenTelemetry's instrumentation libraries, switched on by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from typing import Any, Final

from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log, log_warning
from tracekit._setup.entry_points import entry_point_names, find_entry_point, load_component

_GROUP: Final = "opentelemetry_instrumentor"
_AUTO: Final = "auto"


class Libraries:
    """The instrumentation libraries of a set-up.

    An instrumentor is OpenTelemetry's object that switches a library's instrumentation on and off.
    """

    def __init__(self, instrumentors: dict[str, Any]) -> None:
        self._instrumentors = instrumentors
        self._switched_on: dict[str, Any] = {}

    @classmethod
    def find(cls, names: Iterable[str] | str | None) -> Libraries:
        """Find libraries, and check that they can be switched on.

        Args:
            names: Names, or `"auto"` for all installed libraries without a version conflict.

        Raises:
            ConfigurationError: A name is unknown, or its library is missing or of a version that
                the instrumentation does not support.
        """
        if names is None:
            return cls({})
        if names == _AUTO:
            return cls(dict(_find_compatible()))
        if not isinstance(names, Iterable):
            raise ConfigurationError(
                f"libraries={names!r}: expected names of instrumentations, or {_AUTO!r}"
            )
        distinct = dict.fromkeys([names] if isinstance(names, str) else names)
        return cls({name: _find(name) for name in distinct})

    def instrument(self) -> None:
        """Switch on every library that is off. If one fails, all are switched off again.

        Raises:
            ConfigurationError: A library failed, or stayed off.
        """
        try:
            for name, instrumentor in self._instrumentors.items():
                if not instrumentor.is_instrumented_by_opentelemetry:
                    _instrument(name, instrumentor)
                    self._switched_on[name] = instrumentor
        except BaseException:
            self.uninstrument()
            raise

    def take_over(self, replaced: Libraries) -> None:
        """Take over what a replaced set-up switched on, and switch off what is not needed here."""
        for name, instrumentor in replaced._switched_on.items():
            if name in self._instrumentors:
                self._switched_on[name] = instrumentor
            else:
                _uninstrument(name, instrumentor)
        replaced._switched_on = {}

    def uninstrument(self) -> None:
        """Switch off what was switched on here, and nothing that was on before."""
        switched_on, self._switched_on = self._switched_on, {}
        for name, instrumentor in switched_on.items():
            _uninstrument(name, instrumentor)


def _instrument(name: str, instrumentor: Any) -> None:
    try:
        instrumentor.instrument()
    except Exception as error:
        raise ConfigurationError(f"libraries: {name!r} failed to switch on: {error!r}") from error
    if not instrumentor.is_instrumented_by_opentelemetry:
        raise ConfigurationError(f"libraries: {name!r} stayed off without a reason")


def _uninstrument(name: str, instrumentor: Any) -> None:
    try:
        instrumentor.uninstrument()
    except Exception as error:
        # A shutdown goes on with the delivery of spans, which must not be lost.
        log_warning("libraries: %r failed to switch off: %r", name, error)


def _find(name: Any) -> Any:
    point = find_entry_point(_GROUP, name) if isinstance(name, str) else None
    if point is None:
        installed = ", ".join(map(repr, entry_point_names(_GROUP))) or "none"
        raise ConfigurationError(
            f"libraries: there is no instrumentation called {name!r}; installed: {installed}. "
            f"Others come as packages: pip install opentelemetry-instrumentation-{name}"
        )
    instrumentor = load_component(point, f"libraries: {name!r}")
    conflict = _conflict(instrumentor)
    if conflict:
        raise ConfigurationError(f"libraries: {name!r} cannot be switched on: {conflict}")
    return instrumentor


def _conflict(instrumentor: Any) -> Any:
    # Instrumentors only log a conflict and stay off. The method that finds it is private.
    check = getattr(instrumentor, "_check_dependency_conflicts", None)
    return check() if check is not None else None


def _find_compatible() -> Iterator[tuple[str, Any]]:
    for point in sorted(entry_points(group=_GROUP), key=lambda point: point.name):
        try:
            instrumentor = load_component(point, f"libraries: {point.name!r}")
        except ConfigurationError as error:
            # Usually the instrumented library is not installed.
            log(logging.DEBUG, "%s", error)
            continue
        conflict = _conflict(instrumentor)
        if conflict:
            found = getattr(conflict, "found", None) or getattr(conflict, "found_any", None)
            level = logging.WARNING if found else logging.DEBUG
            log(level, "libraries='auto': %s stays off: %s", point.name, conflict)
        else:
            yield point.name, instrumentor
