"""`TraceContextFilter`: the ids of the current span in log records."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import pickle
import queue
import sys
import threading

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, use_span

from tests.logging_tools import CONTEXT, UNSAMPLED, Lines, record_of
from tracekit import span
from tracekit.logs import SpanEventHandler, TraceContextFilter


@pytest.mark.parametrize(
    ("context", "ids"),
    [
        (CONTEXT, ("0" * 29 + "abc", "0" * 13 + "def", "01")),
        (UNSAMPLED, ("0" * 29 + "abc", "0" * 13 + "def", "00")),
        (None, ("0" * 32, "0" * 16, "00")),
    ],
)
def test_the_ids_are_on_every_record(context, ids):
    """They have the forms of OpenTelemetry's log formats, and are zeros without a span."""
    record = record_of(msg="x")
    with use_span(NonRecordingSpan(context) if context else trace.INVALID_SPAN):
        assert TraceContextFilter().filter(record) is True
    assert ids == (record.trace_id, record.span_id, record.trace_flags)


@pytest.mark.parametrize("place", ["handler", "logger"])
def test_a_format_string_shows_the_ids(place, spans, loggers, capsys):
    """The filter may be on the handler or on the logger."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(trace_id)s/%(span_id)s %(message)s"))
    logger = loggers("shop", handler)
    carrier = handler if place == "handler" else logger
    wanted = TraceContextFilter()
    carrier.addFilter(wanted)
    with span("work") as current:
        logger.info("hello")
    carrier.removeFilter(wanted)
    context = current.get_span_context()
    expected = f"{context.trace_id:032x}/{context.span_id:016x} hello\n"
    assert expected == capsys.readouterr().out


def test_an_id_that_a_record_has_is_not_changed():
    """The first filter decides, because it runs where the record was made."""
    record = record_of(msg="x", trace_id="mine")
    with use_span(NonRecordingSpan(CONTEXT)):
        TraceContextFilter().filter(record)
    TraceContextFilter().filter(record)
    assert "mine" == record.trace_id
    assert "0" * 13 + "def" == record.span_id


def test_the_ids_go_through_a_queue(spans, loggers):
    """The filter runs before the queue; the thread of the listener has no span."""
    waiting, lines = queue.SimpleQueue(), Lines()
    handler = logging.handlers.QueueHandler(waiting)
    handler.addFilter(TraceContextFilter())
    lines.addFilter(TraceContextFilter())
    logger = loggers("shop", handler, SpanEventHandler())
    listener = logging.handlers.QueueListener(waiting, lines)
    listener.start()
    with span("work") as current:
        logger.info("hello")
    listener.stop()
    expected = f"{current.get_span_context().span_id:016x}"
    assert [expected] == [record.span_id for record in lines.records]
    assert ["hello"] == [name for name, _ in spans["work"].events]


def test_the_ids_survive_pickling():
    """A record may be sent to another process."""
    record = record_of(msg="x")
    with use_span(NonRecordingSpan(CONTEXT)):
        TraceContextFilter().filter(record)
    assert "0" * 13 + "def" == pickle.loads(pickle.dumps(record)).span_id


def test_a_thread_without_a_context_has_zeros(spans, loggers):
    """A bare thread has no current span."""
    lines = Lines()
    lines.addFilter(TraceContextFilter())
    logger = loggers("shop", lines)
    with span("work"):
        thread = threading.Thread(target=logger.info, args=("x",))
        thread.start()
        thread.join()
    assert ["0" * 16] == [record.span_id for record in lines.records]


def test_a_span_whose_context_raises_is_logged_once(caplog):
    """The ids are zeros."""

    class Broken(NonRecordingSpan):
        def get_span_context(self):
            raise RuntimeError("broken")

    with use_span(Broken(CONTEXT)):
        for _ in range(2):
            record = record_of(msg="x")
            TraceContextFilter().filter(record)
    assert "0" * 32 == record.trace_id
    assert 1 == [one.levelname for one in caplog.records].count("WARNING")
