"""Callables that run in a snapshot of the context, in any thread or process."""

from __future__ import annotations

import contextvars
import copy
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, TypeVar, cast

from opentelemetry.context import Context

from tracekit._base.errors import InstrumentationError
from tracekit._context import worker_hooks
from tracekit._instrument.function_site import CallableKind
from tracekit._instrument.generators import first_step
from tracekit._recording import carriers
from tracekit._recording.current_context import attach

F = TypeVar("F", bound=Callable[..., Any])


def preserve_context(func: F) -> F:
    """Return a callable that runs in the current context, in whatever thread or process calls it.

    In this process it sees all context variables as they are now, in a copy for each call, and the
    current span itself. Pickled, it brings the trace and the baggage to the other process as
    headers. They are current there while it runs, whether or not that process has telemetry. Many
    threads may call it at once. It keeps the context alive as long as it lives itself.

    Args:
        func: Any callable. The body of a coroutine function, a generator or an async generator
            runs in the context from its first step to its last.

    Returns:
        A callable with the same signature. It can be pickled if `func` can.

    Raises:
        InstrumentationError: `func` is not callable.

    Example:
        ```python
        import threading

        from tracekit import preserve_context, record, span

        with span("upload"):
            thread = threading.Thread(target=preserve_context(record), kwargs={"tiles": 4})
            thread.start()
            thread.join()
        ```
    """
    if not callable(func):
        raise InstrumentationError(f"preserve_context({func!r}): expected a callable")
    cls = BoundToContext if CallableKind.of(func) is CallableKind.FUNCTION else StepsBoundToContext
    return _bind_and_wrap(cls, func, ContextSnapshot())  # type: ignore[return-value]  # it is called as the function is


class PreservesContext:
    """Base class of pools that preserve the submitter's context, so that `wrap` returns them."""


class ContextSnapshot:
    """A snapshot of all context variables in this process, pickled as a `RemoteContextSnapshot`.

    Args:
        sends_initializer: Whether the pickled snapshot contains the initializer of workers.
    """

    __slots__ = ("_context", "_sends_initializer")

    def __init__(self, *, sends_initializer: bool = True) -> None:
        self._context = contextvars.copy_context()
        self._sends_initializer = sends_initializer

    def copy_context(self) -> contextvars.Context:
        """Return a context to run one call in."""
        return self._context.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        carrier = self.copy_context().run(carriers.inject_portable)
        initializer = worker_hooks.worker_initializer() if self._sends_initializer else None
        return RemoteContextSnapshot, (carrier, initializer)


class RemoteContextSnapshot:
    """The trace and the baggage of a context in another process, as headers.

    All other context variables of a call are those of this process, which the initializer sets up.
    """

    __slots__ = ("_carrier", "_extracted", "_initializer")

    def __init__(
        self, carrier: dict[str, str], initializer: worker_hooks.Initializer | None
    ) -> None:
        self._carrier = carrier
        self._initializer = initializer
        self._extracted: Context | None = None

    def copy_context(self) -> contextvars.Context:
        """Return a context to run one call in, and set up this process first."""
        if self._initializer is not None:
            self._initializer()
        if self._extracted is None:
            self._extracted = carriers.extract_portable(self._carrier)
        context = contextvars.copy_context()
        context.run(attach, self._extracted)
        return context

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteContextSnapshot, (self._carrier, self._initializer)


class BoundToContext(functools.partial[Any]):
    """A function with the snapshot of the context that it runs in.

    It is a `functools.partial` without arguments, because inspection looks through a partial for a
    name, a signature, or whether this is a coroutine function. A proxy with the class of a function
    would not do: cloudpickle pickles it as the function alone.
    """

    _function: Callable[..., Any]
    _snapshot: ContextSnapshot | RemoteContextSnapshot

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        context = self._snapshot.copy_context()
        if type(self._snapshot) is ContextSnapshot:
            return context.run(self._function, *args, **kwargs)
        with worker_hooks.worker_task():
            return context.run(self._function, *args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if not hasattr(self._function, "__get__"):
            return self
        method = self._function.__get__(instance, owner)
        same = method is self._function
        return self if same else _bind_and_wrap(type(self), method, self._snapshot)

    def __reduce__(self) -> tuple[Any, ...]:
        bind = _bind_and_wrap if "__wrapped__" in vars(self) else _bind
        return bind, (type(self), self._function, self._snapshot)

    def __copy__(self) -> BoundToContext:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> BoundToContext:
        return _bind_and_wrap(type(self), copy.deepcopy(self._function, memo), self._snapshot)

    def __dask_tokenize__(self) -> object:
        # Dask takes calls of one function with equal arguments for one task, in any context.
        from dask.base import normalize_token  # type: ignore[import-not-found,unused-ignore]  # Dask is the caller, so it is installed

        return normalize_token(self._function)

    def __repr__(self) -> str:
        return f"preserve_context({self._function!r})"


class StepsBoundToContext(BoundToContext):
    """A function that returns a coroutine or a generator, whose steps run in a context."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        context = self._snapshot.copy_context()
        bind_steps = _STEPS[CallableKind.of(self._function)]
        return bind_steps(context, context.run(self._function, *args, **kwargs))


def bind_context(function: Any, *, sends_initializer: bool = True) -> BoundToContext:
    """Bind a function to the current context, for a pool.

    Args:
        function: The function, or what the pool received in its place. A function that is bound to
            a context stays bound to that one.
        sends_initializer: Whether a pickled task brings the initializer of workers.
    """
    if isinstance(function, BoundToContext):
        return function
    snapshot = ContextSnapshot(sends_initializer=sends_initializer)
    return _bind(BoundToContext, function, snapshot)


def _bind(
    cls: type[BoundToContext], function: Any, snapshot: ContextSnapshot | RemoteContextSnapshot
) -> BoundToContext:
    # A partial refuses what is not callable. The call shall fail where it fails in the bare pool.
    bound = cls(function if callable(function) else lambda: None)
    bound._function = function
    bound._snapshot = snapshot
    return bound


def _bind_and_wrap(
    cls: type[BoundToContext], function: Any, snapshot: ContextSnapshot | RemoteContextSnapshot
) -> BoundToContext:
    bound = _bind(cls, function, snapshot)
    functools.update_wrapper(bound, function)
    # `update_wrapper` has copied the function and the snapshot of a function that was bound before.
    bound._function = function
    bound._snapshot = snapshot
    return bound


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


_STEPS: Final[dict[CallableKind, Callable[[contextvars.Context, Any], Any]]] = {
    CallableKind.COROUTINE: ContextCoroutine,
    CallableKind.GENERATOR: _bind_generator,
    CallableKind.ASYNC_GENERATOR: _bind_async_generator,
}
