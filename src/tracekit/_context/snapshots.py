"""Callables that run in the context of the moment when they were wrapped, wherever that is."""

from __future__ import annotations

import contextvars
import copy
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.context import Context

from tracekit._base.errors import InstrumentationError
from tracekit._context import worker_hooks
from tracekit._context.stepping import STEPS
from tracekit._instrument.wrappers import Kind
from tracekit._recording import carriers
from tracekit._recording.current_context import attach

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    _Partial = functools.partial[Any]
else:
    _Partial = functools.partial


def preserve_context(func: F) -> F:
    """Make a callable that runs in the context of now, wherever and however often it is called.

    In this process it sees all context variables as they are now, in a copy for each call, and the
    current span itself. Pickled, it takes the trace and the baggage along as headers, and they are
    current in the other process while it runs, whether or not that has telemetry set up. It may be
    called from many threads at once, and keeps the context alive only as long as it lives itself.

    Args:
        func: Any callable. The body of a coroutine function, a generator or an async generator
            runs in the context from its first step to its last.

    Returns:
        A callable of the same signature. It pickles where `func` does.

    Raises:
        InstrumentationError: `func` cannot be called.

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
        raise InstrumentationError(f"preserve_context({func!r}): that is nothing to be called")
    made = Preserved if Kind.of(func) is Kind.FUNCTION else PreservedSteps
    return _dressed(made, func, ContextSnapshot())  # type: ignore[return-value]  # it is called as the function is


class ContextSnapshot:
    """The context of a moment: all context variables, as long as this process holds it.

    Pickled, it becomes a `RemoteContextSnapshot`.
    """

    __slots__ = ("_context", "_ships")

    def __init__(self, *, ships: bool = True) -> None:
        """Take the moment of now.

        Args:
            ships: Whether a process that is reached by pickling is set up by what arrives.
        """
        self._context = contextvars.copy_context()
        self._ships = ships

    def context(self) -> contextvars.Context:
        """A context to run one call in."""
        return self._context.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        carrier = self.context().run(carriers.inject_portable)
        return RemoteContextSnapshot, (carrier, worker_hooks.shipment() if self._ships else None)


class RemoteContextSnapshot:
    """The context of a moment in another process: its trace and its baggage.

    Everything else in the context of a call is this process's own.
    """

    __slots__ = ("_carrier", "_restored", "_shipped")

    def __init__(self, carrier: dict[str, str], shipped: object) -> None:
        self._carrier = carrier
        self._shipped = shipped
        self._restored: Context | None = None

    def context(self) -> contextvars.Context:
        """A context to run one call in."""
        worker_hooks.unpack(self._shipped)
        if self._restored is None:
            self._restored = carriers.extract_portable(self._carrier)
        context = contextvars.copy_context()
        context.run(attach, self._restored)
        return context

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteContextSnapshot, (self._carrier, self._shipped)


class Preserved(_Partial):
    """A callable with the moment that it runs in.

    It is a `functools.partial` with nothing bound, because that is what everyone looks through who
    asks for a name, a signature, or whether this is a coroutine function. A proxy that claims to be
    a function would be pickled by cloudpickle as the function alone.
    """

    _function: Callable[..., Any]
    _snapshot: ContextSnapshot | RemoteContextSnapshot

    def take(
        self, function: Callable[..., Any], moment: ContextSnapshot | RemoteContextSnapshot
    ) -> None:
        """Begin with a function and a moment, or with others."""
        self._function = function
        self._snapshot = moment

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        context = self._snapshot.context()
        if type(self._snapshot) is ContextSnapshot:
            return context.run(self._function, *args, **kwargs)
        with worker_hooks.at_work():
            return context.run(self._function, *args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if not hasattr(self._function, "__get__"):
            return self
        bound = self._function.__get__(instance, owner)
        return self if bound is self._function else _dressed(type(self), bound, self._snapshot)

    def __reduce__(self) -> tuple[Any, ...]:
        make = _dressed if "__wrapped__" in vars(self) else _preserved
        return make, (type(self), self._function, self._snapshot)

    def __copy__(self) -> Preserved:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Preserved:
        return _dressed(type(self), copy.deepcopy(self._function, memo), self._snapshot)

    def __dask_tokenize__(self) -> object:
        # Calls of one function with equal arguments are one task to Dask, whatever the context.
        from dask.base import normalize_token  # type: ignore[import-not-found,unused-ignore]  # Dask asks, so it is there

        return normalize_token(self._function)

    def __repr__(self) -> str:
        return f"preserve_context({self._function!r})"


class PreservedSteps(Preserved):
    """A callable that gives a coroutine or a generator, with the moment that its body runs in."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        context = self._snapshot.context()
        steps = STEPS[Kind.of(self._function)]
        return steps(context, context.run(self._function, *args, **kwargs))


def bind_context(function: Any, *, ships: bool = True) -> Preserved:
    """What a pool is given in place of a function: the function, in the context of now.

    Args:
        function: The function, or whatever the pool was given for one.
        ships: Whether a process that is reached by pickling is set up by what arrives.
    """
    if isinstance(function, Preserved):
        return function
    return _preserved(Preserved, function, ContextSnapshot(ships=ships))


def _preserved(
    kind: type[Preserved], function: Any, moment: ContextSnapshot | RemoteContextSnapshot
) -> Preserved:
    # A partial insists on a callable at once; what is none shall fail where the bare pool fails.
    preserved = kind(function if callable(function) else _nothing)
    preserved.take(function, moment)
    return preserved


def _dressed(
    kind: type[Preserved], function: Any, moment: ContextSnapshot | RemoteContextSnapshot
) -> Preserved:
    preserved = _preserved(kind, function, moment)
    functools.update_wrapper(preserved, function)
    # What was preserved before has a moment of its own among its attributes.
    preserved.take(function, moment)
    return preserved


def _nothing() -> None:
    """Stands where a partial needs a callable and there is none."""
