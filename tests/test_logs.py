"""`SpanEventHandler`: log records as events of the current span."""

from __future__ import annotations

import io
import logging
import logging.config
import logging.handlers
import sys

import pytest
from opentelemetry.trace import NonRecordingSpan, use_span

import tracekit
from tests.logging_tools import CONTEXT, Unwritable, record_of
from tracekit import ConfigurationError, Level, event, span
from tracekit._filters.call_sites import registry
from tracekit._filters.filter_set import FilterSet
from tracekit.logs import SpanEventHandler
from tracekit.testing import capture_spans


def test_a_record_becomes_an_event(spans, logger):
    """The message is the name; level, logger and extra fields are attributes."""
    with span("work"):
        logger.warning("low on %s", "tea", extra={"left": 2, "seen": {"a"}, "free": None})
    expected = {
        "level": "WARN",
        "logger.name": "shop.db",
        "left": 2,
        "seen": "{'a'}",
        "free": "None",
    }
    assert [("low on tea", expected)] == spans["work"].events


def test_the_event_is_added_to_the_innermost_span(spans, logger):
    """The current span gets it."""
    with span("outer"), span("inner"):
        logger.info("here")
    assert [] == spans["outer"].events
    assert ["here"] == [name for name, _ in spans["inner"].events]


@pytest.mark.parametrize(
    ("directives", "kept"),
    [
        ("info", ["info", "error"]),
        ("off,work=info", []),
        ("info,shop.db=debug", ["debug", "info", "error"]),
        ("info,shop=error", ["error"]),
        ("info,shop.d=off", ["info", "error"]),
        ("trace,shop.db=off", []),
    ],
)
def test_the_filter_decides_by_logger_and_level(directives, kept, logger):
    """It does so as for an event's target and level."""
    with capture_spans(filter=directives) as spans:
        with span("work", target="work", level="error"):
            for level in ("debug", "info", "error"):
                getattr(logger, level)(level)
        found = [name for made in spans for name, _ in made.events]
    assert kept == found


def test_a_changed_filter_takes_effect_at_once(logger):
    """The handler caches nothing."""
    seen = []
    with capture_spans(filter="info") as spans, span("work"):
        for directives in ("info", "warn", "info"):
            registry.configure(registry.backend, FilterSet([tracekit.Filter(directives)]))
            logger.info(directives)
    seen = [name for name, _ in spans["work"].events]
    assert ["info", "info"] == seen


def test_a_filtered_record_is_not_formatted(logger):
    """Neither the message nor its arguments nor its fields are read."""
    with capture_spans(filter="info") as spans, span("work"):
        logger.debug("%s", Unwritable(), extra={"what": Unwritable()})
        logger.debug(Unwritable())
    logger.error("%s", Unwritable())  # no span is current
    assert [] == spans["work"].events


def test_nothing_is_formatted_in_a_span_that_does_not_record(logger):
    """An unsampled trace is an example."""
    with use_span(NonRecordingSpan(CONTEXT)):
        logger.error("%s", Unwritable())


def test_target_and_level_are_options(loggers):
    """The filter sees the target, and the logger's name is recorded."""
    logger = loggers("shop.db", SpanEventHandler("warn", target="audit"))
    with capture_spans(filter="off,audit=trace,work=info") as spans, span("w", target="work"):
        logger.info("too low for the handler")
        logger.error("seen")
    assert [("seen", {"level": "ERROR", "logger.name": "shop.db"})] == spans["w"].events


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("info", 20),
        (" Warning ", 30),
        ("trace", 5),
        (Level.DEBUG, 10),
        (17, 17),
        ("critical", 50),
        ("OFF", 100),
        (0, 0),
    ],
)
def test_the_level_of_the_handler_has_many_forms(given, number):
    """It is a number, a `Level`, or a name in any case."""
    assert number == SpanEventHandler(given).level


@pytest.mark.parametrize("level", ["loud", "", 1.5, None, True, []])
def test_a_wrong_level_raises(level):
    """The text names the valid levels."""
    with pytest.raises(ConfigurationError, match=r"level=.* is not a level; use one of TRACE"):
        SpanEventHandler(level)


@pytest.mark.parametrize("target", ["", 7, b"shop"])
def test_a_wrong_target_raises(target):
    """A target is a name."""
    with pytest.raises(ConfigurationError, match=r"target=.*expected a name"):
        SpanEventHandler(target=target)


def test_a_formatter_makes_the_name(spans, loggers):
    """It is set as on any handler."""
    handler = SpanEventHandler()
    handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    logger = loggers("shop", handler)
    with span("work"):
        logger.info("done")
    assert ["[INFO] done"] == [name for name, _ in spans["work"].events]


def test_a_filter_of_the_handler_rejects_records(spans, loggers):
    """It is added as to any handler."""
    handler = SpanEventHandler()
    handler.addFilter(lambda record: record.getMessage() != "no")
    logger = loggers("shop", handler)
    with span("work"):
        logger.info("no")
        logger.info("yes")
    assert ["yes"] == [name for name, _ in spans["work"].events]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="filters replace records since Python 3.12")
def test_a_filter_of_the_handler_replaces_the_record(spans, loggers):
    """The record that it returns is recorded."""
    handler = SpanEventHandler()
    handler.addFilter(lambda record: record_of(msg="other"))
    logger = loggers("shop", handler)
    with span("work"):
        logger.info("one")
    assert ["other"] == [name for name, _ in spans["work"].events]


def test_a_formatter_that_raises_is_logged_once(spans, loggers, caplog):
    """The event is left out."""
    handler = SpanEventHandler()
    handler.setFormatter(logging.Formatter("%(missing)s"))
    logger = loggers("shop", handler)
    with span("work"):
        logger.info("x")
        logger.info("x")
    assert [] == spans["work"].events
    assert 1 == [record.levelname for record in caplog.records].count("WARNING")


def test_without_a_set_up_nothing_is_loaded(run_python):
    """A library may add the handler. The SDK is not loaded."""
    done = run_python(
        "import logging, sys\n"
        "from tracekit import logs\n"
        "logging.getLogger().addHandler(logs.SpanEventHandler())\n"
        "logging.getLogger().handlers[0].addFilter(logs.TraceContextFilter())\n"
        "logging.getLogger('x').error('y')\n"
        "heavy = ('opentelemetry.sdk', 'logging.config', 'logging.handlers', 'grpc')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert "[]" == done.stdout.strip()
    assert "" == done.stderr


def test_a_span_whose_add_event_raises_is_logged_once(logger, caplog):
    """The record is left out."""

    class Broken(NonRecordingSpan):
        def is_recording(self):
            return True

        def add_event(self, *_, **__):
            raise RuntimeError("broken")

    with use_span(Broken(CONTEXT)):
        logger.info("x")
        logger.info("x")
    assert 1 == [one.levelname for one in caplog.records].count("WARNING")


def test_handler_and_filter_are_configured_by_dict_config(spans, capsys):
    """They have their options and their public names there."""
    name = "configured.shop"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"ids": {"()": "tracekit.logs.TraceContextFilter"}},
            "formatters": {"line": {"format": "%(span_id)s %(message)s"}},
            "handlers": {
                "console": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stdout",
                    "filters": ["ids"],
                    "formatter": "line",
                },
                "class": {"class": "tracekit.logs.SpanEventHandler", "level": "ERROR"},
                "spans": {
                    "()": "tracekit.logs.SpanEventHandler",
                    "level": "INFO",
                    "target": "audit",
                    "location": True,
                },
            },
            "loggers": {
                name: {"level": "DEBUG", "handlers": ["console", "spans", "class"]},
            },
        }
    )
    logger = logging.getLogger(name)
    with span("work") as current:
        logger.info("hello")
        logger.debug("not for the span")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    ids = f"{current.get_span_context().span_id:016x}"
    assert f"{ids} hello\n{ids} not for the span\n" == capsys.readouterr().out
    [(found, attributes)] = spans["work"].events
    assert "hello" == found
    assert name == attributes["logger.name"]
    assert "code.line.number" in attributes


def test_events_and_records_keep_their_order(spans, logger):
    """Both are events of the same span."""
    with span("work"):
        event("one")
        logger.info("two")
        event("three")
    assert ["one", "two", "three"] == [name for name, _ in spans["work"].events]
    times = [one.timestamp for one in spans["work"].span.events]
    assert sorted(times) == times


def test_structlog_through_a_processor_formatter(spans, loggers):
    """The mapping is recorded before and after the formatter of another handler has changed it."""
    structlog = pytest.importorskip("structlog")
    lines = logging.StreamHandler(io.StringIO())
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer())
    )
    target = loggers("shop", SpanEventHandler(), lines, SpanEventHandler())
    log = structlog.wrap_logger(
        target,
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    with span("work"):
        try:
            raise ValueError("no luck")
        except ValueError:
            log.bind(name="ada").exception("failed", password="p")
    expected = {
        "level": "ERROR",
        "logger.name": "shop",
        "name": "ada",
        "password": "[redacted]",
        "exception.type": "ValueError",
        "exception.message": "no luck",
    }
    assert [("failed", expected)] * 2 == spans["work"].events
    assert '"event": "failed"' in lines.stream.getvalue()


def test_loguru_as_a_sink(spans):
    """Bound values are attributes, also under the names of a record's own attributes."""
    loguru = pytest.importorskip("loguru")
    logger = loguru.logger
    logger.remove()
    sink = logger.add(SpanEventHandler(), format=lambda _: "{message}", level=0)
    with span("work"):
        logger.bind(name="ada", token="t").success("signed {}", "in")
        try:
            raise ValueError("no luck")
        except ValueError:
            logger.exception("failed")
    logger.remove(sink)
    first, second = spans["work"].events
    expected = {"level": "INFO", "logger.name": __name__, "name": "ada", "token": "[redacted]"}
    assert ("signed in", expected) == first
    assert "failed" == second[0]
    assert "ValueError" == second[1]["exception.type"]
