"""Decorated generators while they are suspended."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import weakref

from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach

from tests import callables
from tracekit import instrument, span
from tracekit.testing import capture_spans


def test_a_generator_sees_the_context_of_its_consumer_at_each_step(spans):
    """Baggage that the consumer changes between steps is changed in the body."""

    @instrument("work")
    def work():
        with span("open"):
            for _ in range(3):
                yield baggage.get_baggage("n"), trace.get_current_span().is_recording()
                with span("inside"):
                    pass

    running, seen = work(), []
    for n in range(3):
        token = attach(baggage.set_baggage("n", n))
        seen.append(next(running))
        detach(token)
    running.close()
    assert [(0, True), (1, True), (2, True)] == seen
    assert [("work", [("open", ["inside", "inside"])])] == spans


def test_a_generator_keeps_what_it_sets_in_its_context():
    """The body finds it at the next step, and the consumer does not see it."""

    def work():
        token = attach(baggage.set_baggage("own", 1))
        yield
        yield baggage.get_baggage("own")
        detach(token)
        yield baggage.get_baggage("own")

    with capture_spans():
        running = instrument(work)()
        assert next(running) is None
        assert baggage.get_baggage("own") is None
        assert 1 == next(running)


class Item:
    pass


def test_a_suspended_generator_keeps_no_item_alive(spans):
    """It keeps neither an item nor a value or an exception that was sent to it."""

    @instrument
    def work():
        while True:
            with contextlib.suppress(ValueError):
                yield Item()

    running = work()
    given = weakref.ref(next(running))
    sent = Item()
    kept = [given, weakref.ref(sent)]
    running.send(sent)
    del sent
    error = ThrownError()
    kept.append(weakref.ref(error))
    running.throw(error)
    del error
    gc.collect()
    assert [None] * 3 == [one() for one in kept]


class ThrownError(ValueError):
    pass


def test_a_suspended_generator_keeps_no_context_alive(spans):
    """The next step runs in the context of its consumer."""

    @instrument
    def work():
        yield 1

    @instrument
    async def work_async():
        yield 1

    running, running_async = work(), work_async()
    contexts = [contextvars.copy_context() for _ in range(2)]
    contexts[0].run(next, running)
    contexts[1].run(callables.step, running_async.__anext__())
    kept = [weakref.ref(one) for one in contexts]
    contexts.clear()
    gc.collect()
    assert [None] * 2 == [one() for one in kept]
    running.close()
    callables.step(running_async.aclose())


def test_a_suspended_async_generator_keeps_no_item_alive(spans):
    """It keeps neither an item nor a value that was sent to it."""

    @instrument
    async def work():
        while True:
            yield Item()

    running, sent = work(), Item()
    kept = [weakref.ref(callables.step(running.__anext__())), weakref.ref(sent)]
    callables.step(running.asend(sent))
    del sent
    gc.collect()
    assert [None] * 2 == [one() for one in kept]
    callables.step(running.aclose())
