"""The record of exceptions that leave a span."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests import callables
from tracekit import Level, instrument
from tracekit.testing import capture_spans


@pytest.mark.parametrize(
    ("err", "status", "level"),
    [
        (True, "ERROR: ValueError: boom", None),
        ("error", "ERROR: ValueError: boom", None),
        (Level.WARN, "UNSET", "WARN"),
        ("info", "UNSET", "INFO"),
    ],
)
def test_err_selects_the_level_of_the_exception_event(spans, err, status, level):
    """The status becomes ERROR only at level `ERROR`."""

    @instrument("work", err=err)
    def work():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        work()
    ((name, attributes),) = spans["work"].events
    assert status == spans["work"].status
    assert "exception" == name
    assert level == attributes.get("level")


def test_err_false_records_nothing(spans):
    """There is neither an event nor a status."""

    @instrument("work", err=False)
    def work():
        raise ValueError

    with pytest.raises(ValueError):
        work()
    assert "UNSET" == spans["work"].status
    assert [] == spans["work"].events


def test_an_exception_below_the_filter_is_not_recorded():
    """The filter decides about the event of an exception by its level."""

    @instrument("work", err="debug")
    def work():
        raise ValueError

    with capture_spans(filter="info") as spans, pytest.raises(ValueError):
        work()
    assert [] == spans["work"].events


def test_the_stack_trace_begins_in_the_decorated_function(spans):
    """The wrapper's frame is not part of it."""

    @instrument("work")
    def work():
        raise ValueError("boom")

    with pytest.raises(ValueError):
        work()
    text = spans["work"].span.events[0].attributes["exception.stacktrace"]
    assert "@instrument" not in text
    assert 'raise ValueError("boom")' in text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exit_is_not_an_error(spans, error):
    """The status stays unset."""

    @instrument("work")
    def work():
        raise error

    with pytest.raises(error):
        work()
    assert "UNSET" == spans["work"].status
    assert [] == spans["work"].events


def nested(depth, error):
    @instrument
    def work(n):
        if n == 0:
            raise error
        work(n - 1)

    with contextlib.suppress(type(error)):
        work(depth)


def stacks(spans):
    return [one.span.events[0].attributes.get("exception.stacktrace") for one in spans]


def test_the_stack_is_recorded_on_the_innermost_span_alone(spans):
    """The spans above it have the type, the message and the status."""
    nested(3, ValueError("boom"))
    assert [True, True, True, False] == [one is None for one in stacks(spans)]
    assert {"ERROR: ValueError: boom"} == {one.status for one in spans}


def test_the_stack_is_recorded_once_in_every_trace(spans):
    """An exception that is raised in a second trace has its stack there, too."""
    error = ValueError("kept")
    nested(1, error)
    nested(1, error)
    assert [True, False, True, False] == [one is None for one in stacks(spans)]


def chained(length):
    error = None
    for n in range(length):
        try:
            raise ValueError(n) from error
        except ValueError as caught:
            error = caught
    return error


@pytest.mark.parametrize("length", [50, 5_000])
def test_a_long_chain_of_exceptions_is_bounded(spans, length):
    """The exception itself is recorded, and a bounded number of its causes."""
    nested(0, chained(length))
    (text,) = stacks(spans)
    assert f"ValueError: {length - 1}" in text
    assert text.count("ValueError: ") <= 51


class UnspeakableError(Exception):
    def __str__(self):
        raise SystemExit(3)


@pytest.mark.parametrize("run", [callables.call, callables.drive_generator])
def test_the_exception_of_the_program_reaches_the_caller(spans, run, caplog):
    """It does so even if its text raises `SystemExit`, and the span ends."""

    def work(outcome):
        raise UnspeakableError

    def steps(outcome):
        yield 1
        raise UnspeakableError

    function = work if run is callables.call else steps
    expected = run(function, "raises")
    assert expected == run(instrument("work")(function), "raises")
    assert 1 == len(spans)
    assert ["SystemExit" in one.getMessage() for one in caplog.records] == [True]


def test_the_end_of_an_iteration_is_not_an_error(spans):
    """`__next__` and `__anext__` signal it by an exception."""

    @instrument
    class Items:
        def __next__(self):
            raise StopIteration

        async def __anext__(self):
            raise StopAsyncIteration

        def other(self):
            raise StopIteration

    assert "none" == next(Items(), "none")
    with pytest.raises(StopAsyncIteration):
        asyncio.run(Items().__anext__())
    with pytest.raises(StopIteration):
        Items().other()
    assert [("UNSET", "StopIteration"), ("UNSET", "StopAsyncIteration"), ("ERROR", None)] == [
        (one.status.partition(":")[0], one.attributes.get("tracekit.exit")) for one in spans
    ]
