"""Proxies of callable objects: they behave as the object, and their calls have spans."""

from __future__ import annotations

import copy
import pickle
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import wrapt

from tracekit._instrument.function_site import opaque_site
from tracekit._instrument.options import Options
from tracekit._instrument.wrappers import wrap_opaque

if TYPE_CHECKING:
    _ObjectProxy = wrapt.ObjectProxy[Any]
else:
    # Older releases of wrapt have no types, and no class that could be subscripted.
    _ObjectProxy = wrapt.ObjectProxy

# Decorates a copy of an object. It is a function of a module, so that it can be pickled.
Decorate = Callable[[Any, Options], Any]


class CallableProxy(_ObjectProxy):
    """A callable object whose calls have spans.

    It is an instance of the object's own class and has its attributes. `__call__` is a property
    that returns the compiled wrapper, so that a call has no additional frame.
    """

    def __init__(
        self, wrapped: Any, wrapper: Callable[..., Any], options: Options, decorate: Decorate
    ) -> None:
        super().__init__(wrapped)
        self._self_wrapper = wrapper
        self._self_options = options
        self._self_decorate = decorate

    @property
    def __call__(self) -> Callable[..., Any]:
        return self._self_wrapper

    def __copy__(self) -> Any:
        return self._self_decorate(copy.copy(self.__wrapped__), self._self_options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._self_decorate(copy.deepcopy(self.__wrapped__, memo), self._self_options)

    def __reduce__(self) -> tuple[Any, ...]:
        wrapped, options = self.__wrapped__, self._self_options
        # An object that pickles without the decorator must pickle with it, even if the options do
        # not. Then it is undecorated when it is unpickled.
        if _is_picklable(options):
            return self._self_decorate, (wrapped, options)
        return _undecorated, (wrapped,)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.__reduce__()

    def __set_name__(self, owner: type, name: str) -> None:
        set_name = getattr(type(self.__wrapped__), "__set_name__", None)
        if set_name is not None:
            set_name(self.__wrapped__, owner, name)


class DescriptorProxy(CallableProxy):
    """A callable object that is a descriptor. The objects that it binds to are decorated too."""

    def __init__(
        self, wrapped: Any, wrapper: Callable[..., Any], options: Options, decorate: Decorate
    ) -> None:
        super().__init__(wrapped, wrapper, options, decorate)
        # The call sites of what it binds to, on the class and on instances. They are made at the
        # first look-up, because the parameters do not depend on the instance.
        self._self_sites: dict[bool, Any] = {}

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        wrapped = self.__wrapped__
        bound = type(wrapped).__get__(wrapped, instance, owner)
        if bound is wrapped:
            return self
        if type(bound) is types.MethodType and bound.__func__ is wrapped:
            function: Any = self
            return types.MethodType(function, bound.__self__)
        if not callable(bound):
            return bound
        sites, options = self._self_sites, self._self_options
        is_unbound = instance is None
        if is_unbound not in sites:
            sites[is_unbound] = opaque_site(bound, options)
        return make_proxy(
            bound, wrap_opaque(bound, *sites[is_unbound]), options, self._self_decorate
        )


def make_proxy(
    subject: Any, wrapper: Callable[..., Any], options: Options, decorate: Decorate
) -> CallableProxy:
    """Make the proxy of a callable object; `decorate` decorates copies of the object."""
    proxy = DescriptorProxy if hasattr(type(subject), "__get__") else CallableProxy
    return proxy(subject, wrapper, options, decorate)


def _undecorated(subject: Any) -> Any:
    return subject


def _is_picklable(options: Options) -> bool:
    try:
        pickle.dumps(options)
    except Exception:
        return False
    return True
