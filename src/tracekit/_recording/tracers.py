"""Who records a place: the tracer that is in force now, or nobody."""

from __future__ import annotations

import os
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, Tracer

from tracekit._filters.call_sites import CallSite, registry
from tracekit._recording.current_context import SPAN_KEY, get_current, is_suppressed, is_unsampled


def tracer_of(site: CallSite) -> Tracer | None:
    """The tracer that records this place now, or None where nothing is to be recorded."""
    context = get_current()
    if context and is_suppressed(context):
        return None
    backend = registry.backend
    return _tracer(site, _global_provider() if backend is None else backend)


def tracer_here(site: CallSite) -> Tracer | None:
    """The same for a span that hangs where the call stands: None inside of an unsampled trace.

    There nothing is recorded, and the children's parent is the unsampled span that is there
    already. Only a sampler that always goes by its parent is spared the question.
    """
    backend = registry.backend
    if backend is None and _is_set_here and trace._TRACER_PROVIDER is None:
        return None
    source = _global_provider() if backend is None else backend
    context = get_current()
    if context:
        around = context.get(SPAN_KEY)
        if (
            type(around) is NonRecordingSpan
            and backend is not None
            and backend.drops_unsampled_children
        ):
            # Remembered on the span: a whole tree of calls stands in it.
            is_cut = getattr(around, _IS_UNSAMPLED, None)
            if _look_at(around) if is_cut is None else is_cut:
                return None
        if (len(context) > 1 or around is None) and is_suppressed(context):
            return None
    if site.tracer_source is not source:
        return _tracer(site, source)
    tracer: Tracer | None = site.tracer
    return tracer


_IS_UNSAMPLED: Final = "_tracekit_is_unsampled"


def _look_at(span: Span) -> bool:
    unsampled = is_unsampled(span)
    setattr(span, _IS_UNSAMPLED, unsampled)
    return unsampled


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
    # The public getter reads the environment on every call, which costs more than all the rest of
    # a call that is not recorded. Without the private name it is asked all the same.
    return trace._TRACER_PROVIDER if _is_set_here else trace.get_tracer_provider()


# Whether a provider is known only when someone sets it. Read once: one that is named later in the
# environment is not how anyone sets one up.
_is_set_here: Final = (
    hasattr(trace, "_TRACER_PROVIDER") and "OTEL_PYTHON_TRACER_PROVIDER" not in os.environ
)
