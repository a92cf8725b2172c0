"""Carriers: the headers in which a context travels to another process, and from it.

The headers of a carrier come from outside. They are bounded before a propagator sees them, and
headers that cannot be read are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context

from tracekit._base.log import log_failure_once

if TYPE_CHECKING:
    from opentelemetry.propagators.composite import CompositePropagator
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# The specification of baggage allows a header of this many bytes; longer headers are left out.
MAX_HEADER_LENGTH: Final = 8_192
# No server accepts this many headers.
_MAX_HEADERS: Final = 1_000

Headers = dict[str, list[str]]


# The propagators are loaded with the first carrier, because a library that decorates its functions
# has none. OpenTelemetry creates its global propagator when `opentelemetry.propagate` is imported,
# and raises if the environment names a propagator that is not installed. So the functions below
# import it where they catch exceptions.
@cache
def trace_context() -> TraceContextTextMapPropagator:
    """Return the W3C propagator of the trace context."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


@cache
def w3c() -> CompositePropagator:
    """Return the W3C propagator of the trace context and the baggage."""
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
    from opentelemetry.propagators.composite import CompositePropagator

    return CompositePropagator([trace_context(), W3CBaggagePropagator()])


def inject(carrier: MutableMapping[str, str], context: Context | None = None) -> None:
    """Write a context, or the current one, into a carrier with the global propagator."""
    try:
        from opentelemetry import propagate

        propagate.inject(carrier, context)
    except Exception as error:
        _log_failure("written", error)


def inject_portable(context: Context | None = None) -> dict[str, str]:
    """Return a context as headers that a process with another propagator can read.

    If the global propagator writes headers without `traceparent`, the W3C trace context is added.
    If it writes none, the result is empty.
    """
    carrier: dict[str, str] = {}
    inject(carrier, context)
    if carrier and "traceparent" not in carrier:
        trace_context().inject(carrier, context)
    return carrier


def extract_portable(carrier: Mapping[str, str]) -> Context:
    """Return the context that `inject_portable` wrote, without anything of the current context."""
    context = Context()
    try:
        from opentelemetry import propagate

        return propagate.extract(carrier, w3c().extract(carrier, context))
    except Exception as error:
        _log_failure("read", error)
        return context


def extract(headers: Headers, context: Context) -> Context:
    """Return a context with what the global propagator finds in headers; unchanged if it fails."""
    try:
        from opentelemetry import propagate

        return propagate.extract(headers, context)
    except Exception as error:
        _log_failure("read", error)
        return context


def headers_of(carrier: Any) -> Headers | None:
    """Return the headers of a carrier by names in lower case; None if it is not a carrier.

    A carrier is a mapping of names to values, or pairs of them. A value is text, bytes, or a list
    of these. Values that are too long for a header are left out.
    """
    headers: Headers = {}
    try:
        pairs: Iterable[Any] = carrier.items() if isinstance(carrier, Mapping) else carrier
        for name, content in islice(pairs, _MAX_HEADERS):
            values = [text for text in map(_text, _values(content)) if text is not None]
            headers.setdefault(str(_text(name)).lower(), []).extend(values)
    except (TypeError, ValueError):
        return None
    # A propagator reads the first value of each name, so that a name must have one.
    return {name: values for name, values in headers.items() if values}


def _values(content: Any) -> Iterable[Any]:
    return content if isinstance(content, (list, tuple)) else (content,)


def _text(value: Any) -> str | None:
    if isinstance(value, (bytes, bytearray)) and len(value) <= MAX_HEADER_LENGTH:
        return value.decode("latin-1")
    return value if isinstance(value, str) and len(value) <= MAX_HEADER_LENGTH else None


def _log_failure(action: str, error: Exception) -> None:
    log_failure_once(("carrier", action), f"a trace's headers were not {action}", error)
