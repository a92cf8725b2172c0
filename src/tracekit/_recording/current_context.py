"""OpenTelemetry's current context and span, without the overhead of the API's functions.

OpenTelemetry keeps its context in a context variable, unless the environment names another
implementation. If it does, this module uses the variable directly: the API's functions around it
take longer than everything else in a call.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, TraceFlags

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
