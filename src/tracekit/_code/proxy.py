"""Callable objects, decorated: still themselves to everyone who looks, with a span when called."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import wrapt

from tracekit._code.options import Options

if TYPE_CHECKING:
    _ObjectProxy = wrapt.ObjectProxy[Any]
else:
    # Older releases of wrapt have no types, and no class that could be subscripted.
    _ObjectProxy = wrapt.ObjectProxy


class InstrumentedCallable(_ObjectProxy):
    """A callable object whose calls have spans.

    It is an instance of the object's own class and has its attributes. The calls go straight to the
    compiled wrapper: looked up as a property, `__call__` adds no frame of its own.
    """

    def __init__(self, wrapped: Any, call: Callable[..., Any], options: Options) -> None:
        super().__init__(wrapped)
        self._self_call = call
        self._self_options = options

    @property
    def __call__(self) -> Callable[..., Any]:
        return self._self_call

    def __reduce__(self) -> tuple[Any, ...]:
        return _decorate_again, (self.__wrapped__, self._self_options)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.__reduce__()


class _InstrumentedMethod(InstrumentedCallable):
    """A callable object that binds to the instance it is looked up on, as functions do."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        call: Any = self
        return self if instance is None else types.MethodType(call, instance)


def instrumented(subject: Any, call: Callable[..., Any], options: Options) -> InstrumentedCallable:
    """Stand a proxy in for a callable object.

    Args:
        subject: The object.
        call: What is called in its place.
        options: What was asked for, to decorate the object again where it is unpickled.
    """
    proxy = _InstrumentedMethod if hasattr(type(subject), "__get__") else InstrumentedCallable
    return proxy(subject, call, options)


def _decorate_again(subject: Any, options: Options) -> Any:
    # Imported late: the decorator stands above the proxies that it makes.
    from tracekit._code.instrument import decorate

    return decorate(subject, options)
