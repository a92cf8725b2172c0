"""Callables that bind their own arguments, such as builtins and opaque decorators."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect

import pytest
import wrapt
from opentelemetry import trace

from tracekit import InstrumentationError, instrument, span


def add(a, b=2, *, c=3):
    return a + b + c


@pytest.mark.parametrize(
    ("make", "args", "recorded"),
    [
        (lambda: functools.partial(add, 1, c=4), (), {"b": 2, "c": 4}),
        (lambda: functools.partial(add, b=7), (1,), {"a": 1, "b": 7, "c": 3}),
        (lambda: functools.lru_cache(add), (1,), {"a": 1, "b": 2, "c": 3}),
        (lambda: sorted, ([1],), {"iterable": (1,), "key": "None", "reverse": False}),
    ],
)
def test_defaults_of_opaque_callables_are_recorded(spans, make, args, recorded):
    """The wrapper does not fill in the defaults itself."""
    undecorated = make()
    assert undecorated(*args) == instrument("work")(make())(*args)
    assert recorded == spans["work"].attributes


def test_a_callable_without_a_signature_can_be_decorated(spans):
    """No argument is recorded, and none can be named."""

    class Opaque:
        __call__ = dict.fromkeys
        __signature__ = "none"

    assert {1: None} == instrument("work")(dict.fromkeys)([1])
    with pytest.raises(InstrumentationError, match="cannot be read"):
        instrument(skip=["a"])(Opaque())
    assert 1 == len(spans)


def test_a_decorator_below_contextmanager_stays_in_place(spans):
    """It runs, and the function above keeps its attributes."""
    ran = []

    def noted(function):
        @functools.wraps(function)
        def inner(*args):
            ran.append(args)
            return function(*args)

        return inner

    @contextlib.contextmanager
    @noted
    def work(n):
        yield n

    work.marker = "kept"
    decorated = instrument("work")(work)
    with decorated(3) as value, span("inside"):
        assert 3 == value
        assert [(3,)] == ran
        assert "kept" == decorated.marker
    assert [("work", {"args": (3,)}, ["inside"])] == spans


@wrapt.decorator
def transparent(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)


@wrapt.decorator
def run_to_end(wrapped, instance, args, kwargs):
    return asyncio.run(wrapped(*args, **kwargs))


@wrapt.decorator
def listed(wrapped, instance, args, kwargs):
    return list(wrapped(*args, **kwargs))


def test_the_result_of_an_opaque_decorator_is_not_changed(spans):
    """A coroutine that it runs and a generator that it collects or keeps are results."""

    async def coroutine(n):
        with span("inside"):
            return n

    def generator(n):
        yield n

    kept = instrument("kept")(functools.lru_cache(generator))
    assert 1 == instrument("run")(run_to_end(coroutine))(1)
    assert [2] == instrument("listed")(listed(generator))(2)
    assert kept(3) is kept(3)
    assert [("run", ["inside"]), "listed", "kept", "kept"] == spans


def test_the_span_covers_a_coroutine_that_an_opaque_decorator_returns(spans):
    """The span lasts until the coroutine has been awaited, and is current only in it."""

    async def coroutine(n):
        with span("inside"):
            await asyncio.sleep(0)
            raise ValueError(n)

    decorated = instrument("work")(transparent(coroutine))
    assert inspect.iscoroutinefunction(decorated)
    running = decorated(1)
    assert not trace.get_current_span().is_recording()
    with pytest.raises(ValueError, match="1"):
        asyncio.run(running)
    assert [("work", {"n": 1}, ["inside"])] == spans
    assert "ERROR: ValueError: 1" == spans["work"].status


def test_an_opaque_decorator_on_a_method_gets_the_instance(spans):
    """The decorator sees the same as without `@instrument`."""
    seen = []

    @wrapt.decorator
    def noted(wrapped, instance, args, kwargs):
        seen.append((instance, args))
        return wrapped(*args, **kwargs)

    class Service:
        @instrument("work")
        @noted
        def work(self, n):
            return n

    service = Service()
    assert [1, 2] == [service.work(1), service.work(2)]
    assert [(service, (1,)), (service, (2,))] == seen
    assert [("work", {"n": 1}), ("work", {"n": 2})] == [(one.name, one.attributes) for one in spans]
