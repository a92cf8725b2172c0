"""The record of an exception that leaves a span."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Final

from opentelemetry.trace import Span, Status, StatusCode

from tracekit._base.levels import Level
from tracekit._filters.filter_set import NO_EXPORTERS
from tracekit._recording.filter_decisions import add_event, mask_of
from tracekit._values.attribute_values import to_attribute_value
from tracekit._values.type_names import qualified_name

_MAX_STACKTRACE_LENGTH: Final = 65_536
_MAX_FRAMES: Final = 1_000
_MAX_CHAIN_LENGTH: Final = 50
_FRAMES_IN_A_LONG_CHAIN: Final = 10
# An attribute of the exception: the trace in which its stack was recorded, and the mask of the
# exporters that got it. Builtin exceptions allow no weak reference, so that no table can hold this.
_RECORDED_STACK: Final = "__tracekit_seen__"
# The attribute of an exit that is not an error. OpenTelemetry has no name for it.
EXIT_ATTRIBUTE: Final = "tracekit.exit"


def record_exit(
    span: Span,
    error: BaseException,
    *,
    level: Level | None,
    expected: tuple[type[BaseException], ...],
    exporter_mask: int,
    is_end_of_iteration: bool,
) -> None:
    """Record the exception that leaves a span.

    The status becomes ERROR only if the level of the `exception` event is `ERROR`. Types that are
    expected are recorded without a stack trace, and the status stays as it is.
    """
    if expected and isinstance(error, expected):
        span.add_event("exception", {**_summary(error), "exception.expected": True})
    elif is_end_of_iteration or not isinstance(error, Exception) or _is_cancellation(error):
        if not isinstance(error, GeneratorExit):
            span.set_attribute(EXIT_ATTRIBUTE, qualified_name(type(error)))
    elif level is not None and exporter_mask != NO_EXPORTERS:
        _record_error(span, error, level, exporter_mask)


def _record_error(span: Span, error: Exception, level: Level, exporter_mask: int) -> None:
    if _has_recorded_stack(span, error, exporter_mask):
        event = _summary(error)
    else:
        # The first frame is the wrapper's, which does not help the reader.
        frames = error.__traceback__ and (error.__traceback__.tb_next or error.__traceback__)
        event = exception_attributes(error, frames)
    if level is not Level.ERROR:
        event["level"] = level.name
    add_event(span, exporter_mask, "exception", event)
    if level >= Level.ERROR:
        message = event["exception.message"]
        text = f"{type(error).__name__}: {message}" if message else type(error).__name__
        span.set_status(Status(StatusCode.ERROR, text))


def _has_recorded_stack(span: Span, error: Exception, exporter_mask: int) -> bool:
    # The stack is recorded on the first span of a trace that the exception leaves. If every span
    # above recorded it too, the size of the trace would grow with the square of the depth.
    trace_id = span.get_span_context().trace_id
    here = exporter_mask & mask_of(span)
    recorded_in, recorded_for = vars(error).get(_RECORDED_STACK, (trace_id, NO_EXPORTERS))
    if recorded_in != trace_id:
        recorded_for = NO_EXPORTERS
    vars(error)[_RECORDED_STACK] = trace_id, recorded_for | here
    return not here & ~recorded_for


def exception_attributes(error: BaseException, frames: TracebackType | None) -> dict[str, str]:
    """Return the type, the message and the stack trace of an exception, within bounds."""
    return {**_summary(error), "exception.stacktrace": _stacktrace(error, frames)}


def _summary(error: BaseException) -> dict[str, str]:
    return {"exception.type": qualified_name(type(error)), "exception.message": _message(error)}


def _message(error: BaseException) -> str:
    try:
        return str(to_attribute_value(str(error)))
    except Exception:
        return f"<{type(error).__name__}, no text>"


def _stacktrace(error: BaseException, frames: TracebackType | None) -> str:
    try:
        text = "".join(_lines(error, frames))
    except Exception:
        text = f"{qualified_name(type(error))}: (the stack trace could not be written)"
    return stack_text(text)


def _lines(error: BaseException, frames: TracebackType | None) -> Iterator[str]:
    chain = list(islice(_chain(error), _MAX_CHAIN_LENGTH + 1))
    if len(chain) <= _MAX_CHAIN_LENGTH:
        # A negative limit selects the innermost frames of each exception.
        limit = -(_MAX_FRAMES // len(chain))
        yield from traceback.format_exception(type(error), error, frames, limit=limit)
        return
    yield "(the innermost frames of the last exceptions of a long chain, the last one first)\n"
    for one in chain:
        shown = frames if one is error else one.__traceback__
        yield from traceback.format_tb(shown, limit=-_FRAMES_IN_A_LONG_CHAIN)
        yield f"{qualified_name(type(one))}: {_message(one)}\n"


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def stack_text(text: str) -> str:
    """Return a stack trace that protobuf accepts, without its middle if it is too long."""
    if len(text) > _MAX_STACKTRACE_LENGTH:
        half = _MAX_STACKTRACE_LENGTH // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_cancellation(error: BaseException) -> bool:
    # The module is not imported: if it is not loaded, no such exception exists.
    futures = sys.modules.get("concurrent.futures._base")
    return futures is not None and isinstance(error, futures.CancelledError)
