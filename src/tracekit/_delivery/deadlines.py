"""Calls that may hang, made so that nobody waits for them longer than was said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from opentelemetry.sdk.trace import SpanProcessor

from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log_warning

# Waits for at most so many seconds, and tells whether all went well.
Wait = Callable[[float], bool]


def wait_for_all(waits: Iterable[Wait], timeout: float) -> bool:
    """Wait for several things that go on at the same time.

    Args:
        waits: What waits for each of them.
        timeout: How long to wait for all of them together, in seconds.

    Returns:
        Whether each came to a good end in time.
    """
    deadline = time.monotonic() + timeout
    outcomes = [wait(max(0.0, deadline - time.monotonic())) for wait in waits]
    return all(outcomes)


def begin_flush(processor: SpanProcessor, timeout: float) -> Wait:
    """Begin to flush a processor of the user's own."""
    return begin(lambda: processor.force_flush(max(1, int(timeout * 1000))), "flush")


def begin_shutdown(processor: SpanProcessor) -> Wait:
    """Begin to shut a processor of the user's own down."""
    return begin(processor.shutdown, "shutdown")


def begin(function: Callable[[], object], what: str) -> Wait:
    """Begin something that may hang, in a thread that nobody waits for longer than was said.

    Args:
        function: What is called; it fails by raising, or by giving False.
        what: What it does, for the log.
    """
    ended = threading.Event()
    outcome = [False]

    def run() -> None:
        try:
            # Only an explicit False is a failure: the SDK's own shutdown gives None.
            outcome[0] = function() is not False
        except BaseException as error:
            # In a thread of its own there is nobody else to whom it would mean anything.
            log_warning("a span processor or exporter failed to %s: %r", what, error)
        finally:
            ended.set()

    try:
        threading.Thread(target=run, name=f"tracekit-{what}", daemon=True).start()
    except RuntimeError:
        # The interpreter shuts down and starts no more threads.
        run()
    return lambda seconds: ended.wait(seconds) and outcome[0]


def check_timeout(timeout: float) -> float:
    """Read a timeout in seconds.

    Raises:
        ConfigurationError: It is no number, or below zero.
    """
    number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not number or not timeout >= 0:
        raise ConfigurationError(f"timeout={timeout!r}: expected seconds, as a number from 0 on")
    return min(float(timeout), threading.TIMEOUT_MAX)
