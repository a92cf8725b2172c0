"""What a log record says: its level, its message, what was passed along, its exception."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

from tracekit._base.levels import Level
from tracekit._base.log import log_warning_once
from tracekit._recording.attributes import to_attributes
from tracekit._recording.exceptions import exception_attributes, stack_text
from tracekit._values.attribute_values import to_attribute_value

# What an event says by itself, and what TraceContextFilter and OpenTelemetry's own logging
# instrumentation put on records, which the span says.
_SAID_ALREADY: Final = frozenset(
    "level logger.name exc_info stack_info trace_id span_id trace_flags "
    "otelTraceID otelSpanID otelTraceSampled otelServiceName".split()
)
# `taskName` came with Python 3.12; formatters add `message` and `asctime`.
_EVERY_RECORD_HAS: Final = frozenset(
    {*vars(logging.makeLogRecord({})), "taskName", "message", "asctime"}
)
# What structlog and JSON formatters call the message in a record that is a mapping.
_MESSAGE_KEYS: Final = ("event", "message", "msg")
_MOST_FIELDS: Final = 128


class Content(NamedTuple):
    """What a record says.

    Attributes:
        record: The record.
        name: Its message, not yet bounded.
        fields: What was passed along with it, by name.
        exc_info: Its exception, in any of the forms that the logging module takes.
    """

    record: logging.LogRecord
    name: str
    fields: Mapping[str, object]
    exc_info: Any

    @classmethod
    def of(cls, record: logging.LogRecord) -> Content:
        """Read a record, of which the message may be a mapping with fields of its own."""
        message, extra = record.msg, _extra_of(record)
        if isinstance(message, str) or not isinstance(message, Mapping):
            return cls(record, _text_of(record), extra, record.exc_info)
        exc_info = message.get("exc_info") or record.exc_info
        key = next((key for key in _MESSAGE_KEYS if key in message), None)
        if key is None:
            return cls(record, str(to_attribute_value(message)), extra, exc_info)
        rest = ((name, value) for name, value in message.items() if name != key)
        return cls(record, _as_text(message[key]), {**extra, **_fields(rest)}, exc_info)

    def attributes(self) -> dict[str, Any]:
        """The fields, the exception and the stack, as values that OpenTelemetry takes."""
        described = to_attributes(self.fields, {}) if self.fields else {}
        return {**described, **self._exception(), **self._stack()}

    def _exception(self) -> dict[str, str]:
        exc_info = sys.exc_info() if self.exc_info is True else self.exc_info
        error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
        if isinstance(error, BaseException):
            return exception_attributes(error, error.__traceback__)
        # A record that came from another process brings the text in place of the exception.
        text = self.record.exc_text
        return {"exception.stacktrace": stack_text(text)} if text else {}

    def _stack(self) -> dict[str, str]:
        text = self.record.stack_info
        return {"code.stacktrace": stack_text(text)} if text else {}


def level_of(record: logging.LogRecord) -> Level:
    """The level that a record's number stands for; the ends of the scale for any beyond them."""
    return _level_of(record.levelno)


@lru_cache(maxsize=256)
def _level_of(number: int) -> Level:
    return Level.of(int(min(max(number, Level.TRACE), Level.ERROR)))


def location_of(record: logging.LogRecord) -> dict[str, str | int]:
    """Where a record was made, by the names of the semantic conventions."""
    return {
        "code.file.path": record.pathname,
        "code.line.number": record.lineno,
        "code.function.name": record.funcName or "",
    }


def not_recorded(record: logging.LogRecord, error: Exception) -> None:
    """Log, once for each logger and kind of failure, that a record was not recorded whole."""
    log_warning_once(
        ("log record", record.name, type(error)),
        "a record of the logger %s was not recorded whole (%s); the program is not affected",
        record.name,
        type(error).__name__,
        error=error,
    )


def _text_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        not_recorded(record, error)
        return _as_text(record.msg)


def _as_text(value: object) -> str:
    # A string is bounded where the event is made; twice would count what is missing wrongly.
    return value if isinstance(value, str) else str(to_attribute_value(value))


def _extra_of(record: logging.LogRecord) -> dict[str, object]:
    given = record.__dict__
    passed = [name for name in given if name not in _EVERY_RECORD_HAS]
    if not passed:
        return {}
    own = _fields((name, given[name]) for name in passed)
    # Loguru hands over everything that was bound as one mapping of this name.
    bound = own.pop("extra", None)
    if isinstance(bound, Mapping):
        return {**_fields(bound.items()), **own}
    return own if bound is None else {**own, "extra": bound}


def _fields(items: Iterable[tuple[object, object]]) -> dict[str, object]:
    named = ((str(to_attribute_value(name)), value) for name, value in items)
    wanted = (
        (name, value)
        for name, value in named
        # What begins with an underscore is what libraries such as structlog tell each other.
        if name and name not in _SAID_ALREADY and not name.startswith("_")
    )
    return dict(islice(wanted, _MOST_FIELDS))
