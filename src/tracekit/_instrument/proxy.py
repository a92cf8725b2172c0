"""Callable objects, decorated: still themselves to everyone who looks, with a span when called."""

from __future__ import annotations

import copy
import pickle
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import wrapt

from tracekit._instrument.decorator import decorate, opaque_site
from tracekit._instrument.wrappers import wrap_opaque
from tracekit._recording.options import Options

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

    def __copy__(self) -> Any:
        return _decorate_again(copy.copy(self.__wrapped__), self._self_options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _decorate_again(copy.deepcopy(self.__wrapped__, memo), self._self_options)

    def __reduce__(self) -> tuple[Any, ...]:
        wrapped, options = self.__wrapped__, self._self_options
        # What pickles without the decorator has to pickle with it, even where the options do not:
        # there it arrives undecorated.
        return (_decorate_again, (wrapped, options)) if _pickles(options) else (_itself, (wrapped,))

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.__reduce__()

    def __set_name__(self, owner: type, name: str) -> None:
        forward = getattr(type(self.__wrapped__), "__set_name__", None)
        if forward is not None:
            forward(self.__wrapped__, owner, name)


class _InstrumentedMethod(InstrumentedCallable):
    """A callable object that is a descriptor: what it binds to is decorated as it is itself."""

    def __init__(self, wrapped: Any, call: Callable[..., Any], options: Options) -> None:
        super().__init__(wrapped, call, options)
        self._self_sites: dict[bool, Any] = {}

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        wrapped = self.__wrapped__
        bound = type(wrapped).__get__(wrapped, instance, owner)
        if bound is wrapped:
            return self
        if type(bound) is types.MethodType and bound.__func__ is wrapped:
            call: Any = self
            return types.MethodType(call, bound.__self__)
        if not callable(bound):
            return bound
        return _decorate_bound(bound, self._self_options, self._self_sites, instance is None)


def instrumented(subject: Any, call: Callable[..., Any], options: Options) -> InstrumentedCallable:
    """Stand a proxy in for a callable object.

    Args:
        subject: The object.
        call: What is called in its place.
        options: What was asked for, to decorate the object again where it is unpickled.
    """
    proxy = _InstrumentedMethod if hasattr(type(subject), "__get__") else InstrumentedCallable
    return proxy(subject, call, options)


def _itself(subject: Any) -> Any:
    return subject


def _pickles(options: Options) -> bool:
    try:
        pickle.dumps(options)
    except Exception:
        return False
    return True


def _decorate_bound(
    bound: Any, options: Options, sites: dict[bool, Any], is_unbound: bool
) -> InstrumentedCallable:
    # Whatever the instance, the parameters are the same: the call site is made at the first
    # look-up.
    if is_unbound not in sites:
        sites[is_unbound] = opaque_site(bound, options)
    return instrumented(bound, wrap_opaque(bound, *sites[is_unbound]), options)


def _decorate_again(subject: Any, options: Options) -> Any:
    return decorate(subject, options)
