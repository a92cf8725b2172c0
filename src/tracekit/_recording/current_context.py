"""OpenTelemetry's current context and span, read and set without detours.

OpenTelemetry keeps its context in a context variable, unless the environment names another
implementation. Where it does, the variable itself is used: the functions of the API around it cost
more than all that they do.
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
# they export. The API offers no public name for it.
_SUPPRESS_PLAIN_KEY: Final = "suppress_instrumentation"
SUPPRESS_KEY: Final[str] = getattr(
    otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", _SUPPRESS_PLAIN_KEY
)

# Nor one for the key under which a context holds its span.
(SPAN_KEY,) = trace.set_span_in_context(INVALID_SPAN, Context())


def context_variable() -> ContextVar[Context] | None:
    """The variable that holds OpenTelemetry's context; None where another way is configured."""
    runtime: Any = getattr(otel_context, "_RUNTIME_CONTEXT", None)
    found = getattr(runtime, "_current_context", None)
    is_standard = type(runtime).__name__ == "ContextVarsRuntimeContext"
    return found if is_standard and isinstance(found, ContextVar) else None


_variable: Final = context_variable()
get_current: Final[Callable[[], Context]] = (
    otel_context.get_current if _variable is None else _variable.get
)
attach: Final[Callable[[Context], Any]] = (
    otel_context.attach if _variable is None else _variable.set
)
# The shortest way back from `attach`. It raises where the token is worthless, and the caller falls
# back on `detach`.
reset: Final[Callable[[Any], Any]] = otel_context.detach if _variable is None else _variable.reset


def detach(token: Any) -> None:
    """Restore the context that `attach` replaced, if this is still where it was replaced.

    A generator or coroutine may be closed by another task or thread than the one that began it.
    There the token is worthless, and so is a log line about it.
    """
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        return
    except AttributeError:
        # A runtime context of the user's own.
        otel_context.detach(token)


def span_in(context: Context) -> Span:
    """The span of a context, as OpenTelemetry's own function finds it."""
    span = context.get(SPAN_KEY)
    return span if isinstance(span, Span) else INVALID_SPAN


def with_span(span: Span) -> Context:
    """The current context with another span in it."""
    return Context({**get_current(), SPAN_KEY: span})


def is_unsampled(span: Span) -> bool:
    """Whether a span is of a trace that was decided not to be recorded."""
    span_context = span.get_span_context()
    return span_context.is_valid and not span_context.trace_flags & TraceFlags.SAMPLED


def is_suppressed(context: Context) -> bool:
    """Whether `suppress_instrumentation` is set in a context."""
    return bool(context.get(SUPPRESS_KEY) or context.get(_SUPPRESS_PLAIN_KEY))


def no_span(context: Context) -> Context:
    """A context without a current span and with everything else that the given one holds."""
    return trace.set_span_in_context(INVALID_SPAN, context)
