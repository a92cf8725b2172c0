"""Spans that are current, and what leaves their blocks, beside the SDK's."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.side_by_side.sides import assert_same
from tests.side_by_side.test_operations import BrokenError
from tests.side_by_side.test_starting import in_context, remote

W3C = TraceContextTextMapPropagator()

ERRORS = {
    "nothing": lambda: None,
    "exception": lambda: ValueError("no luck"),
    "key": lambda: KeyError("a"),
    "broken": lambda: BrokenError("x"),
    "base": lambda: KeyboardInterrupt("stop"),
    "exit": lambda: SystemExit(3),
    "generator exit": lambda: GeneratorExit(),
    "cancelled": lambda: asyncio.CancelledError(),
    "stop iteration": lambda: StopIteration(4),
    "stop async iteration": lambda: StopAsyncIteration(),
}

WAYS = {
    "start_as_current_span": lambda side: side.tracer.start_as_current_span("a"),
    "left open": lambda side: side.tracer.start_as_current_span("a", end_on_exit=False),
    "silent": lambda side: side.tracer.start_as_current_span("a", record_exception=False),
    "no status": lambda side: side.tracer.start_as_current_span("a", set_status_on_exception=False),
    "neither": lambda side: side.tracer.start_as_current_span(
        "a", record_exception=False, set_status_on_exception=False
    ),
    "use_span": lambda side: trace.use_span(side.span()),
    "use_span to its end": lambda side: trace.use_span(side.span(), end_on_exit=True),
    "use_span silently": lambda side: trace.use_span(
        side.span(), record_exception=False, set_status_on_exception=False
    ),
    "with span": lambda side: side.span(),
    "with span, silent": lambda side: side.span(record_exception=False),
    "with span, no status": lambda side: side.span(set_status_on_exception=False),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_what_leaves_the_block(way, error):
    """The block fails alike, and the span records it alike."""

    def script(side):
        side.attempt(leave, side, way, error())
        side.note(side.seen["span"], trace.get_current_span())

    assert_same(script)


def leave(side, way, error):
    with way(side) as span:
        side.seen["span"] = span
        side.note(trace.get_current_span() is span)
        if error is not None:
            raise error


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_blocks_in_blocks(way):
    """Spans nest, and the one around is current again."""

    def script(side):
        with way(side) as outer:
            with way(side) as inner:
                side.note(outer, inner)
            side.note(trace.get_current_span() is outer)
            side.attempt(leave, side, way, ValueError("x"))
        side.note(outer)

    assert_same(script)


@pytest.mark.parametrize(
    "status", [Status(StatusCode.OK), Status(StatusCode.ERROR, "mine")], ids=["ok", "error"]
)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_status_before_the_exception(way, status):
    """A status that the program has set is kept or replaced alike."""

    def script(side):
        with way(side) as span:
            span.set_status(status)
            raise ValueError("no luck")

    assert_same(script, raises=ValueError)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_span_that_ends_in_its_block(way):
    """Leaving the block logs the same."""

    def script(side):
        with way(side) as span:
            span.end()
            raise ValueError("no luck")

    assert_same(script, raises=ValueError)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_caught_exception(way):
    """An exception that does not leave the block is not recorded."""

    def script(side):
        with way(side):
            try:
                raise ValueError("caught")
            except ValueError:
                pass

    assert_same(script)


def test_all_arguments():
    """`start_as_current_span` takes what `start_span` takes, by position and by name."""

    def script(side):
        context = in_context(NonRecordingSpan(remote()))
        values = [context, SpanKind.CLIENT, {"a": 1}, (), 5, True, True, False]
        names = (
            "context kind attributes links start_time record_exception set_status_on_exception "
            "end_on_exit"
        ).split()
        with side.tracer.start_as_current_span("a", *values) as one:
            side.note(one)
        with side.tracer.start_as_current_span("b", **dict(zip(names, values, strict=True))) as one:
            side.note(one)
        side.attempt(side.tracer.start_as_current_span)
        side.attempt(lambda: side.tracer.start_as_current_span("a", colour=1).__enter__())

    assert_same(script)


def test_as_a_decorator():
    """A decorated function makes a span a call, and stays the function that it was."""

    def script(side):
        @side.tracer.start_as_current_span("decorated", attributes={"a": 1})
        def function(x, *, y=2):
            """Its text."""
            side.note(trace.get_current_span())
            if x is None:
                raise ValueError("no x")
            return x + y

        side.note(function.__name__, function.__doc__, str(inspect.signature(function)))
        side.note(function(1), function(2, y=5))
        side.attempt(function, None)
        side.attempt(function)

    side = assert_same(script)
    assert 4 == len(side.ended)


def test_as_a_decorator_of_coroutine_functions():
    """A decorated coroutine function is one, and its span lasts until it is done."""

    def script(side):
        @side.tracer.start_as_current_span("decorated")
        async def function(x):
            await asyncio.sleep(0)
            side.note(trace.get_current_span())
            if x is None:
                raise ValueError("no x")
            return x

        async def both():
            side.note(await asyncio.gather(function(1), function(2)))
            return await function(None)

        side.note(inspect.iscoroutinefunction(function))
        side.attempt(asyncio.run, both())

    assert_same(script)


def test_a_context_manager_used_twice():
    """The second use fails alike."""

    def script(side):
        manager = side.tracer.start_as_current_span("a")
        with manager:
            pass
        side.attempt(manager.__enter__)

    assert_same(script)


def test_a_block_that_is_never_left():
    """A generator that is closed in the block ends its span alike."""

    def script(side):
        def generate():
            with side.tracer.start_as_current_span("a") as span:
                side.seen["span"] = span
                yield 1
                yield 2

        run = generate()
        side.note(next(run))
        run.close()
        side.note(side.seen["span"])

    assert_same(script)


def test_blocks_left_in_the_wrong_order():
    """The same is logged, and both spans end."""

    def script(side):
        first = side.tracer.start_as_current_span("first")
        second = side.tracer.start_as_current_span("second")
        first.__enter__()
        second.__enter__()
        side.attempt(first.__exit__, None, None, None)
        side.attempt(second.__exit__, None, None, None)
        side.note(trace.get_current_span())

    assert_same(script)


def test_baggage_and_other_values_of_the_context():
    """Other values of the context stay there."""

    def script(side):
        context_api.attach(context_api.set_value("other", 1))
        with side.tracer.start_as_current_span("a"):
            side.note(context_api.get_value("other"))
        with side.tracer.start_as_current_span("b", context=context_api.Context({"other": 2})):
            side.note(context_api.get_value("other"))

    assert_same(script)


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
def test_carriers(sampler):
    """The headers that are injected and extracted are the same."""

    def script(side):
        around = NonRecordingSpan(remote(state=[("a", "1")], flags=3))
        for context in (context_api.Context(), in_context(around)):
            with side.tracer.start_as_current_span("a", context):
                carrier = {}
                W3C.inject(carrier)
                side.note(carrier)
                side.tracer.start_span("b", W3C.extract(carrier)).end()

    assert_same(script, sampler=lambda side: sampler)


def test_start_as_current_span_uses_start_span():
    """A tracer whose `start_span` is replaced makes its current spans with it."""

    def script(side):
        start = side.tracer.start_span

        def started(*args, **kwargs):
            side.note(args, {key: value for key, value in kwargs.items() if key != "context"})
            return start(*args, **kwargs)

        side.tracer.start_span = started
        with side.tracer.start_as_current_span("a", attributes={"a": 1}):
            pass

    assert_same(script)
