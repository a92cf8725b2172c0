"""Which rule describes a type: one table for what is known by name, and what is left.

A rule is made of plain functions and names. It never refers to the type that it is for, so that
remembering it does not keep the type alive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from tracekit._values import containers, foreign_types, scalars
from tracekit._values.bounds import MAX_STRING, MAX_TEXT
from tracekit._values.objects import (
    find_writer,
    has_handwritten_repr,
    write_exception,
    write_object,
    write_partial,
)
from tracekit._values.text import Writer, cut, encodable, integer, quote
from tracekit._values.type_names import derives, kind_text, package_of, table_name

_Array = tuple[str, ...] | tuple[bool, ...] | tuple[int, ...] | tuple[float, ...]
AttributeValue = str | bool | int | float | _Array
"""What OpenTelemetry takes as the value of an attribute."""


class Conversion(NamedTuple):
    """The value stands for another one, which is described in its place."""

    convert: Callable[[Any], object]


class Registered:
    """What a user's function returns stands for the values of a type and its subclasses.

    It refers to the type, which is known by its identity as long as it is registered.
    """

    __slots__ = ("function", "kind")

    def __init__(self, kind: type, function: Callable[[Any], object]) -> None:
        self.kind = kind
        self.function = function


class SingleText(NamedTuple):
    """The value is one thing with a usual text."""

    text: Callable[[Any], str]
    limit: int = MAX_STRING

    def cut(self, value: object) -> str:
        """The text within the limit."""
        return encodable(cut(str.__str__(self.text(value)), self.limit))


class Nested(NamedTuple):
    """The value holds others and is written into a text item by item."""

    writer: Writer


Rule = Conversion | Registered | SingleText | Nested


def builtin_rule(kind: type) -> Rule:
    """Decide how the values of a type are described where nobody has registered anything.

    Args:
        kind: The type.

    Returns:
        The rule; it does not refer to the type.
    """
    if id(kind) in _PRIMITIVES:
        return _PRIMITIVES[id(kind)]
    names = [table_name(base) for base in kind.__mro__]
    first = next((_FIRST[name] for name in names if name in _FIRST), None)
    return first or _declared_rule(kind) or _known_rule(names) or _other_rule(kind)


def _declared_rule(kind: type) -> Rule | None:
    if derives(kind, tuple) and has_handwritten_repr(kind):
        return _REPR
    writer = find_writer(kind)
    return None if writer is None else Nested(writer)


def _known_rule(names: list[str]) -> Rule | None:
    return next((_KNOWN[name] for name in names if name in _KNOWN), None)


def _other_rule(kind: type) -> Rule:
    if _is_mapping(kind):
        return _MAPPING
    owner = scalars.owner_of("__repr__", kind)
    if owner is not object and package_of(owner) not in _OPAQUE_PACKAGES:
        return _REPR
    opaque = any(package_of(base) in _OPAQUE_PACKAGES for base in kind.__mro__)
    return _KIND if opaque else _OBJECT


def _is_mapping(kind: type) -> bool:
    try:
        return derives(kind, Mapping)
    except Exception:
        return False  # the check hashes the class, which a metaclass may make fail


# Inside a text; alone, these are attribute values as they are.
_PRIMITIVES: dict[int, Rule] = {
    id(str): SingleText(quote),
    id(int): SingleText(integer),
    id(bool): SingleText(repr),
    id(float): SingleText(repr),
}
_KIND = SingleText(kind_text)
_REPR = SingleText(scalars.repr_text, MAX_TEXT)
_OBJECT = Nested(write_object)
_MAPPING = Nested(containers.write_mapping)

# Before the fields that a class declares: exceptions and enums may be dataclasses as well.
_FIRST: dict[str, Rule] = {
    **{name: SingleText(text) for name, text in foreign_types.TEXTS.items()},
    "enum.Enum": SingleText(scalars.enum_text),
    "builtins.BaseException": Nested(write_exception),
}

_KNOWN: dict[str, Rule] = {
    **{name: Nested(writer) for name, writer in containers.WRITERS.items()},
    **{name: SingleText(text) for name, text in scalars.TEXTS.items()},
    "builtins.str": Conversion(str.__str__),
    "builtins.int": Conversion(int.__int__),
    "builtins.float": Conversion(float.__float__),
    "builtins.NoneType": SingleText(repr),
    "collections.UserString": Conversion(attrgetter("data")),
    "builtins.complex": SingleText(complex.__repr__),
    "functools.partial": Nested(write_partial),
    "numpy.datetime64": SingleText(str),
    "numpy.timedelta64": SingleText(str),
    "numpy.generic": Conversion(foreign_types.plain_scalar),
}

# Of these, nothing is worth knowing but what they are, and looking at them may block or consume.
_OPAQUE = (
    "_io io _thread threading socket _socket ssl _ssl asyncio _asyncio concurrent queue _queue "
    "multiprocessing _multiprocessing subprocess select selectors sqlite3 tempfile mmap weakref "
    "contextvars _contextvars itertools"
)
_OPAQUE_PACKAGES = frozenset(_OPAQUE.split())
