"""The standard library's `logging` and traces, brought together.

`SpanEventHandler` shows log records as events of the current span, `TraceContextFilter` shows the
current span's ids in log lines. Both can be named in `logging.config.dictConfig`.
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
from tracekit._recording.filter_decisions import add_event, event_mask, recorded_span_around
from tracekit._recording.log_records import Content, level_of, location_of, not_recorded
from tracekit._values.attribute_values import to_attribute_value

__all__ = ["SpanEventHandler", "TraceContextFilter"]

# What speaks about recording logs while a span's lock is held, and would wait for it for ever.
_OF_RECORDING: Final = frozenset({"tracekit", "opentelemetry"})
# Loguru knows no name where a module has none.
_NAMELESS: Final = "root"
_LONGEST_WAIT: Final = 1.0


class SpanEventHandler(logging.Handler):
    """A logging handler that adds each record to the current span, as an event.

    The event's name is the record's message. Its attributes are the `level` and the `logger.name`,
    what was passed as `extra`, an exception as `exception.type`, `exception.message` and
    `exception.stacktrace`, and a stack asked for with `stack_info` as `code.stacktrace`. Values are
    described and redacted by name as everywhere in tracekit; the text of the message is not
    searched. The status of the span stays as it is.

    The filter decides by the record's level and the logger's name, as it does about `event`. A
    record that it does not want, or that is made where no span is recorded, is not formatted.
    Records of the loggers `tracekit` and `opentelemetry`, records made while spans are exported,
    and records made while another is being recorded in the same thread are left out.

    Where a formatter is set, what it writes is the event's name.

    Args:
        level: The least important level that is handled, as in any handler: a number, or a name in
            any case. By default all are, and the filter decides alone.
        target: What the filter matches on; by default the logger's name.
        location: Whether `code.file.path`, `code.line.number` and `code.function.name` of the
            place that logged are recorded too.

    Raises:
        ConfigurationError: The level or the target is none.

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
        """Set the least important level that is handled.

        Args:
            level: A number of the logging module, a `Level`, or a name in any case.

        Raises:
            ConfigurationError: It is no level.
        """
        super().setLevel(_read_threshold(level))

    def handle(self, record: logging.LogRecord) -> bool:
        """Add a record to the current span unless a filter of this handler rejects it.

        Args:
            record: The record.

        Returns:
            Whether the filters let it through, as by any handler.
        """
        # Without the handler's lock: nothing is shared, and the text of an argument may take locks
        # of the program's own, for which another thread that is logging could be waiting.
        verdict: Any = self.filter(record)
        if verdict:
            # Since Python 3.12 a filter may answer with another record in place of this one.
            self.emit(verdict if isinstance(verdict, logging.LogRecord) else record)
        return bool(verdict)

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record to the current span; what fails is logged once and never raised.

        Args:
            record: The record.
        """
        if _recording.here:
            return
        _recording.here = True
        try:
            span = recorded_span_around(trace.get_current_span())
            if span.is_recording():
                self._add(record, span)
        except Exception as error:
            not_recorded(record, error)
        finally:
            _recording.here = False

    def _add(self, record: logging.LogRecord, span: Span) -> None:
        level, logger_name = level_of(record), record.name or _NAMELESS
        if _is_of_recording(logger_name):
            return
        target = self._target or logger_name
        wanted = event_mask(target, level, lambda: Content.of(record).attributes(), span)
        if wanted == NO_EXPORTERS:
            return
        content = Content.of(record)
        name = content.name if self.formatter is None else self.formatter.format(record)
        attributes = {
            "level": level.name,
            "logger.name": logger_name,
            **(location_of(record) if self._location else {}),
            **content.attributes(),
        }
        if _is_free(span):
            event_name = str(to_attribute_value(name)) or logger_name
            add_event(span, wanted, event_name, attributes)


class TraceContextFilter(logging.Filter):
    """A logging filter that lets every record through and puts the current span's ids on it.

    The fields are those of [OpenTelemetry's log formats](https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/):
    `trace_id` (32 hexadecimal digits), `span_id` (16) and `trace_flags` (2; `01` in a trace that is
    sampled). Where there is no span they are zeros. A field that a record has already stays, so the
    first filter that a record passes decides: put one where records are made, before any queue.

    On a handler it sees the records of all loggers; on a logger only those made by that logger
    itself, as is the way of the logging module.

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
        """Put the ids on a record.

        Args:
            record: The record.

        Returns:
            `True`: every record goes on.
        """
        context = _current_span_context()
        fields = record.__dict__
        fields.setdefault("trace_id", f"{context.trace_id:032x}")
        fields.setdefault("span_id", f"{context.span_id:016x}")
        fields.setdefault("trace_flags", f"{context.trace_flags:02x}")
        return True


class _Recording(threading.local):
    here: bool = False


_recording: Final = _Recording()


def _is_of_recording(logger_name: str) -> bool:
    return logger_name.partition(".")[0] in _OF_RECORDING or is_suppressed(get_current())


def _current_span_context() -> SpanContext:
    try:
        return trace.get_current_span().get_span_context()
    except Exception as error:
        log_warning_once("trace context", "log records go without trace ids", error=error)
        return INVALID_SPAN_CONTEXT


def _read_threshold(level: Level | str | int) -> int:
    number: Any = level
    if isinstance(level, str):
        name = level.strip().upper()
        # The logging module knows names that programs have added; of others it makes a text.
        number = Level.__members__.get(name) or logging.getLevelName(name)
    if isinstance(number, int) and not isinstance(number, bool):
        return int(number)
    raise ConfigurationError(
        f"level={level!r} is not a level; say one of {', '.join(Level.__members__)}, a level of "
        f"the logging module, or its number"
    )


def _is_free(span: Span) -> bool:
    # A signal handler or a finalizer may log while this very thread writes on the span. Neither the
    # SDK's lock nor those of the lists below it are reentrant, and adding the event would never
    # come to an end.
    lock: Any = getattr(span, "_lock", None)
    if not hasattr(lock, "acquire"):
        return True
    is_mine: Callable[[], bool] = getattr(lock, "_is_owned", bool)
    if is_mine() or not lock.acquire(timeout=_LONGEST_WAIT):
        log_warning_once(
            "span lock", "a log record came while its span was written on; it is left out"
        )
        return False
    lock.release()
    return True
