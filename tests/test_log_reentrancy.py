"""Log records that are made while a span or another record is recorded."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.context import attach, detach, set_value
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from tracekit import span
from tracekit._recording.current_context import SUPPRESS_KEY
from tracekit.logs import SpanEventHandler


@pytest.mark.parametrize("name", ["tracekit", "tracekit.x", "opentelemetry", "opentelemetry.sdk"])
def test_records_of_the_recording_itself_are_left_out(name, spans, loggers):
    """They are made while the span is changed."""
    logger = loggers(name, SpanEventHandler())
    with span("work"):
        logger.error("dropped")
    assert [] == spans["work"].events


def test_a_logger_whose_name_only_begins_alike_is_recorded(spans, loggers):
    """Whole segments of the name count."""
    logger = loggers("tracekit_shop", SpanEventHandler())
    with span("work"):
        logger.error("kept")
    assert ["kept"] == [name for name, _ in spans["work"].events]


def test_a_warning_of_the_sdk_does_not_block(spans):
    """The SDK logs it while it holds the span's lock."""
    finished = threading.Event()

    def work():
        with span("work") as current:
            current.set_attribute("bad", object())
        finished.set()

    handler = SpanEventHandler()
    logging.getLogger().addHandler(handler)
    threading.Thread(target=work, daemon=True).start()
    ended = finished.wait(20)
    logging.getLogger().removeHandler(handler)
    assert ended


def test_a_record_made_while_its_span_is_changed_does_not_block(spans, logger, monkeypatch):
    """A signal handler may make one. It is left out after a bounded wait."""
    monkeypatch.setattr("tracekit.logs._LOCK_TIMEOUT", 0.01)
    with span("work") as current:
        with current._lock:
            logger.info("left out")
        logger.info("kept")
    assert ["kept"] == [name for name, _ in spans["work"].events]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")
def test_a_signal_handler_may_log(spans, logger):
    """A record that is made while another is made is recorded once or left out."""

    class Interrupting:
        def __str__(self):
            signal.raise_signal(signal.SIGUSR1)
            return "outer"

    before = signal.signal(signal.SIGUSR1, lambda *_: logger.info("inner"))
    try:
        with span("work"):
            logger.info("%s", Interrupting())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "outer" in [name for name, _ in spans["work"].events]


def test_a_text_that_logs_is_not_recursive(spans, logger):
    """The inner record is left out."""

    class Chatty:
        def __str__(self):
            logger.info("%s", self)
            return "chatty"

    with span("work"):
        logger.info("%s", Chatty())
    assert ["chatty"] == [name for name, _ in spans["work"].events]


def test_suppressed_instrumentation_records_nothing(spans, logger):
    """The same holds for spans."""
    with span("work"):
        token = attach(set_value(SUPPRESS_KEY, True))
        logger.info("left out")
        detach(token)
    assert [] == spans["work"].events


def test_an_exporter_that_logs_is_not_recursive(loggers):
    """The records of an exporter that runs in the traced thread are left out."""
    logger = loggers("transport", SpanEventHandler())
    exported = []

    class Talking(SpanExporter):
        def export(self, spans):
            logger.info("exporting %s", len(spans))
            exported.extend(spans)
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Talking()))
    tracer = provider.get_tracer("shop")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        logger.info("working")
    assert [("inner", ["working"]), ("outer", [])] == [
        (one.name, [event.name for event in one.events]) for one in exported
    ]


def test_threads_do_not_wait_for_each_other(spans, logger):
    """No lock is held while a message is formatted, so that the program's locks cannot cross."""
    inside, done = threading.Event(), threading.Event()

    class Slow:
        def __str__(self):
            inside.set()
            done.wait(20)
            return "slow"

    def log_slowly():
        with span("slow"):
            logger.info("%s", Slow())

    thread = threading.Thread(target=log_slowly)
    thread.start()
    assert inside.wait(20)
    with span("fast"):
        logger.info("fast")
    done.set()
    thread.join()
    assert ["fast"] == [name for name, _ in spans["fast"].events]


def test_many_threads_lose_nothing(spans, logger):
    """Every record of every thread is on its own span."""

    def work(number):
        with span(f"work {number}"):
            for index in range(20):
                logger.info("%s-%s", number, index)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    for number in range(16):
        expected = [f"{number}-{index}" for index in range(20)]
        assert expected == [name for name, _ in spans[f"work {number}"].events]
