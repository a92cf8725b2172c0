"""The matrix *callable kind × outcome*: how each kind is made, and how each outcome is reached."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import threading
from collections.abc import Callable
from typing import Any

from tracekit import instrument

OUTCOMES = (
    "returns",
    "raises",
    "expected exception",
    "cancelled",
    "closed early",
    "resumed elsewhere",
    "garbage-collected",
)

decorate = functools.partial(instrument, "work", expected=LookupError)


class Suspension:
    """Suspends a coroutine once, without an event loop."""

    def __await__(self):
        yield


def leave(outcome: str) -> str:
    if outcome == "raises":
        raise ValueError("boom")
    if outcome == "expected exception":
        raise LookupError("nothing there")
    if outcome == "cancelled":
        raise asyncio.CancelledError
    return "result"


def plain(outcome):
    return leave(outcome)


async def coroutine(outcome):
    await Suspension()
    return leave(outcome)


def generator(outcome):
    yield 1
    yield 2
    return leave(outcome)


async def async_generator(outcome):
    yield 1
    await Suspension()
    yield 2
    leave(outcome)


def one_step(outcome):
    yield leave(outcome)


async def one_async_step(outcome):
    await Suspension()
    yield leave(outcome)


# A driver returns how the call ended for the caller.


def observe(function: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "returned", function()
    except BaseException as error:
        return type(error).__name__, error.args


def in_thread(function: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(observe(function)))
    thread.start()
    thread.join()
    return results[0]


def call(subject: Any, outcome: str) -> Any:
    return observe(lambda: subject(outcome))


def drive_coroutine(subject: Any, outcome: str) -> Any:
    running = subject(outcome)
    running.send(None)
    if outcome == "closed early":
        return observe(running.close)
    if outcome == "garbage-collected":
        del running
        return gc.collect() >= 0
    if outcome == "resumed elsewhere":
        return in_thread(lambda: running.send(None))
    return observe(lambda: running.send(None))


def drive_generator(subject: Any, outcome: str) -> Any:
    running = subject(outcome)
    seen: list[Any] = [next(running)]
    if outcome == "closed early":
        return observe(running.close)
    if outcome == "garbage-collected":
        del running
        return gc.collect() >= 0
    if outcome == "resumed elsewhere":
        return in_thread(lambda: seen + list(running))
    return observe(lambda: seen + list(running)), observe(lambda: next(running))


def step(awaitable: Any) -> Any:
    iterator = awaitable.__await__()
    while True:
        try:
            next(iterator)
        except StopIteration as stop:
            return stop.value


def drive_async_generator(subject: Any, outcome: str) -> Any:
    running = subject(outcome)
    seen: list[Any] = [step(running.__anext__())]
    if outcome == "closed early":
        return observe(lambda: step(running.aclose()))
    if outcome == "garbage-collected":
        del running
        return gc.collect() >= 0

    def rest() -> list[Any]:
        while True:
            try:
                seen.append(step(running.__anext__()))
            except StopAsyncIteration:
                return seen

    return in_thread(rest) if outcome == "resumed elsewhere" else observe(rest)


def drive_with(subject: Any, outcome: str) -> Any:
    def block() -> Any:
        with subject(outcome) as value:
            return value

    return observe(block)


def drive_async_with(subject: Any, outcome: str) -> Any:
    async def block() -> Any:
        async with subject(outcome) as value:
            return value

    return observe(lambda: step(block()))


def drive_attribute(subject: Any, outcome: str) -> Any:
    return observe(lambda: subject(outcome).value)


# Each kind of callable is made with a decorator. `same` leaves it undecorated.


def same(function: Any = None) -> Any:
    return function


def method(on: Any) -> Any:
    class Service:
        @on
        def work(self, outcome):
            return leave(outcome)

    return Service().work


def classmethod_below(on: Any) -> Any:
    class Service:
        @classmethod
        @on
        def work(cls, outcome):
            return leave(outcome)

    return Service.work


def classmethod_above(on: Any) -> Any:
    class Service:
        @on
        @classmethod
        def work(cls, outcome):
            return leave(outcome)

    return Service().work


def staticmethod_below(on: Any) -> Any:
    class Service:
        @staticmethod
        @on
        def work(outcome):
            return leave(outcome)

    return Service().work


def staticmethod_above(on: Any) -> Any:
    class Service:
        @on
        @staticmethod
        def work(outcome):
            return leave(outcome)

    return Service.work


def property_below(on: Any) -> Any:
    class Service:
        def __init__(self, outcome):
            self.outcome = outcome

        @property
        @on
        def value(self):
            return leave(self.outcome)

    return Service


def property_above(on: Any) -> Any:
    class Service:
        def __init__(self, outcome):
            self.outcome = outcome

        @on
        @property
        def value(self):
            return leave(self.outcome)

    return Service


def cached_property(on: Any) -> Any:
    class Service:
        def __init__(self, outcome):
            self.outcome = outcome

        @on
        @functools.cached_property
        def value(self):
            return leave(self.outcome)

    return Service


def whole_class(on: Any) -> Any:
    class Service:
        def work(self, outcome):
            return leave(outcome)

    if on is not same:
        Service = instrument(expected=LookupError)(Service)  # noqa: N806 - a class
    return Service().work


def callable_object(on: Any) -> Any:
    class Service:
        def __call__(self, outcome):
            return leave(outcome)

    return on(Service())


def async_callable_object(on: Any) -> Any:
    class Service:
        async def __call__(self, outcome):
            await Suspension()
            return leave(outcome)

    return on(Service())


KINDS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, str], Any]]] = {
    "function": (lambda on: on(plain), call),
    "lambda": (lambda on: on(lambda outcome: leave(outcome)), call),
    "coroutine function": (lambda on: on(coroutine), drive_coroutine),
    "generator": (lambda on: on(generator), drive_generator),
    "async generator": (lambda on: on(async_generator), drive_async_generator),
    "method": (method, call),
    "bound method": (lambda on: on(method(same)), call),
    "below `@classmethod`": (classmethod_below, call),
    "above `@classmethod`": (classmethod_above, call),
    "below `@staticmethod`": (staticmethod_below, call),
    "above `@staticmethod`": (staticmethod_above, call),
    "below `@property`": (property_below, drive_attribute),
    "above `@property`": (property_above, drive_attribute),
    "above `@cached_property`": (cached_property, drive_attribute),
    "class": (whole_class, call),
    "`functools.partial`": (lambda on: on(functools.partial(plain)), call),
    "partial of a coroutine function": (
        lambda on: on(functools.partial(coroutine)),
        drive_coroutine,
    ),
    "callable object": (callable_object, call),
    "async callable object": (async_callable_object, drive_coroutine),
    "above `@lru_cache`": (lambda on: on(functools.lru_cache(plain)), call),
    "below `@contextmanager`": (lambda on: contextlib.contextmanager(on(one_step)), drive_with),
    "above `@contextmanager`": (lambda on: on(contextlib.contextmanager(one_step)), drive_with),
    "below `@asynccontextmanager`": (
        lambda on: contextlib.asynccontextmanager(on(one_async_step)),
        drive_async_with,
    ),
    "above `@asynccontextmanager`": (
        lambda on: on(contextlib.asynccontextmanager(one_async_step)),
        drive_async_with,
    ),
}

_SUSPENDS = {drive_coroutine, drive_generator, drive_async_generator}


def applies(kind: str, outcome: str) -> bool:
    """Whether the outcome exists: only suspended callables are closed, resumed or collected."""
    return OUTCOMES.index(outcome) < 4 or KINDS[kind][1] in _SUSPENDS


CELLS = [(kind, outcome) for kind in KINDS for outcome in OUTCOMES if applies(kind, outcome)]
