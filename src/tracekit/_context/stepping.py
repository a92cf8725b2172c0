"""Coroutines and generators whose every step runs in one context of their own."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, cast

from tracekit._instrument.function_site import CallableKind
from tracekit._instrument.generators import first_step


class ContextCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine whose steps run in a context.

    It passes on what the inner coroutine yields and how it ends. It is a Python class and not a
    coroutine object of the interpreter, so that only the inner one warns if it is never awaited.
    """

    __slots__ = ("__weakref__", "_context", "_coroutine")

    def __init__(self, context: contextvars.Context, coroutine: Any) -> None:
        self._context = context
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        """Run the next step."""
        return self._context.run(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Run the next step with an exception."""
        return self._context.run(self._coroutine.throw, *error)

    def close(self) -> None:
        """Close the coroutine."""
        self._context.run(self._coroutine.close)

    def __await__(self) -> Generator[Any, Any, Any]:
        return cast("Generator[Any, Any, Any]", self)

    def __iter__(self) -> ContextCoroutine:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def __getattr__(self, name: str) -> Any:
        # Debuggers and `asyncio.Task` read cr_frame, cr_await, __qualname__ and similar names.
        return getattr(self._coroutine, name)


def _bind_generator(
    context: contextvars.Context, generator: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    resume: Any
    resume, value = generator.send, None
    while True:
        try:
            item = context.run(resume, value)
        except StopIteration as stop:
            return stop.value
        finally:
            value = None
        try:
            value = yield item
            resume = generator.send
        except BaseException as error:
            resume, value = generator.throw, error


async def _bind_async_generator(
    context: contextvars.Context, generator: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, Any]:
    step: Awaitable[Any] | None = first_step(generator)
    while True:
        try:
            item = await ContextCoroutine(context, step)
        except StopAsyncIteration:
            return
        finally:
            step = None
        try:
            step = generator.asend((yield item))
        except BaseException as error:
            step = generator.athrow(error)


STEPS: Final[dict[CallableKind, Callable[[contextvars.Context, Any], Any]]] = {
    CallableKind.COROUTINE: ContextCoroutine,
    CallableKind.GENERATOR: _bind_generator,
    CallableKind.ASYNC_GENERATOR: _bind_async_generator,
}
