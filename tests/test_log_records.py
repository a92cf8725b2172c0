"""The content of log records: messages, fields, exceptions and locations."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import sys
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.logging_tools import Unwritable, events_of, record_of
from tracekit import span
from tracekit.logs import SpanEventHandler
from tracekit.testing import capture_spans


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (0, "TRACE"),
        (1, "TRACE"),
        (5, "TRACE"),
        (9, "TRACE"),
        (logging.DEBUG, "DEBUG"),
        (logging.INFO, "INFO"),
        (25, "INFO"),
        (logging.WARNING, "WARN"),
        (logging.ERROR, "ERROR"),
        (logging.CRITICAL, "ERROR"),
        (100, "ERROR"),
        (1_000, "ERROR"),
    ],
)
def test_every_level_number_has_a_level(number, level):
    """A number between two levels counts as the lower one, and the ends of the scale are bounds."""
    with capture_spans(filter="trace") as spans:
        events = events_of(record_of(levelno=number, msg="x"), spans)
    assert [level] == [attributes["level"] for _, attributes in events]


def test_extra_fields_are_redacted_by_name(spans, logger):
    """Keys of nested mappings are redacted, too."""
    extra = {"api_key": "k-1", "headers": {"Cookie": "c", "Accept": "*/*"}}
    with span("work"):
        logger.info("call", extra=extra)
    [(_, attributes)] = spans["work"].events
    assert "[redacted]" == attributes["api_key"]
    assert "{'Cookie': [redacted], 'Accept': '*/*'}" == attributes["headers"]


@pytest.mark.parametrize("key", ["event", "message", "msg"])
def test_a_mapping_as_message_is_a_message_and_fields(key, spans):
    """Structlog and JSON formatters pass such messages. The fields are redacted by name."""
    message = MappingProxyType({"user": "ada", "password": "p", key: "signed in", "_logger": 1})
    [(name, attributes)] = events_of(record_of(msg=message), spans)
    assert "signed in" == name
    assert {"user": "ada", "password": "[redacted]"} == {
        key: attributes[key] for key in ("user", "password")
    }
    assert {"level", "logger.name", "user", "password"} == set(attributes)


def test_a_mapping_without_a_message_becomes_the_name(spans):
    """Its sensitive keys are redacted."""
    [(name, attributes)] = events_of(record_of(msg={"user": "ada", "token": "t"}), spans)
    assert "{'user': 'ada', 'token': [redacted]}" == name
    assert {"level", "logger.name"} == set(attributes)


def test_a_mapping_may_have_the_names_of_a_records_attributes(spans):
    """Only `extra` must not have them."""
    [(_, attributes)] = events_of(record_of(msg={"event": "x", "name": "ada", "process": 7}), spans)
    assert "ada" == attributes["name"]
    assert 7 == attributes["process"]


def test_redundant_fields_are_left_out(spans):
    """Ids that another filter added and the names of the level repeat what the span holds."""
    twice = {
        "trace_id": "0" * 32,
        "otelSpanID": "0",
        "message": "x",
        "asctime": "now",
        "taskName": None,
        "level": "info",
    }
    assert [("x", {"level": "INFO", "logger.name": "shop"})] == events_of(
        record_of(msg="x", **twice), spans
    )


def test_an_exception_becomes_attributes_of_the_event(spans, logger):
    """The stack trace begins where the exception was caught, and the status does not change."""
    with span("work"):
        try:
            raise KeyError("tea")
        except KeyError:
            logger.exception("not there")
    [made] = spans["work"].span.events
    assert "not there" == made.name
    assert "KeyError" == made.attributes["exception.type"]
    assert "'tea'" == made.attributes["exception.message"]
    assert "UNSET" == spans["work"].status
    trace_text = made.attributes["exception.stacktrace"]
    assert trace_text.startswith("Traceback (most recent call last):")
    assert "test_an_exception_becomes_attributes_of_the_event" in trace_text


@pytest.mark.parametrize("given", [None, (None, None, None), False])
def test_a_record_without_an_exception_has_no_attributes_of_one(given, spans):
    """`exc_info=True` without an exception is such a record."""
    [(_, attributes)] = events_of(record_of(msg="x", exc_info=given), spans)
    assert {"level", "logger.name"} == set(attributes)


def test_the_exception_of_a_mapping_has_many_forms(spans):
    """Structlog passes an exception, a tuple, or True for the current one."""
    failure = ValueError("no luck")
    seen = []
    with span("work"):
        try:
            raise failure
        except ValueError:
            for form in (True, failure, sys.exc_info()):
                SpanEventHandler().handle(record_of(msg={"event": "x", "exc_info": form}))
    seen = [attributes["exception.type"] for _, attributes in spans["work"].events]
    assert ["ValueError"] * 3 == seen


def test_the_text_of_an_exception_from_another_process(spans):
    """If the exception could not be sent, its text is the stack trace."""
    with span("work"):
        SpanEventHandler().handle(record_of(msg="x", exc_text="Traceback: far away"))
    [made] = spans["work"].span.events
    assert "Traceback: far away" == made.attributes["exception.stacktrace"]


def test_stack_info_is_recorded(spans, logger):
    """The attribute has the name of the semantic conventions."""
    with span("work"):
        logger.info("where", stack_info=True)
    [(_, attributes)] = spans["work"].events
    assert attributes["code.stacktrace"].startswith("Stack (most recent call last):")


def test_the_location_is_an_option(spans, loggers):
    """It is the location of the logging call."""
    logger = loggers("shop", SpanEventHandler(location=True))
    with span("work"):
        logger.info("here")
    [(_, attributes)] = spans["work"].events
    line = sys._getframe().f_lineno - 2
    assert __file__ == attributes["code.file.path"]
    assert line == attributes["code.line.number"]
    assert "test_the_location_is_an_option" == attributes["code.function.name"]


@pytest.mark.parametrize(
    ("message", "arguments", "name"),
    [
        ("%d items", ("many",), "%d items"),
        ("%s", (), "%s"),
        ("%s and %s", ("one",), "%s and %s"),
        ("", (), "shop"),
        (ValueError("as object"), (), "as object"),
        ("\ud800", (), "\\ud800"),
        ("x" * 5_000, (), "x" * 4_096 + "… +904 characters"),
        ({"event": "x" * 5_000}, (), "x" * 4_096 + "… +904 characters"),
        ({"event": ["tea", 3]}, (), "['tea', 3]"),
    ],
)
def test_every_message_is_recorded(message, arguments, name, spans):
    """A message that cannot be formatted is recorded unformatted.

    Length and characters are bounded.
    """
    [(found, _)] = events_of(record_of(msg=message, args=arguments), spans)
    assert name == found


def test_a_message_that_raises_is_logged_once(spans, logger, caplog, capsys):
    """The record is there without its text."""
    with span("work"):
        logger.info("%s", Unwritable())
        logger.info("%s", Unwritable())
    logged = [record for record in caplog.records if record.name == "tracekit"]
    assert ["%s", "%s"] == [name for name, _ in spans["work"].events]
    assert 1 == len([one for one in logged if one.levelno == logging.WARNING])
    assert "" == capsys.readouterr().err


@given(
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.binary()),
    st.text() | st.binary() | st.dictionaries(st.text(), st.integers()),
    st.integers(),
)
def test_no_record_raises(extra, message, number):
    """Any content of a record becomes one event."""
    record = logging.makeLogRecord({"msg": message, "levelno": number})
    record.__dict__.update(
        {name: value for name, value in extra.items() if name not in vars(record)}
    )
    with capture_spans(filter="trace") as spans:
        assert 1 == len(events_of(record, spans))


def test_a_huge_mapping_is_bounded(spans):
    """A record has no more fields than an event holds."""
    message = {"event": "x", **{f"k{index}": index for index in range(10_000)}}
    [(_, attributes)] = events_of(record_of(msg=message), spans)
    assert len(attributes) <= 130
