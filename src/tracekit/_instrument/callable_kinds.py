"""The kinds of callables, which differ in when their work is done."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from enum import Enum
from typing import Any


class CallableKind(Enum):
    """The kind of a callable; it decides what the span of a call covers."""

    FUNCTION = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator function"
    ASYNC_GENERATOR = "async generator function"
    AWAITABLE = "callable object that is marked as a coroutine function"

    @classmethod
    def of(cls, function: Callable[..., Any]) -> CallableKind:
        """Return the kind of a function; one that is marked as a coroutine function is one."""
        if inspect.isasyncgenfunction(function):
            return cls.ASYNC_GENERATOR
        if inspect.isgeneratorfunction(function):
            return cls.GENERATOR
        return cls.COROUTINE if inspect.iscoroutinefunction(function) else cls.FUNCTION


def first_step(generator: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Return the first step of an async generator, hidden from the event loop.

    When an event loop ends, it closes every async generator whose first step it saw. It sees the
    wrapper, which closes the generator inside it. If it saw both, it would close the inner one
    twice at the same time.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
