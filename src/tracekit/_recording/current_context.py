"""OpenTelemetry's current context, span and tracer, without the overhead of the API's functions.

OpenTelemetry keeps its context in a context variable, unless the environment names another
implementation. If it does, this module uses the variable directly: the API's functions around it
take longer than everything else in a call.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, TraceFlags, Tracer

from tracekit._filters.call_sites import CallSite, registry

if TYPE_CHECKING:
    from collections.abc import Callable

# Set by opentelemetry-instrumentation's suppress_instrumentation() and by span processors while
# they export. The API has no public name for it.
_SUPPRESS_PLAIN_KEY: Final = "suppress_instrumentation"
SUPPRESS_KEY: Final[str] = getattr(
    otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", _SUPPRESS_PLAIN_KEY
)

# The key of the span in a context has no public name either.
(SPAN_KEY,) = trace.set_span_in_context(INVALID_SPAN, Context())


def context_variable() -> ContextVar[Context] | None:
    """Return the variable that holds the current context; None if it is kept in another way."""
    runtime: Any = getattr(otel_context, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    is_standard = type(runtime).__name__ == "ContextVarsRuntimeContext"
    return variable if is_standard and isinstance(variable, ContextVar) else None


_variable: Final = context_variable()
get_current: Final[Callable[[], Context]] = (
    otel_context.get_current if _variable is None else _variable.get
)
attach: Final[Callable[[Context], Any]] = (
    otel_context.attach if _variable is None else _variable.set
)
# The fastest way to undo `attach`. It raises if the token is of another context; the caller then
# falls back to `detach`.
reset: Final[Callable[[Any], Any]] = otel_context.detach if _variable is None else _variable.reset


def detach(token: Any) -> None:
    """Restore the context that `attach` replaced; do nothing if the token is of another context.

    A generator or coroutine may be closed by another task or thread than the one that started it.
    There the token is worthless, and a log message about it too.
    """
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        return
    except AttributeError:
        # The token of another implementation of the context.
        otel_context.detach(token)


def span_in(context: Context) -> Span:
    """Return the span of a context, as OpenTelemetry's own function does."""
    span = context.get(SPAN_KEY)
    return span if isinstance(span, Span) else INVALID_SPAN


def with_span(span: Span) -> Context:
    """Return the current context with another span in it."""
    return Context({**get_current(), SPAN_KEY: span})


def without_span(context: Context) -> Context:
    """Return a context without its span and with everything else that it holds."""
    return trace.set_span_in_context(INVALID_SPAN, context)


def is_unsampled(span: Span) -> bool:
    """Whether a span belongs to a trace that is not sampled."""
    span_context = span.get_span_context()
    return span_context.is_valid and not span_context.trace_flags & TraceFlags.SAMPLED


def is_suppressed(context: Context) -> bool:
    """Whether `suppress_instrumentation` is set in a context."""
    return bool(context.get(SUPPRESS_KEY) or context.get(_SUPPRESS_PLAIN_KEY))


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
