"""The options of `@instrument`, checked when they are given."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from opentelemetry.trace import SpanKind

from tracekit._base.errors import InstrumentationError
from tracekit._base.levels import Level
from tracekit._values.attribute_values import to_attribute_value


class _Current:
    """The parent that is used where none is named: the current span."""

    def __repr__(self) -> str:
        return "<the current span>"

    def __reduce__(self) -> str:
        return "CURRENT"


CURRENT: Final[Any] = _Current()

ErrOption = bool | Level | str | int
RetOption = bool | Callable[[Any], object]
ExpectedOption = type[BaseException] | Iterable[type[BaseException]]


class Options(NamedTuple):
    """What `@instrument` was asked for, in one form whatever the form it was given in.

    Attributes:
        name: The span's name, or None for the function's own.
        level: The span's level.
        target: What filters match on, or None for the function's module.
        kind: The span's kind.
        skip: The arguments that are not recorded.
        skip_all: Whether none is.
        fields: Attribute names with constants or callables of the arguments.
        err: The level of the exception event, or False for none.
        ret: What makes the `return` attribute of the result, described, or None.
        expected: The exceptions that are no errors.
        parent: Where the span hangs: `CURRENT`, None, or what gives a parent.
        links: What the span points at.
    """

    name: str | None
    level: Level
    target: str | None
    kind: SpanKind
    skip: tuple[str, ...]
    skip_all: bool
    fields: Mapping[str, Any]
    err: Level | Literal[False]
    ret: Callable[[Any], Any] | None
    expected: tuple[type[BaseException], ...]
    parent: Any
    links: Any


def parse_level(value: Level | str | int) -> Level:
    """Read the `level` option; `OFF` is the level of a filter, not of a span."""
    try:
        level = Level.of(value)
    except ValueError as error:
        raise InstrumentationError(f"level={value!r}: {error}") from None
    if level is Level.OFF:
        raise InstrumentationError(f"level={value!r}: a span cannot be OFF; filters can")
    return level


def parse_kind(value: SpanKind | str) -> SpanKind:
    """Read the `kind` option: the enum or its name in any case."""
    if isinstance(value, SpanKind):
        return value
    found = SpanKind.__members__.get(value.upper()) if isinstance(value, str) else None
    if found is None:
        names = ", ".join(SpanKind.__members__)
        raise InstrumentationError(f"kind={value!r} is not a span kind; say one of {names}")
    return found


def parse_skip(value: str | Iterable[str], *, skip_all: bool) -> tuple[str, ...]:
    """Read the `skip` option: names of arguments, or one name; none beside `skip_all`."""
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
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InstrumentationError(f"skip names {', '.join(map(repr, twice))} twice")
    return names


def parse_fields(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Read the `fields` option: attribute names with constants or callables."""
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


def parse_err(value: ErrOption) -> Level | Literal[False]:
    """Read the `err` option: True stands for the level ERROR."""
    if value is True:
        return Level.ERROR
    if value is False:
        return False
    try:
        level = Level.of(value)
    except ValueError as error:
        raise InstrumentationError(f"err={value!r}: say True, False or a level; {error}") from None
    return False if level is Level.OFF else level


def parse_ret(value: RetOption) -> Callable[[Any], Any] | None:
    """Read the `ret` option: what makes the attribute of a result; True records the result."""
    if value is True:
        return to_attribute_value
    if value is False:
        return None
    if not callable(value):
        raise InstrumentationError(
            f"ret={value!r}: say True, False or a callable that makes a value from the result"
        )
    return functools.partial(_describe_what, value)


def _describe_what(function: Callable[[Any], object], value: object) -> Any:
    return to_attribute_value(function(value))


def parse_expected(value: ExpectedOption) -> tuple[type[BaseException], ...]:
    """Read the `expected` option: exception types, or one type."""
    if isinstance(value, str) or not isinstance(value, (type, Iterable)):
        raise InstrumentationError(f"expected: {value!r} is not an exception type")
    types = (value,) if isinstance(value, type) else tuple(value)
    for one in types:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise InstrumentationError(f"expected: {one!r} is not an exception type")
    return types


def parse_name(value: str | None) -> str | None:
    """Read the `name` option: a text that is not empty, or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InstrumentationError(f"name={value!r} is not the name of a span")
    return value


def parse_target(value: str | None) -> str | None:
    """Read the `target` option: dotted words, or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InstrumentationError(f"target={value!r} is not a target; say a name such as shop.db")
    return value


def parse_attributes(value: Mapping[str, object] | None) -> Mapping[str, object]:
    """Read attributes that are given as a mapping."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InstrumentationError(f"attributes={value!r}: expected a mapping of names to values")
    return value
