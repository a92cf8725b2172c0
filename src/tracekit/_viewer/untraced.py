"""The viewer's own work is not traced: its spans would be sent to itself."""

from __future__ import annotations

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value


def suppress_tracing() -> None:
    """Suppress instrumentation for the rest of this thread, and for the tasks that it starts."""
    attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))
