"""The tracer that is in force for a call site, if there is one."""

from __future__ import annotations

import os
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, Tracer

from tracekit._filters.call_sites import CallSite, registry
from tracekit._recording.current_context import SPAN_KEY, get_current, is_suppressed, is_unsampled


def tracer_for(site: CallSite) -> Tracer | None:
    """Return the tracer of a call site, or None if nothing is recorded now."""
    context = get_current()
    if context and is_suppressed(context):
        return None
    backend = registry.backend
    return _tracer(site, _global_provider() if backend is None else backend)


def tracer_for_child(site: CallSite) -> Tracer | None:
    """Return the tracer for a child of the current span, or None if nothing is recorded now.

    Inside an unsampled trace nothing is recorded: the unsampled span in the context is the parent
    of whatever follows. This shortcut is taken only if the sampler always follows its parent.
    """
    backend = registry.backend
    if backend is None and _PROVIDER_IS_GLOBAL and trace._TRACER_PROVIDER is None:
        return None
    source = _global_provider() if backend is None else backend
    context = get_current()
    if context:
        parent = context.get(SPAN_KEY)
        if (
            type(parent) is NonRecordingSpan
            and backend is not None
            and backend.drops_unsampled_children
        ):
            checked_parent, unsampled = _last_check.result
            if parent is not checked_parent:
                unsampled = is_unsampled(parent)
                _last_check.result = parent, unsampled
            if unsampled:
                return None
        if (len(context) > 1 or parent is None) and is_suppressed(context):
            return None
    if site.tracer_source is not source:
        return _tracer(site, source)
    tracer: Tracer | None = site.tracer
    return tracer


class _LastCheck:
    """The parent that was checked last, and whether it is unsampled.

    A whole tree of calls has the same unsampled parent, and a check takes as long as the rest of
    such a call.
    """

    __slots__ = ("result",)

    def __init__(self) -> None:
        self.result: tuple[Span, bool] = INVALID_SPAN, False


_last_check: Final = _LastCheck()


def _tracer(site: CallSite, source: Any) -> Tracer | None:
    if source is None:
        return None
    if site.tracer_source is not source:
        is_ours = source is registry.backend
        site.tracer = source.tracer(site.target) if is_ours else trace.get_tracer(site.target)
        site.tracer_source = source
    tracer: Tracer | None = site.tracer
    return tracer


def _global_provider() -> object:
    # The public getter reads the environment at every call, which takes longer than the rest of a
    # call that is not recorded. It is used where the private name is missing.
    return trace._TRACER_PROVIDER if _PROVIDER_IS_GLOBAL else trace.get_tracer_provider()


# Whether the provider is in a global variable, and not also named by the environment. This is read
# once: a variable that is set later, at run time, does not configure OpenTelemetry.
_PROVIDER_IS_GLOBAL: Final = (
    hasattr(trace, "_TRACER_PROVIDER") and "OTEL_PYTHON_TRACER_PROVIDER" not in os.environ
)
