"""Choose how values of a type are recorded.

tracekit has rules for builtin types, dates, paths, arrays, data classes and many other types.
Register a function for any other type, or to replace a rule.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tracekit._base.errors import InstrumentationError
from tracekit._values.attribute_values import registered_types

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
    """Record the result of a function instead of the values of a type.

    The function runs each time such a value is recorded, in the thread that records it. It should
    be quick and must not change the value. Its result is recorded like any other value, within the
    usual limits and with the usual redaction. An exception is logged once, and the value is
    recorded as a failure. A later registration of the same type replaces the earlier one.

    Args:
        type_: The type. Its subclasses are recorded in the same way, unless they are registered
            themselves.
        function: Takes a value and returns the value to record. Without it, `register` is a
            decorator.

    Returns:
        The function, unchanged.

    Raises:
        InstrumentationError: `type_` is not a class, or is `object`, or `function` is not
            callable.

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
    """Record the values of a type as before its registration.

    Args:
        type_: A registered type.

    Raises:
        InstrumentationError: The type is not registered.
    """
    _check_type("unregister", type_)
    if not registered_types.remove(type_):
        raise InstrumentationError(
            f"describe.unregister({type_!r}): nothing is registered for this class; "
            "its bases and subclasses have registrations of their own"
        )


def _register(type_: type[Any], function: Any) -> Any:
    if not callable(function):
        raise InstrumentationError(
            f"describe.register({type_!r}, {function!r}): the function is not callable; "
            "expected a function that takes a value of the class"
        )
    registered_types.add(type_, function)
    return function


def _check_type(name: str, type_: object) -> None:
    # Not isinstance(): `list[int]` claims to be a class in Python 3.10.
    if not issubclass(type(type_), type):
        raise InstrumentationError(
            f"describe.{name}({type_!r}): this is not a class; expected the class of the values, "
            f"as in describe.{name}(Money)"
        )
    if type_ is object:
        raise InstrumentationError(
            f"describe.{name}(object): every value is an object; expected a more specific class"
        )
