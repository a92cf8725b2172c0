"""Log records, handlers and span contexts for the tests of logging."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers

from opentelemetry.trace import SpanContext, TraceFlags

from tracekit import span
from tracekit.logs import SpanEventHandler

CONTEXT = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


UNSAMPLED = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(0))


class Unwritable:
    """An object that must not be formatted."""

    def __str__(self):
        raise AssertionError("formatted")


class Lines(logging.Handler):
    """A handler that keeps its records."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


def record_of(**values):
    """Return a log record with these attributes."""
    return logging.makeLogRecord({"name": "shop", "levelno": logging.INFO, **values})


def events_of(record, spans, **options):
    """Return the events that a record makes."""
    handler = SpanEventHandler(**options)
    with span("work"):
        handler.handle(record)
    handler.close()
    return spans["work"].events
