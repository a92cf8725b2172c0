"""How an exception that leaves a span shows on the span."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType
from typing import Final, Literal, Union

from opentelemetry.trace import Span, Status, StatusCode

from tracekit._code.scopes import event_name
from tracekit._ground.levels import Level
from tracekit._ground.verdicts import EVERYONE
from tracekit._values.describing import describe

# None of an escaping exception's events, or the level that it has.
ErrorPolicy = Union[Level, Literal[False]]  # noqa: UP007 - an enum and a Literal do not join at run time on Python 3.10

_LONGEST_STACKTRACE: Final = 65_536
# An exit that is no error is noted under a name of tracekit's own: OpenTelemetry has none for it.
EXIT_ATTRIBUTE: Final = "tracekit.exit"


def record_exit(
    span: Span,
    error: BaseException,
    *,
    policy: ErrorPolicy,
    expected: tuple[type[BaseException], ...],
    wanted: int = EVERYONE,
) -> None:
    """Write on a span why its code was left.

    Args:
        span: The span, not yet ended.
        error: What left it.
        policy: The level of the `exception` event, or False for none. The status becomes ERROR
            only at level `ERROR`.
        expected: Types that are no errors: noted without a stack trace, the status untouched.
        wanted: Who wants the event.
    """
    if expected and isinstance(error, expected):
        span.add_event("exception", {**_summary(error), "exception.expected": True})
    elif not isinstance(error, Exception) or _is_cancellation(error):
        if not isinstance(error, GeneratorExit):
            span.set_attribute(EXIT_ATTRIBUTE, type_name(type(error)))
    elif policy is not False:
        _record_error(span, error, policy, event_name("exception", wanted))


def _record_error(span: Span, error: Exception, level: Level, name: str) -> None:
    # The first frame is the wrapper's own and says nothing to the reader.
    frames = error.__traceback__ and (error.__traceback__.tb_next or error.__traceback__)
    event = exception_attributes(error, frames)
    if level is not Level.ERROR:
        event["level"] = level.name
    span.add_event(name, event)
    if level >= Level.ERROR:
        message = event["exception.message"]
        text = f"{type(error).__name__}: {message}" if message else type(error).__name__
        span.set_status(Status(StatusCode.ERROR, text))


def exception_attributes(error: BaseException, frames: TracebackType | None) -> dict[str, str]:
    """What is recorded of an exception: its type, its message and its stack trace, within bounds.

    Args:
        error: The exception.
        frames: The frames to show of it.
    """
    return {**_summary(error), "exception.stacktrace": _stacktrace(error, frames)}


def _summary(error: BaseException) -> dict[str, str]:
    return {"exception.type": type_name(type(error)), "exception.message": _message(error)}


def _message(error: BaseException) -> str:
    try:
        return str(describe(str(error)))
    except Exception:
        return f"<{type(error).__name__}, no text>"


def type_name(kind: type) -> str:
    """A type's qualified name, without `builtins`."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _stacktrace(error: BaseException, frames: TracebackType | None) -> str:
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:
        text = f"{type_name(type(error))}: (the stack trace could not be written)"
    return stack_text(text)


def stack_text(text: str) -> str:
    """A stack trace with its middle left out where it is long, fit for a protobuf message."""
    if len(text) > _LONGEST_STACKTRACE:
        half = _LONGEST_STACKTRACE // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_cancellation(error: BaseException) -> bool:
    # Looked up, not imported: where the module is not loaded, no such exception can exist.
    futures = sys.modules.get("concurrent.futures._base")
    return futures is not None and isinstance(error, futures.CancelledError)
