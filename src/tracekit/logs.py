"""The connection of the standard library's `logging` with traces.

`SpanEventHandler` adds log records to the current span as events. `TraceContextFilter` adds the
current span's ids to log records. Both can be named in `logging.config.dictConfig`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Span, SpanContext

from tracekit._base.errors import ConfigurationError
from tracekit._base.levels import Level
from tracekit._base.log import log_warning_once
from tracekit._filters.filter_set import NO_EXPORTERS
from tracekit._recording.current_context import get_current, is_suppressed
from tracekit._recording.filter_decisions import add_event, decide_event, nearest_recorded_span
from tracekit._recording.log_records import RecordContent, level_of, location_of, log_failure
from tracekit._values.attribute_values import to_attribute_value

__all__ = ["SpanEventHandler", "TraceContextFilter"]

# These loggers are used while a span's lock is held. Their records would wait for it forever.
_OWN_LOGGERS: Final = frozenset({"tracekit", "opentelemetry"})
# Loguru has no name for a logger of a module without a name.
_DEFAULT_LOGGER_NAME: Final = "root"
# In seconds.
_LOCK_TIMEOUT: Final = 1.0


class SpanEventHandler(logging.Handler):
    """A logging handler that adds each record to the current span, as an event.

    The event's name is the record's message. Its attributes are the `level` and the `logger.name`,
    the fields passed as `extra`, an exception as `exception.type`, `exception.message` and
    `exception.stacktrace`, and the stack of `stack_info=True` as `code.stacktrace`. Values are
    converted and redacted by name as everywhere in tracekit. The text of the message is not
    searched for secrets. The status of the span does not change.

    The filter decides by the record's level and the logger's name, as for `event`. A record is not
    formatted if the filter rejects it or if no span is recorded.
    Three kinds of records are left out: those of the loggers `tracekit` and `opentelemetry`, those
    made while spans are exported, and those made while the same thread records another one.

    If a formatter is set, its output is the event's name.

    Args:
        level: The lowest level that is handled, as in any handler: a number, or a name in any case.
            By default every level is handled, and only the filter decides.
        target: The target for filters; by default the logger's name.
        location: Whether `code.file.path`, `code.line.number` and `code.function.name` of the
            logging call are recorded too.

    Raises:
        ConfigurationError: The level or the target is not valid.

    Example:
        ```python
        import logging

        import tracekit
        from tracekit.logs import SpanEventHandler

        spans = tracekit.exporters.memory()
        tracekit.init_telemetry("shop", exporter=spans)
        logging.getLogger().addHandler(SpanEventHandler())

        with tracekit.span("refill"):
            logging.getLogger("shop.stock").warning("low on %s", "tea", extra={"left": 2})

        [event] = spans.spans[0].events
        assert event.name == "low on tea"
        assert event.attributes == {"level": "WARN", "logger.name": "shop.stock", "left": 2}
        ```
    """

    def __init__(
        self,
        level: Level | str | int = logging.NOTSET,
        *,
        target: str | None = None,
        location: bool = False,
    ) -> None:
        super().__init__()
        self.setLevel(level)
        if target is not None and not (isinstance(target, str) and target):
            raise ConfigurationError(f"target={target!r}: expected a name such as 'shop.db'")
        self._target = target
        self._location = location

    def setLevel(self, level: Level | str | int) -> None:  # noqa: N802 - the standard library's name
        """Set the lowest level that is handled.

        Args:
            level: A number of the logging module, a `Level`, or a name in any case.

        Raises:
            ConfigurationError: The level is not valid.
        """
        super().setLevel(_parse_threshold(level))

    def handle(self, record: logging.LogRecord) -> bool:
        """Add a record to the current span unless a filter of this handler rejects it.

        Args:
            record: The record.

        Returns:
            Whether the filters accept it, as in any handler.
        """
        # This does not hold the handler's lock. Nothing is shared, and formatting an argument may
        # take a lock of the program, for which another thread that logs could be waiting.
        accepted: Any = self.filter(record)
        if accepted:
            # Since Python 3.12 a filter may return another record.
            self.emit(accepted if isinstance(accepted, logging.LogRecord) else record)
        return bool(accepted)

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record to the current span; a failure is logged once and never raised.

        Args:
            record: The record.
        """
        if _thread.is_recording:
            return
        _thread.is_recording = True
        try:
            span = nearest_recorded_span(trace.get_current_span())
            if span.is_recording():
                self._add(record, span)
        except Exception as error:
            log_failure(record, error)
        finally:
            _thread.is_recording = False

    def _add(self, record: logging.LogRecord, span: Span) -> None:
        level = level_of(record.levelno)
        logger_name = record.name or _DEFAULT_LOGGER_NAME
        if _is_own_record(logger_name):
            return
        content = RecordContent(record)
        exporter_mask, described = decide_event(
            span, self._target or logger_name, level, content.attributes
        )
        if exporter_mask == NO_EXPORTERS:
            return
        attributes = {
            "level": level.name,
            "logger.name": logger_name,
            **(location_of(record) if self._location else {}),
            **described,
        }
        message = content.message if self.formatter is None else self.formatter.format(record)
        if _is_free(span):
            name = str(to_attribute_value(message)) or logger_name
            add_event(span, exporter_mask, name, attributes)


class TraceContextFilter(logging.Filter):
    """A logging filter that accepts every record and adds the current span's ids to it.

    The fields are those of [OpenTelemetry's log formats](https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/):
    `trace_id` (32 hexadecimal digits), `span_id` (16) and `trace_flags` (2; `01` in a trace that is
    sampled). Without a span they are zeros. A field that a record has already is not changed, so
    the first filter that a record passes decides. Put it where records are made, before any queue.

    On a handler the filter sees the records of all loggers. On a logger it sees only the records
    made by that logger itself, as any filter of the logging module.

    Example:
        ```python
        import logging
        import sys

        import tracekit
        from tracekit.logs import TraceContextFilter

        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(trace_id)s %(message)s"))
        handler.addFilter(TraceContextFilter())
        logger = logging.Logger("shop")
        logger.addHandler(handler)
        logger.info("no trace yet")
        ```

        ```text
        00000000000000000000000000000000 no trace yet
        ```
    """

    def __init__(self) -> None:
        super().__init__()

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the ids to a record.

        Args:
            record: The record.

        Returns:
            `True`: every record is accepted.
        """
        context = _current_span_context()
        fields = record.__dict__
        fields.setdefault("trace_id", f"{context.trace_id:032x}")
        fields.setdefault("span_id", f"{context.span_id:016x}")
        fields.setdefault("trace_flags", f"{context.trace_flags:02x}")
        return True


class _ThreadState(threading.local):
    is_recording: bool = False


_thread: Final = _ThreadState()


def _is_own_record(logger_name: str) -> bool:
    return logger_name.partition(".")[0] in _OWN_LOGGERS or is_suppressed(get_current())


def _current_span_context() -> SpanContext:
    try:
        return trace.get_current_span().get_span_context()
    except Exception as error:
        log_warning_once("trace context", "log records are without trace ids", error=error)
        return INVALID_SPAN_CONTEXT


def _parse_threshold(level: Level | str | int) -> int:
    number: Any = level
    if isinstance(level, str):
        name = level.strip().upper()
        # The logging module returns a number for names that programs have added, else a text.
        number = Level.__members__.get(name) or logging.getLevelName(name)
    if isinstance(number, int) and not isinstance(number, bool):
        return int(number)
    raise ConfigurationError(
        f"level={level!r} is not a level; use one of {', '.join(Level.__members__)}, a level of "
        f"the logging module, or its number"
    )


def _is_free(span: Span) -> bool:
    # A signal handler or a finalizer may log while this thread changes the span. Neither the SDK's
    # lock nor those of the lists below it are reentrant, so that adding the event would block
    # forever.
    lock: Any = getattr(span, "_lock", None)
    if not hasattr(lock, "acquire"):
        return True
    is_held_by_this_thread: Callable[[], bool] = getattr(lock, "_is_owned", bool)
    if is_held_by_this_thread() or not lock.acquire(timeout=_LOCK_TIMEOUT):
        log_warning_once(
            "span lock", "a log record was made while its span was changed; it is left out"
        )
        return False
    lock.release()
    return True
