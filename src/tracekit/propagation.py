"""The trace context in messages, requests and the environment of subprocesses."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from opentelemetry import trace
from opentelemetry.context import Context

from tracekit._base.log import log_warning_once as _log_warning_once
from tracekit._recording import carriers as _carriers
from tracekit._recording.current_context import attach as _attach
from tracekit._recording.current_context import detach as _detach
from tracekit._recording.current_context import get_current as _get_current
from tracekit._recording.current_context import without_span as _without_span

__all__ = ["environ", "extract", "inject", "remote_parent"]

C = TypeVar("C", bound=MutableMapping[str, str])


@overload
def inject() -> dict[str, str]: ...
@overload
def inject(carrier: C) -> C: ...


def inject(carrier: Any = None) -> Any:
    """Write the current context into a carrier, so that its receiver continues the trace.

    Args:
        carrier: A mutable mapping of headers, such as those of a request; by default a new one.

    Returns:
        The carrier, with the headers of the configured propagator: `traceparent`, `tracestate` and
        `baggage` by default. Without a current span or baggage it is unchanged.

    An object that is not a mutable mapping is returned unchanged, with a warning.

    Example:
        ```python
        from tracekit import propagation, span

        with span("publish", kind="producer"):
            message = {"body": "hello", "headers": propagation.inject()}
        ```
    """
    if carrier is None:
        carrier = {}
    elif not callable(getattr(carrier, "__setitem__", None)) or isinstance(carrier, (list, type)):
        _log_warning_once(
            ("not a mutable carrier", type(carrier)),
            "an object of type %s is not a mutable mapping of headers; no trace is written to it",
            type(carrier).__name__,
        )
        return carrier
    _carriers.inject(carrier)
    return carrier


def extract(carrier: Any) -> Context:
    """Read the context in a carrier.

    A carrier comes from outside, so no content of it raises. Headers that are malformed, binary or
    longer than 8,192 characters are ignored, and so are all headers after the first 1,000.

    Args:
        carrier: A mapping of names in any case to values, or pairs of them. A value is text, bytes,
            or a list of these.

    Returns:
        The current context, with the remote span in place of the current one, and with the baggage
        of the carrier. Without a trace in the carrier a new trace begins.

    Example:
        ```python
        from opentelemetry import trace
        from tracekit import propagation

        headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        remote = trace.get_current_span(propagation.extract(headers))
        assert remote.get_span_context().is_remote
        ```
    """
    headers = _carriers.headers_of(carrier)
    if headers is None:
        _log_warning_once(
            ("not a carrier", type(carrier)),
            "an object of type %s is not a carrier of a trace; a new trace begins",
            type(carrier).__name__,
        )
        headers = {}
    return _carriers.extract(headers, _without_span(_get_current()))


@contextmanager
def remote_parent(carrier: Any) -> Iterator[Context]:
    """Make the context in a carrier current in a block, so that its spans are in that trace.

    Args:
        carrier: A carrier as `extract` accepts it.

    Yields:
        The context.

    Example:
        ```python
        from tracekit import propagation, span

        message = {"headers": {}, "body": "hello"}
        with propagation.remote_parent(message["headers"]), span("handle", kind="consumer"):
            body = message["body"].upper()
        ```
    """
    context = extract(carrier)
    token = _attach(context)
    try:
        yield context
    finally:
        _detach(token)


def environ(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment for a subprocess, with the current context in it.

    A Python program that starts with it and calls `init_telemetry` continues the trace. So does any
    other program that reads the variables of the specification.

    Args:
        base: The environment to copy; by default that of this process.

    Returns:
        A copy with the current `TRACEPARENT`, `TRACESTATE` and `BAGGAGE`. Without a current span
        they are those of `base`.

    Example:
        ```python
        import subprocess
        import sys

        from tracekit import propagation, span

        with span("convert"):
            subprocess.run([sys.executable, "-c", "pass"], env=propagation.environ(), check=True)
        ```
    """
    environment = dict(os.environ if base is None else base)
    carrier: dict[str, str] = {}
    _carriers.w3c().inject(carrier)
    if trace.get_current_span().get_span_context().is_valid:
        for name in ("TRACEPARENT", "TRACESTATE", "BAGGAGE"):
            environment.pop(name, None)
    environment.update((name.upper(), value) for name, value in carrier.items())
    return environment
