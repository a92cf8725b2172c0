"""The content of a log record: its level, message, fields, exception and location."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from tracekit._base.levels import Level
from tracekit._base.log import log_failure_once
from tracekit._recording.attributes import to_attributes
from tracekit._recording.exceptions import exception_attributes, stack_text
from tracekit._values.attribute_values import to_attribute_value

# Fields that the event has anyway, and fields that TraceContextFilter and OpenTelemetry's logging
# instrumentation add to records, which repeat what the span holds.
_REDUNDANT_FIELDS: Final = frozenset(
    "level logger.name exc_info stack_info trace_id span_id trace_flags "
    "otelTraceID otelSpanID otelTraceSampled otelServiceName".split()
)
# `taskName` came with Python 3.12; formatters add `message` and `asctime`.
_STANDARD_ATTRIBUTES: Final = frozenset(
    {*vars(logging.makeLogRecord({})), "taskName", "message", "asctime"}
)
# The keys under which structlog and JSON formatters put the message in a mapping.
_MESSAGE_KEYS: Final = ("event", "message", "msg")
_MAX_FIELDS: Final = 128


class RecordContent:
    """The content of a log record; `attributes` formats it and sets `message`, of any length."""

    __slots__ = ("_record", "message")

    def __init__(self, record: logging.LogRecord) -> None:
        self._record = record
        self.message = ""

    def attributes(self) -> dict[str, Any]:
        """Return the fields, the exception and the stack as attributes."""
        record = self._record
        self.message, fields, exc_info = _parse(record)
        return {
            **(to_attributes(fields, {}) if fields else {}),
            **_exception_attributes(record, exc_info),
            **({"code.stacktrace": stack_text(record.stack_info)} if record.stack_info else {}),
        }


def _parse(record: logging.LogRecord) -> tuple[str, Mapping[str, object], Any]:
    """Return a record's message, fields and exception; a message may be a mapping with fields."""
    message, extra = record.msg, _extra_of(record)
    if isinstance(message, str) or not isinstance(message, Mapping):
        return _message_of(record), extra, record.exc_info
    exc_info = message.get("exc_info") or record.exc_info
    key = next((key for key in _MESSAGE_KEYS if key in message), None)
    if key is None:
        return str(to_attribute_value(message)), extra, exc_info
    rest = ((name, value) for name, value in message.items() if name != key)
    return _as_text(message[key]), {**extra, **_fields(rest)}, exc_info


def _exception_attributes(record: logging.LogRecord, exc_info: Any) -> dict[str, str]:
    exc_info = sys.exc_info() if exc_info is True else exc_info
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        return exception_attributes(error, error.__traceback__)
    # A record from another process has the text of the exception instead of the exception.
    return {"exception.stacktrace": stack_text(record.exc_text)} if record.exc_text else {}


@lru_cache(maxsize=256)
def level_of(number: int) -> Level:
    """Return the level of a record's number, with the ends of the scale for numbers beyond them."""
    return Level.of(int(min(max(number, Level.TRACE), Level.ERROR)))


def location_of(record: logging.LogRecord) -> dict[str, str | int]:
    """Return where a record was made, by the names of the semantic conventions."""
    return {
        "code.file.path": record.pathname,
        "code.line.number": record.lineno,
        "code.function.name": record.funcName or "",
    }


def log_failure(record: logging.LogRecord, error: Exception) -> None:
    """Log, once for each logger and type of exception, that a record was not recorded whole."""
    failure = f"a record of the logger {record.name} was not recorded whole"
    log_failure_once(("log record", record.name), failure, error)


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        log_failure(record, error)
        return _as_text(record.msg)


def _as_text(value: object) -> str:
    # A string is bounded when the event is made. If it were bounded here too, the text would give a
    # wrong number of characters left out.
    return value if isinstance(value, str) else str(to_attribute_value(value))


def _extra_of(record: logging.LogRecord) -> dict[str, object]:
    attributes = record.__dict__
    names = [name for name in attributes if name not in _STANDARD_ATTRIBUTES]
    if not names:
        return {}
    fields = _fields((name, attributes[name]) for name in names)
    # Loguru passes everything that was bound as one mapping of this name.
    bound = fields.pop("extra", None)
    if isinstance(bound, Mapping):
        return {**_fields(bound.items()), **fields}
    return fields if bound is None else {**fields, "extra": bound}


def _fields(items: Iterable[tuple[object, object]]) -> dict[str, object]:
    named = ((str(to_attribute_value(name)), value) for name, value in items)
    kept = (
        (name, value)
        for name, value in named
        # Libraries such as structlog keep internal values under names with an underscore.
        if name and name not in _REDUNDANT_FIELDS and not name.startswith("_")
    )
    return dict(islice(kept, _MAX_FIELDS))
