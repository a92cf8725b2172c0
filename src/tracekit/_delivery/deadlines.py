"""Calls that may hang, and waits that keep their deadline nevertheless."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from opentelemetry.sdk.trace import SpanProcessor

from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log_warning

# Waits for at most so many seconds, and returns whether the work succeeded in that time.
Wait = Callable[[float], bool]


def wait_for_all(waits: Iterable[Wait], timeout: float) -> bool:
    """Wait for pieces of work that run at the same time, for `timeout` seconds together.

    Returns:
        Whether each succeeded in time.
    """
    deadline = time.monotonic() + timeout
    results = [wait(max(0.0, deadline - time.monotonic())) for wait in waits]
    return all(results)


def begin_flush(processor: SpanProcessor, timeout: float) -> Wait:
    """Start the flush of a processor of the user's own, which may take `timeout` seconds."""
    return begin_call(lambda: processor.force_flush(max(1, int(timeout * 1000))), "flush")


def begin_call(function: Callable[[], object], action: str, *, or_here: bool = True) -> Wait:
    """Start a call that may hang, in a thread of its own.

    Args:
        function: The function. It fails by an exception, or by returning False.
        action: What the function does, for the log.
        or_here: Whether the call is made in the current thread if no thread can be started, because
            the interpreter shuts down.

    Returns:
        A function that waits for the end of the call.
    """
    has_ended = threading.Event()
    has_succeeded = False

    def call() -> None:
        nonlocal has_succeeded
        try:
            # Only an explicit False is a failure: the SDK's own shutdown returns None.
            has_succeeded = function() is not False
        except BaseException as error:
            # The thread is this module's own: an interruption has no other receiver here.
            log_warning("a span processor or exporter failed to %s: %r", action, error)
        finally:
            has_ended.set()

    try:
        name = f"tracekit-{action.replace(' ', '-')}"
        threading.Thread(target=call, name=name, daemon=True).start()
    except RuntimeError:
        if or_here:
            call()
    return lambda seconds: has_ended.wait(seconds) and has_succeeded


def check_timeout(timeout: float) -> float:
    """Return a timeout in seconds as a float that `threading` accepts.

    Raises:
        ConfigurationError: The timeout is not a number, or is negative.
    """
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not is_number or not timeout >= 0:
        raise ConfigurationError(f"timeout={timeout!r}: expected seconds, as a number from 0 on")
    return min(float(timeout), threading.TIMEOUT_MAX)
