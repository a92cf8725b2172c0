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
    """Wait for several pieces of work that run at the same time.

    Args:
        waits: The function that waits for each of them.
        timeout: How long to wait for all of them together, in seconds.

    Returns:
        Whether each succeeded in time.
    """
    deadline = time.monotonic() + timeout
    results = [wait(max(0.0, deadline - time.monotonic())) for wait in waits]
    return all(results)


def begin_flush(processor: SpanProcessor, timeout: float) -> Wait:
    """Start the flush of a processor of the user's own.

    Args:
        processor: The processor.
        timeout: The seconds that it may take; the processor gets them in milliseconds.

    Returns:
        A function that waits for the end of the flush.
    """
    return begin_call(lambda: processor.force_flush(max(1, int(timeout * 1000))), "flush")


def begin_shutdown(processor: SpanProcessor) -> Wait:
    """Start the shutdown of a processor of the user's own.

    Returns:
        A function that waits for the end of the shutdown.
    """
    return begin_call(processor.shutdown, "shutdown")


def begin_call(function: Callable[[], object], action: str) -> Wait:
    """Start a call that may hang, in a thread of its own.

    If no thread can be started, because the interpreter shuts down, the call is made here.

    Args:
        function: The function. It fails by an exception, or by returning False.
        action: What the function does, for the log.

    Returns:
        A function that waits for the end of the call.
    """
    call = _Call(function, action)
    if not call.start():
        call.run()
    return call.wait


def call_in_background(function: Callable[[], object], action: str) -> None:
    """Make a call that may hang in a thread that nothing waits for, if one can be started.

    Args:
        function: The function.
        action: What the function does, for the log.
    """
    _Call(function, action).start()


class _Call:
    def __init__(self, function: Callable[[], object], action: str) -> None:
        self._function = function
        self._action = action
        self._ended = threading.Event()
        self._succeeded = False

    def start(self) -> bool:
        name = f"tracekit-{self._action.replace(' ', '-')}"
        try:
            threading.Thread(target=self.run, name=name, daemon=True).start()
        except RuntimeError:
            return False
        return True

    def run(self) -> None:
        try:
            # Only an explicit False is a failure: the SDK's own shutdown returns None.
            self._succeeded = self._function() is not False
        except BaseException as error:
            # The thread is this module's own: an interruption has no other receiver here.
            log_warning("a span processor or exporter failed to %s: %r", self._action, error)
        finally:
            self._ended.set()

    def wait(self, seconds: float) -> bool:
        return self._ended.wait(seconds) and self._succeeded


def check_timeout(timeout: float) -> float:
    """Return a timeout in seconds as a float that `threading` accepts.

    Raises:
        ConfigurationError: The timeout is not a number, or is negative.
    """
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not is_number or not timeout >= 0:
        raise ConfigurationError(f"timeout={timeout!r}: expected seconds, as a number from 0 on")
    return min(float(timeout), threading.TIMEOUT_MAX)
