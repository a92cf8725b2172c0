"""Teach tracekit how values of your own types are recorded.

What a type is recorded as is decided once for each type: builtin types, dates, paths, arrays, data
classes and many others are known. For the rest, and to change what is known, register a function.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tracekit._base.errors import InstrumentationError
from tracekit._values.attribute_values import register_type, unregister_type

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register", "unregister"]

T = TypeVar("T")
R = TypeVar("R")


@overload
def register(type_: type[T], /) -> Callable[[Callable[[T], R]], Callable[[T], R]]: ...


@overload
def register(type_: type[T], function: Callable[[T], R], /) -> Callable[[T], R]: ...


def register(type_: type[Any], function: Callable[[Any], Any] | None = None, /) -> Any:
    """Record values of a type as what a function makes of them.

    The function runs each time such a value is recorded, in the thread that records it, so it
    should be quick and must not change the value. What it returns is described in its turn, within
    the usual bounds and with the usual redaction; what it raises is logged once, and the value is
    recorded as a failure. A later registration of the same type replaces the earlier one.

    Args:
        type_: The type. Its subclasses are recorded in the same way, unless one of them is
            registered itself.
        function: Takes a value and returns what stands for it. Without it, `register` is a
            decorator.

    Returns:
        The function, unchanged.

    Raises:
        InstrumentationError: `type_` is not a class, or is `object`; or `function` cannot be
            called.

    Example:
        >>> @register(Money)
        ... def describe_money(money: Money) -> str:
        ...     return f"{money.amount} {money.currency}"
    """
    _check_type("register", type_)
    if function is None:
        return partial(_register, type_)
    return _register(type_, function)


def unregister(type_: type[Any], /) -> None:
    """Record values of a type as they were recorded before it was registered.

    Args:
        type_: A registered type.

    Raises:
        InstrumentationError: The type is not registered.
    """
    _check_type("unregister", type_)
    if not unregister_type(type_):
        raise InstrumentationError(
            f"describe.unregister({type_!r}): nothing is registered for this class; "
            "its bases and subclasses are registered apart"
        )


def _register(type_: type[Any], function: Any) -> Any:
    if not callable(function):
        raise InstrumentationError(
            f"describe.register({type_!r}, {function!r}): the function cannot be called; "
            "say a function that takes a value of the class"
        )
    register_type(type_, function)
    return function


def _check_type(name: str, type_: object) -> None:
    # Not isinstance(): `list[int]` claims to be a class in Python 3.10.
    if not issubclass(type(type_), type):
        raise InstrumentationError(
            f"describe.{name}({type_!r}): this is not a class; say the class of the values, "
            "such as describe.register(Money)"
        )
    if type_ is object:
        raise InstrumentationError(
            f"describe.{name}(object): every value is an object; say the classes that you mean"
        )
