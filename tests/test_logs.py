"""Log records as events of spans, and the ids of spans in log records."""

from __future__ import annotations

import io
import logging
import logging.config
import logging.handlers
import pickle
import queue
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import attach, detach, set_value
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

import tracekit
from tracekit import ConfigurationError, Level, event, span
from tracekit._filters.call_sites import registry
from tracekit._filters.filter_set import FilterSet
from tracekit._recording.current_context import SUPPRESS_KEY
from tracekit.logs import SpanEventHandler, TraceContextFilter
from tracekit.testing import capture_spans

CONTEXT = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
UNSAMPLED = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(0))


@pytest.fixture
def loggers():
    """Make a logger that passes everything to its handlers, and to those of nobody else."""
    dressed = []

    def make(name, *handlers):
        # Not of the tree of loggers: pytest's handlers there format whatever they see.
        logger = logging.Logger(name, 1)
        for handler in handlers:
            logger.addHandler(handler)
            dressed.append(handler)
        return logger

    yield make
    for handler in dressed:
        handler.close()


@pytest.fixture
def logger(loggers):
    """A logger whose records become events."""
    return loggers("shop.db", SpanEventHandler())


class Unwritable:
    """Something that must not be written out."""

    def __str__(self):
        raise AssertionError("formatted")


class Lines(logging.Handler):
    """A handler that keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


def record_of(**values):
    """A record as another process hands it over."""
    return logging.makeLogRecord({"name": "shop", "levelno": logging.INFO, **values})


def events_of(record, spans, **options):
    """The events that a record makes."""
    handler = SpanEventHandler(**options)
    with span("work"):
        handler.handle(record)
    handler.close()
    return spans["work"].events


def test_a_record_becomes_an_event(spans, logger):
    """The message is the name; level, logger and extra are attributes, described."""
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


def test_the_event_is_the_innermost_spans(spans, logger):
    """As `event` does it."""
    with span("outer"), span("inner"):
        logger.info("here")
    assert ([], ["here"]) == (
        spans["outer"].events,
        [name for name, _ in spans["inner"].events],
    )


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
    """A number between two levels counts as the lower; nothing is above ERROR or below TRACE."""
    with capture_spans(filter="trace") as spans:
        events = events_of(record_of(levelno=number, msg="x"), spans)
    assert [level] == [attributes["level"] for _, attributes in events]


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
    """As it does about an event's target and level."""
    with capture_spans(filter=directives) as spans:
        with span("work", target="work", level="error"):
            for level in ("debug", "info", "error"):
                getattr(logger, level)(level)
        found = [name for made in spans for name, _ in made.events]
    assert kept == found


def test_a_filter_that_changes_counts_at_once(logger):
    """Nothing is remembered by the handler."""
    seen = []
    with capture_spans(filter="info") as spans, span("work"):
        for directives in ("info", "warn", "info"):
            registry.configure(registry.backend, FilterSet([tracekit.Filter(directives)]))
            logger.info(directives)
    seen = [name for name, _ in spans["work"].events]
    assert ["info", "info"] == seen


def test_what_is_not_wanted_is_not_formatted(logger):
    """Neither the message nor its arguments nor extra are looked at below the filter."""
    with capture_spans(filter="info") as spans, span("work"):
        logger.debug("%s", Unwritable(), extra={"what": Unwritable()})
        logger.debug(Unwritable())
    logger.error("%s", Unwritable())  # no span is current
    assert [] == spans["work"].events


def test_nothing_is_formatted_in_a_span_that_does_not_record(logger):
    """As in an unsampled trace."""
    with use_span(NonRecordingSpan(CONTEXT)):
        logger.error("%s", Unwritable())


def test_target_and_level_are_options(loggers):
    """The filter sees the target in place of the logger's name, which is recorded all the same."""
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
def test_the_handlers_level_is_read_from_any_form(given, number):
    """As everywhere in tracekit, and as everywhere in logging."""
    assert number == SpanEventHandler(given).level


@pytest.mark.parametrize("level", ["loud", "", 1.5, None, True, []])
def test_a_wrong_level_is_refused(level):
    """The text says what would be right."""
    with pytest.raises(ConfigurationError, match=r"level=.* is not a level; use one of TRACE"):
        SpanEventHandler(level)


@pytest.mark.parametrize("target", ["", 7, b"shop"])
def test_a_wrong_target_is_refused(target):
    """A target is a name."""
    with pytest.raises(ConfigurationError, match=r"target=.*expected a name"):
        SpanEventHandler(target=target)


def test_extra_is_redacted_by_name(spans, logger):
    """Nested keys too; the policy is the one of the whole process."""
    extra = {"api_key": "k-1", "headers": {"Cookie": "c", "Accept": "*/*"}}
    with span("work"):
        logger.info("call", extra=extra)
    [(_, attributes)] = spans["work"].events
    assert ("[redacted]", "{'Cookie': [redacted], 'Accept': '*/*'}") == (
        attributes["api_key"],
        attributes["headers"],
    )


@pytest.mark.parametrize("key", ["event", "message", "msg"])
def test_a_mapping_as_message_is_a_message_and_fields(key, spans):
    """So it is with structlog and JSON formatters; the fields are redacted by name."""
    message = MappingProxyType({"user": "ada", "password": "p", key: "signed in", "_logger": 1})
    [(name, attributes)] = events_of(record_of(msg=message), spans)
    assert ("signed in", {"user": "ada", "password": "[redacted]"}) == (
        name,
        {key: attributes[key] for key in ("user", "password")},
    )
    assert {"level", "logger.name", "user", "password"} == set(attributes)


def test_a_mapping_without_a_message_is_described(spans):
    """Its sensitive keys do not get into the name."""
    [(name, attributes)] = events_of(record_of(msg={"user": "ada", "token": "t"}), spans)
    assert ("{'user': 'ada', 'token': [redacted]}", {"level", "logger.name"}) == (
        name,
        set(attributes),
    )


def test_a_mapping_keeps_fields_that_are_called_as_those_of_records(spans):
    """Only `extra` must not have the names of a record's own fields."""
    [(_, attributes)] = events_of(record_of(msg={"event": "x", "name": "ada", "process": 7}), spans)
    assert ("ada", 7) == (attributes["name"], attributes["process"])


def test_what_an_event_says_already_is_not_said_twice(spans):
    """Ids that another filter put on the record, and the names of the level, are left out."""
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


def test_an_exception_becomes_attributes_and_no_error(spans, logger):
    """The stack trace begins where the exception was caught; the status stays."""
    with span("work"):
        try:
            raise KeyError("tea")
        except KeyError:
            logger.exception("not there")
    [made] = spans["work"].span.events
    assert ("not there", "KeyError", "'tea'", "UNSET") == (
        made.name,
        made.attributes["exception.type"],
        made.attributes["exception.message"],
        spans["work"].status,
    )
    trace_text = made.attributes["exception.stacktrace"]
    assert trace_text.startswith("Traceback (most recent call last):")
    assert "test_an_exception_becomes_attributes_and_no_error" in trace_text


@pytest.mark.parametrize("given", [None, (None, None, None), False])
def test_no_exception_is_no_attribute(given, spans):
    """As `exc_info=True` says where there is none."""
    [(_, attributes)] = events_of(record_of(msg="x", exc_info=given), spans)
    assert {"level", "logger.name"} == set(attributes)


def test_exception_of_a_mapping_in_any_form(spans):
    """Structlog passes on what it was given: an exception, or True for the current one."""
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


def test_text_of_an_exception_from_another_process(spans):
    """Where the exception itself could not be sent, its text is the stack trace."""
    with span("work"):
        SpanEventHandler().handle(record_of(msg="x", exc_text="Traceback: far away"))
    [made] = spans["work"].span.events
    assert "Traceback: far away" == made.attributes["exception.stacktrace"]


def test_a_stack_that_was_asked_for_is_recorded(spans, logger):
    """Under the name of the semantic conventions."""
    with span("work"):
        logger.info("where", stack_info=True)
    [(_, attributes)] = spans["work"].events
    assert attributes["code.stacktrace"].startswith("Stack (most recent call last):")


def test_the_location_is_recorded_where_wanted(spans, loggers):
    """It is that of the call of the logger."""
    logger = loggers("shop", SpanEventHandler(location=True))
    with span("work"):
        logger.info("here")
    [(_, attributes)] = spans["work"].events
    line = sys._getframe().f_lineno - 2
    assert (__file__, line, "test_the_location_is_recorded_where_wanted") == (
        attributes["code.file.path"],
        attributes["code.line.number"],
        attributes["code.function.name"],
    )


def test_a_formatter_makes_the_name(spans, loggers):
    """It is set as on any handler."""
    handler = SpanEventHandler()
    handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    logger = loggers("shop", handler)
    with span("work"):
        logger.info("done")
    assert ["[INFO] done"] == [name for name, _ in spans["work"].events]


def test_a_filter_of_the_handler_rejects(spans, loggers):
    """As on any handler."""
    handler = SpanEventHandler()
    handler.addFilter(lambda record: record.getMessage() != "no")
    logger = loggers("shop", handler)
    with span("work"):
        logger.info("no")
        logger.info("yes")
    assert ["yes"] == [name for name, _ in spans["work"].events]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="filters replace records since Python 3.12")
def test_a_filter_of_the_handler_replaces_the_record(spans, loggers):
    """What it gives back is recorded."""
    handler = SpanEventHandler()
    handler.addFilter(lambda record: record_of(msg="other"))
    logger = loggers("shop", handler)
    with span("work"):
        logger.info("one")
    assert ["other"] == [name for name, _ in spans["work"].events]


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
def test_no_message_is_a_failure(message, arguments, name, spans):
    """What cannot be formatted is recorded as it was written; length and characters are bounded."""
    [(found, _)] = events_of(record_of(msg=message, args=arguments), spans)
    assert name == found


def test_a_message_that_raises_disturbs_nobody(spans, logger, caplog, capsys):
    """It is said once to the logger `tracekit`, and the record is there without its text."""
    with span("work"):
        logger.info("%s", Unwritable())
        logger.info("%s", Unwritable())
    said = [record for record in caplog.records if record.name == "tracekit"]
    assert ["%s", "%s"] == [name for name, _ in spans["work"].events]
    assert 1 == len([one for one in said if one.levelno == logging.WARNING])
    assert "" == capsys.readouterr().err


def test_a_formatter_that_raises_disturbs_nobody(spans, loggers, caplog):
    """The event is left out, and that is said once."""
    handler = SpanEventHandler()
    handler.setFormatter(logging.Formatter("%(missing)s"))
    logger = loggers("shop", handler)
    with span("work"):
        logger.info("x")
        logger.info("x")
    assert [] == spans["work"].events
    assert 1 == [record.levelname for record in caplog.records].count("WARNING")


@given(
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.binary()),
    st.text() | st.binary() | st.dictionaries(st.text(), st.integers()),
    st.integers(),
)
def test_no_record_raises(extra, message, number):
    """Whatever a record holds, it becomes one event."""
    record = logging.makeLogRecord({"msg": message, "levelno": number})
    record.__dict__.update(
        {name: value for name, value in extra.items() if name not in vars(record)}
    )
    with capture_spans(filter="trace") as spans:
        assert 1 == len(events_of(record, spans))


def test_a_huge_mapping_is_bounded(spans):
    """A record's fields are no more than an event holds."""
    message = {"event": "x", **{f"k{index}": index for index in range(10_000)}}
    [(_, attributes)] = events_of(record_of(msg=message), spans)
    assert len(attributes) <= 130


@pytest.mark.parametrize("name", ["tracekit", "tracekit.x", "opentelemetry", "opentelemetry.sdk"])
def test_what_recording_itself_says_is_no_event(name, spans, loggers):
    """It would speak about the span while the span is written on."""
    logger = loggers(name, SpanEventHandler())
    with span("work"):
        logger.error("dropped")
    assert [] == spans["work"].events


def test_a_name_that_only_begins_alike_is_recorded(spans, loggers):
    """Whole parts of names count."""
    logger = loggers("tracekit_shop", SpanEventHandler())
    with span("work"):
        logger.error("kept")
    assert ["kept"] == [name for name, _ in spans["work"].events]


def test_an_attribute_that_the_sdk_warns_of_does_not_lock(spans):
    """The SDK logs with the span's lock held; the program goes on."""
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


def test_a_record_made_while_its_span_is_written_on_does_not_lock(spans, logger, monkeypatch):
    """As by a signal handler that interrupts the SDK: it is left out, after a bounded wait."""
    monkeypatch.setattr("tracekit.logs._LOCK_TIMEOUT", 0.01)
    with span("work") as current:
        with current._lock:
            logger.info("left out")
        logger.info("kept")
    assert ["kept"] == [name for name, _ in spans["work"].events]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")
def test_a_signal_handler_may_log(spans, logger):
    """A record that is made while another is being made is recorded once or left out."""

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


def test_a_text_that_logs_does_not_recur(spans, logger):
    """The inner record of a thread that is recording one is left out."""

    class Chatty:
        def __str__(self):
            logger.info("%s", self)
            return "chatty"

    with span("work"):
        logger.info("%s", Chatty())
    assert ["chatty"] == [name for name, _ in spans["work"].events]


def test_suppressed_instrumentation_records_nothing(spans, logger):
    """As of spans."""
    with span("work"):
        token = attach(set_value(SUPPRESS_KEY, True))
        logger.info("left out")
        detach(token)
    assert [] == spans["work"].events


def test_an_exporter_that_logs_does_not_recur(loggers):
    """A foreign exporter runs in the traced thread, and its records are no events."""
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
    """No lock is held while a message is formatted, so the program's own locks cannot cross."""
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


def test_without_any_set_up_nothing_happens(run_python):
    """A library may add the handler; the SDK is not loaded."""
    done = run_python(
        "import logging, sys\n"
        "from tracekit import logs\n"
        "logging.getLogger().addHandler(logs.SpanEventHandler())\n"
        "logging.getLogger().handlers[0].addFilter(logs.TraceContextFilter())\n"
        "logging.getLogger('x').error('y')\n"
        "heavy = ('opentelemetry.sdk', 'logging.config', 'logging.handlers', 'grpc')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert ("[]", "") == (done.stdout.strip(), done.stderr)


@pytest.mark.parametrize(
    ("context", "ids"),
    [
        (CONTEXT, ("0" * 29 + "abc", "0" * 13 + "def", "01")),
        (UNSAMPLED, ("0" * 29 + "abc", "0" * 13 + "def", "00")),
        (None, ("0" * 32, "0" * 16, "00")),
    ],
)
def test_the_ids_are_on_every_record(context, ids):
    """In the forms of OpenTelemetry's log formats; zeros where there is no span."""
    record = record_of(msg="x")
    with use_span(NonRecordingSpan(context) if context else trace.INVALID_SPAN):
        assert TraceContextFilter().filter(record) is True
    assert ids == (record.trace_id, record.span_id, record.trace_flags)


@pytest.mark.parametrize("place", ["handler", "logger"])
def test_a_format_string_shows_the_ids(place, spans, loggers, capsys):
    """Whether the filter is on the handler or on the logger."""
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


def test_what_a_record_has_already_stays():
    """The first filter decides: it is where the record was made."""
    record = record_of(msg="x", trace_id="mine")
    with use_span(NonRecordingSpan(CONTEXT)):
        TraceContextFilter().filter(record)
    TraceContextFilter().filter(record)
    assert ("mine", "0" * 13 + "def") == (record.trace_id, record.span_id)


def test_the_ids_go_through_a_queue(spans, loggers):
    """The filter stands before the queue, and the listener's thread has no span."""
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
    """As to a logging process."""
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


def test_a_span_that_fails_to_say_its_ids_disturbs_nobody(caplog):
    """The ids are zeros, and that is said once."""

    class Broken(NonRecordingSpan):
        def get_span_context(self):
            raise RuntimeError("broken")

    with use_span(Broken(CONTEXT)):
        for _ in range(2):
            record = record_of(msg="x")
            TraceContextFilter().filter(record)
    assert "0" * 32 == record.trace_id
    assert 1 == [one.levelname for one in caplog.records].count("WARNING")


def test_a_span_that_fails_to_take_an_event_disturbs_nobody(logger, caplog):
    """The record is left out, and that is said once."""

    class Broken(NonRecordingSpan):
        def is_recording(self):
            return True

        def add_event(self, *_, **__):
            raise RuntimeError("broken")

    with use_span(Broken(CONTEXT)):
        logger.info("x")
        logger.info("x")
    assert 1 == [one.levelname for one in caplog.records].count("WARNING")


def test_both_come_from_a_dict_config(spans, capsys):
    """With their options, by the names that they are imported under."""
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
    assert ("hello", name, True) == (
        found,
        attributes["logger.name"],
        "code.line.number" in attributes,
    )


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
    """The mapping is read before and after the formatter of another handler has seen it."""
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
    """What is bound are attributes, also under the names of a record's own fields."""
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
    assert ("failed", "ValueError") == (second[0], second[1]["exception.type"])
