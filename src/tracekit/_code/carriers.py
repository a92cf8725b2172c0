"""Carriers: a context written as headers for someone elsewhere, and read from what they sent.

What is read comes from outside. It is bounded before a propagator sees it, and what cannot be read
is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from itertools import islice
from typing import Any, Final

from opentelemetry import propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracekit._ground.log import warn_once

# The specification of baggage lets a header have so many bytes; no other may have more.
LONGEST: Final = 8_192
# More headers than any server lets through.
_MOST_HEADERS: Final = 1_000

Headers = dict[str, list[str]]

_TRACE_CONTEXT: Final = TraceContextTextMapPropagator()
W3C: Final = CompositePropagator([_TRACE_CONTEXT, W3CBaggagePropagator()])


def write(carrier: MutableMapping[str, str], context: Context | None = None) -> None:
    """Write a context into a carrier through the global propagator.

    Args:
        carrier: What takes the headers.
        context: The context; None for the current one.
    """
    try:
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
        _TRACE_CONTEXT.inject(carrier, context)
    return carrier


def read_portable(carrier: Mapping[str, str]) -> Context:
    """The context that `write_portable` has written, and nothing of the one that is current."""
    context = Context()
    try:
        return propagate.extract(carrier, W3C.extract(carrier, context))
    except Exception as error:
        _not("read", error)
        return context


def read(headers: Headers, context: Context) -> Context:
    """A context with what the global propagator finds in headers; without it as it is."""
    try:
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
