"""Carriers: a context written as headers for someone elsewhere, and read from what they sent.

What is read comes from outside. It is bounded before a propagator sees it, and what cannot be read
is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context

from tracekit._base.log import warn_once

if TYPE_CHECKING:
    from opentelemetry.propagators.composite import CompositePropagator
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# The specification of baggage lets a header have so many bytes; no other may have more.
LONGEST: Final = 8_192
# More headers than any server lets through.
_MOST_HEADERS: Final = 1_000

Headers = dict[str, list[str]]


# The propagators are loaded with the first carrier: a library that decorates its functions has
# none. OpenTelemetry makes its global one while it is loaded, and raises where the environment
# names one that is not there; so this too is done where failures are caught.
@cache
def trace_context() -> TraceContextTextMapPropagator:
    """The W3C's propagator of the trace alone."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


@cache
def w3c() -> CompositePropagator:
    """The W3C's propagator of the trace and the baggage."""
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
    from opentelemetry.propagators.composite import CompositePropagator

    return CompositePropagator([trace_context(), W3CBaggagePropagator()])


def write(carrier: MutableMapping[str, str], context: Context | None = None) -> None:
    """Write a context into a carrier through the global propagator.

    Args:
        carrier: What takes the headers.
        context: The context; None for the current one.
    """
    try:
        from opentelemetry import propagate

        propagate.inject(carrier, context)
    except Exception as error:
        _not("written", error)


def write_portable(context: Context | None = None) -> dict[str, str]:
    """Write a context for a process that may have another propagator, or none.

    What the global propagator writes is made readable to all by the W3C's trace context; where that
    is told to write nothing, nothing is written.
    """
    carrier: dict[str, str] = {}
    write(carrier, context)
    if carrier and "traceparent" not in carrier:
        trace_context().inject(carrier, context)
    return carrier


def read_portable(carrier: Mapping[str, str]) -> Context:
    """The context that `write_portable` has written, and nothing of the one that is current."""
    context = Context()
    try:
        from opentelemetry import propagate

        return propagate.extract(carrier, w3c().extract(carrier, context))
    except Exception as error:
        _not("read", error)
        return context


def read(headers: Headers, context: Context) -> Context:
    """A context with what the global propagator finds in headers; without it as it is."""
    try:
        from opentelemetry import propagate

        return propagate.extract(headers, context)
    except Exception as error:
        _not("read", error)
        return context


def headers_of(carrier: Any) -> Headers | None:
    """What can be a header in a carrier.

    Args:
        carrier: A mapping of names to values, or pairs of these; a value is text, bytes, or a list
            of them.

    Returns:
        The values by their names in lower case, without those that no propagator should see; None
        for something that is no carrier.
    """
    headers: Headers = {}
    try:
        pairs: Iterable[Any] = carrier.items() if isinstance(carrier, Mapping) else carrier
        for name, content in islice(pairs, _MOST_HEADERS):
            values = [text for text in map(_text, _all(content)) if text is not None]
            headers.setdefault(str(_text(name)).lower(), []).extend(values)
    except (TypeError, ValueError):
        return None
    # A propagator asks for the first value of a name that is there.
    return {name: values for name, values in headers.items() if values}


def _all(content: Any) -> Iterable[Any]:
    return content if isinstance(content, (list, tuple)) else (content,)


def _text(value: Any) -> str | None:
    if isinstance(value, (bytes, bytearray)) and len(value) <= LONGEST:
        return value.decode("latin-1")
    return value if isinstance(value, str) and len(value) <= LONGEST else None


def _not(done: str, error: Exception) -> None:
    warn_once(
        ("carrier", done, type(error)),
        "a trace's headers were not %s (%s); the traced program is not affected",
        done,
        type(error).__name__,
        error=error,
    )
