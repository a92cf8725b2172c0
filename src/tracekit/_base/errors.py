"""The exceptions that tracekit raises at set-up and decoration; recording raises none."""

from __future__ import annotations


class TracekitError(Exception):
    """The base class of all errors that tracekit raises on purpose."""

    # A traceback shows the name that users import.
    __module__ = "tracekit"


class ConfigurationError(TracekitError, ValueError):
    """An argument or a variable of the set-up is not valid; nothing was installed."""

    __module__ = "tracekit"


class FilterSyntaxError(ConfigurationError):
    """A filter does not parse; the message marks the position with a caret."""

    __module__ = "tracekit"


class InstrumentationError(TracekitError, TypeError):
    """An argument names something unknown, or an object cannot be decorated."""

    __module__ = "tracekit"
