"""What tracekit raises: set-up and decoration mistakes, never a failure of recording."""

from __future__ import annotations


class TracekitError(Exception):
    """The base of every error that tracekit raises on purpose."""

    # Shown in tracebacks by the name that it is imported under.
    __module__ = "tracekit"


class ConfigurationError(TracekitError, ValueError):
    """Set-up was asked for something that it cannot give; nothing was installed."""

    __module__ = "tracekit"


class FilterSyntaxError(ConfigurationError):
    """A filter string does not parse; the message points at the place with a caret."""

    __module__ = "tracekit"


class InstrumentationError(TracekitError, TypeError):
    """A decoration cannot work as written: an unknown name, or a thing that cannot be decorated."""

    __module__ = "tracekit"
