"""How an exception that leaves a span shows on the span."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Final, Literal, Union

from opentelemetry.trace import Span, Status, StatusCode

from tracekit._base.levels import Level
from tracekit._filters.filter_set import ALL_EXPORTERS, NO_EXPORTERS
from tracekit._recording.filter_decisions import add_event
from tracekit._values.attribute_values import to_attribute_value

# None of an escaping exception's events, or the level that it has.
ErrorPolicy = Union[Level, Literal[False]]  # noqa: UP007 - an enum and a Literal do not join at run time on Python 3.10

_LONGEST_STACKTRACE: Final = 65_536
_MOST_FRAMES: Final = 1_000
_LONGEST_CHAIN: Final = 50
_FRAMES_IN_A_LONG_CHAIN: Final = 10
# On an exception: the trace in which its stack was written, and the mask of who has seen it. On a
# span: the mask of who wants it, where that is not everyone.
_SEEN: Final = "__tracekit_seen__"
_WANTED: Final = "_tracekit_wanted"
# An exit that is no error is noted under a name of tracekit's own: OpenTelemetry has none for it.
EXIT_ATTRIBUTE: Final = "tracekit.exit"


def record_exit(
    span: Span,
    error: BaseException,
    *,
    policy: ErrorPolicy,
    expected: tuple[type[BaseException], ...],
    wanted: int = ALL_EXPORTERS,
    is_exit: bool = False,
) -> None:
    """Write on a span why its code was left.

    Args:
        span: The span, not yet ended.
        error: What left it.
        policy: The level of the `exception` event, or False for none. The status becomes ERROR
            only at level `ERROR`.
        expected: Types that are no errors: noted without a stack trace, the status untouched.
        wanted: Who wants the event.
        is_exit: Whether it is how this code ends, and no error whatever its type.
    """
    if expected and isinstance(error, expected):
        span.add_event("exception", {**_summary(error), "exception.expected": True})
    elif is_exit or not isinstance(error, Exception) or _is_cancellation(error):
        if not isinstance(error, GeneratorExit):
            span.set_attribute(EXIT_ATTRIBUTE, type_name(type(error)))
    elif policy is not False:
        _record_error(span, error, policy, wanted)


def _record_error(span: Span, error: Exception, level: Level, wanted: int) -> None:
    if _was_seen(span, error, wanted):
        event = _summary(error)
    else:
        # The first frame is the wrapper's own and says nothing to the reader.
        frames = error.__traceback__ and (error.__traceback__.tb_next or error.__traceback__)
        event = exception_attributes(error, frames)
    if level is not Level.ERROR:
        event["level"] = level.name
    add_event(span, wanted, "exception", event)
    if level >= Level.ERROR:
        message = event["exception.message"]
        text = f"{type(error).__name__}: {message}" if message else type(error).__name__
        span.set_status(Status(StatusCode.ERROR, text))


def _was_seen(span: Span, error: Exception, wanted: int) -> bool:
    # The stack is written on the first span of a trace that the exception leaves. Written anew on
    # every span above it, an exception would cost the square of its depth.
    trace_id = span.get_span_context().trace_id
    here: int = wanted & getattr(span, _WANTED, ALL_EXPORTERS)
    seen_in, seen_by = vars(error).get(_SEEN, (trace_id, NO_EXPORTERS))
    if seen_in != trace_id:
        seen_by = NO_EXPORTERS
    vars(error)[_SEEN] = trace_id, seen_by | here
    return not here & ~seen_by


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
        return str(to_attribute_value(str(error)))
    except Exception:
        return f"<{type(error).__name__}, no text>"


def type_name(kind: type) -> str:
    """A type's qualified name, without `builtins`."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _stacktrace(error: BaseException, frames: TracebackType | None) -> str:
    try:
        text = "".join(_lines(error, frames))
    except Exception:
        text = f"{type_name(type(error))}: (the stack trace could not be written)"
    return stack_text(text)


def _lines(error: BaseException, frames: TracebackType | None) -> Iterator[str]:
    chain = list(islice(_chain(error), _LONGEST_CHAIN + 1))
    if len(chain) <= _LONGEST_CHAIN:
        # The innermost frames of each.
        limit = -(_MOST_FRAMES // len(chain))
        yield from traceback.format_exception(type(error), error, frames, limit=limit)
        return
    yield "(the innermost frames of the last exceptions of a long chain, the last one first)\n"
    for one in chain:
        shown = frames if one is error else one.__traceback__
        yield from traceback.format_tb(shown, limit=-_FRAMES_IN_A_LONG_CHAIN)
        yield f"{type_name(type(one))}: {_message(one)}\n"


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


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
