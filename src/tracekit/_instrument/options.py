"""The options of `@instrument`, checked at decoration."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from opentelemetry.trace import SpanKind

from tracekit._base.errors import InstrumentationError
from tracekit._base.levels import Level
from tracekit._values.attribute_values import to_attribute_value

ErrOption = bool | Level | str | int
RetOption = bool | Callable[[Any], object]
ExpectedOption = type[BaseException] | Iterable[type[BaseException]]


class Options(NamedTuple):
    """The options of `@instrument`, each in one form.

    `err` is the level of the exception event, or None. `ret` returns the `return` attribute for a
    result, or is None.
    """

    name: str | None
    level: Level
    target: str | None
    kind: SpanKind
    skip: tuple[str, ...]
    skip_all: bool
    fields: Mapping[str, Any]
    err: Level | None
    ret: Callable[[Any], Any] | None
    expected: tuple[type[BaseException], ...]
    parent: Any
    links: Any


def parse_skip(value: str | Iterable[str], *, skip_all: bool) -> tuple[str, ...]:
    """Return the names of the arguments to skip."""
    if not isinstance(value, Iterable):
        raise InstrumentationError(f"skip={value!r}: expected the names of arguments")
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if not isinstance(name, str):
            raise InstrumentationError(f"skip: {name!r} is not the name of an argument")
    if names and skip_all:
        raise InstrumentationError(
            f"skip={list(names)!r} and skip_all=True exclude each other; keep one of them"
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InstrumentationError(f"skip names {', '.join(map(repr, repeated))} twice")
    return names


def parse_fields(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a copy of the mapping of attribute names to constants or callables."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InstrumentationError(
            f"fields={value!r}: expected a mapping of attribute names to constants or to callables "
            f"of the function's arguments"
        )
    for name in value:
        if not isinstance(name, str) or not name:
            raise InstrumentationError(f"fields: {name!r} is not an attribute name")
    return dict(value)


def parse_err(value: ErrOption) -> Level | None:
    """Return the level of the exception event: `ERROR` for True, None for False and `OFF`."""
    if value is True:
        return Level.ERROR
    if value is False:
        return None
    try:
        level = Level.of(value)
    except ValueError as error:
        raise InstrumentationError(f"err={value!r}: use True, False or a level; {error}") from None
    return None if level is Level.OFF else level


def parse_ret(value: RetOption) -> Callable[[Any], Any] | None:
    """Return the function that makes the `return` attribute; True records the result itself."""
    if value is True:
        return to_attribute_value
    if value is False:
        return None
    if not callable(value):
        raise InstrumentationError(
            f"ret={value!r}: use True, False or a callable that makes a value from the result"
        )
    return functools.partial(_attribute_of_result, value)


def _attribute_of_result(function: Callable[[Any], object], result: object) -> Any:
    return to_attribute_value(function(result))


def parse_expected(value: ExpectedOption) -> tuple[type[BaseException], ...]:
    """Return the exception types."""
    if isinstance(value, str) or not isinstance(value, (type, Iterable)):
        raise InstrumentationError(f"expected: {value!r} is not an exception type")
    types = (value,) if isinstance(value, type) else tuple(value)
    for one in types:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise InstrumentationError(f"expected: {one!r} is not an exception type")
    return types
