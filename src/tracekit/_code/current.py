"""OpenTelemetry's current context, set and reset without a word where the reset cannot be done."""

from __future__ import annotations

from contextvars import Token
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.context.context import Context

# Set by opentelemetry-instrumentation's suppress_instrumentation() and by span processors while
# they export. The API offers no public name for it.
_SUPPRESS_PLAIN_KEY: Final = "suppress_instrumentation"
SUPPRESS_KEY: Final[str] = getattr(
    otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", _SUPPRESS_PLAIN_KEY
)

attach = otel_context.attach
get_current = otel_context.get_current


def detach(token: object) -> None:
    """Restore the context that `attach` replaced, if this is still where it was replaced.

    A generator or coroutine may be closed by another task or thread than the one that began it.
    There the token is worthless, and so is a log line about it.
    """
    if isinstance(token, Token):
        reset_quietly(token)
    else:
        otel_context.detach(token)  # type: ignore[arg-type]  # a runtime context of the user's own


def reset_quietly(token: Token[Any]) -> None:
    """Reset a context variable unless the token is of another context or was used before."""
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        return


def is_suppressed(context: Context) -> bool:
    """Whether `suppress_instrumentation` is set in a context."""
    return bool(context.get(SUPPRESS_KEY) or context.get(_SUPPRESS_PLAIN_KEY))


def no_span(context: Context) -> Context:
    """A context without a current span and with everything else that the given one holds."""
    return trace.set_span_in_context(trace.INVALID_SPAN, context)
