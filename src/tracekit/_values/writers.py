"""The table of writers: how the values of each type are written, known by the type's name.

A writer does not refer to the type that it is for, so that a cache of writers does not keep the
type alive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from tracekit._values import containers, single_values
from tracekit._values.bounded_text import (
    MAX_TEXT,
    BoundedText,
    SingleWriter,
    Writer,
    integer_text,
    nested_writer,
    string_text,
)
from tracekit._values.objects import (
    fields_writer,
    has_handwritten_repr,
    write_exception,
    write_object,
    write_partial,
)
from tracekit._values.type_names import kind_text, lookup_name, package_of

PRIMITIVE_TEXTS: dict[type, Callable[[Any], str]] = {
    str: string_text,
    int: integer_text,
    bool: repr,
    float: repr,
    type(None): repr,
}
"""The text of each primitive type inside another value."""


class Substitute:
    """A writer that writes the result of a function instead of the value."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function

    def is_final(self, result: object) -> bool:
        """Whether the result is recorded without regard to registrations."""
        return True

    def __call__(self, out: BoundedText, value: object) -> None:
        result = self.function(value)
        if self.is_final(result):
            builtin_writer(type(result))(out, result)
        else:
            out.add_value(result)


def builtin_writer(kind: type) -> Writer:
    """Return the writer of a type's values, without regard to registrations."""
    primitive = _PRIMITIVES.get(id(kind))
    if primitive is not None:
        return primitive
    names = [lookup_name(base) for base in kind.__mro__]
    return (
        _first_of(names, _BEFORE_FIELDS)
        or _nested_fields_writer(kind)
        or _first_of(names, _AFTER_FIELDS)
        or _fallback_writer(kind)
    )


def _first_of(names: list[str], table: Mapping[str, Writer]) -> Writer | None:
    return next((table[name] for name in names if name in table), None)


def _nested_fields_writer(kind: type) -> Writer | None:
    if issubclass(kind, tuple) and has_handwritten_repr(kind):
        return _write_repr
    writer = fields_writer(kind)
    return None if writer is None else nested_writer(writer)


def _fallback_writer(kind: type) -> Writer:
    if _is_mapping(kind):
        return _write_mapping
    owner = single_values.owner_of("__repr__", kind)
    if owner is not object and package_of(owner) not in _OPAQUE_PACKAGES:
        return _write_repr
    opaque = any(package_of(base) in _OPAQUE_PACKAGES for base in kind.__mro__)
    return _write_kind if opaque else _write_object


def _is_mapping(kind: type) -> bool:
    try:
        return issubclass(kind, Mapping)
    except Exception:
        return False  # the check hashes the class, and a metaclass can make that raise


# By identity, because a metaclass can make hashing raise.
_PRIMITIVES: dict[int, Writer] = {
    id(kind): SingleWriter(text) for kind, text in PRIMITIVE_TEXTS.items()
}
_write_kind = SingleWriter(kind_text)
_write_repr = SingleWriter(single_values.repr_text, MAX_TEXT)
_write_object = nested_writer(write_object)
_write_mapping = nested_writer(containers.mapping_writer)

# Exceptions and enums may be data classes as well.
_BEFORE_FIELDS: dict[str, Writer] = {
    **{name: SingleWriter(text) for name, text in single_values.FOREIGN_TEXTS.items()},
    "enum.Enum": SingleWriter(single_values.enum_text),
    "builtins.BaseException": nested_writer(write_exception),
}

_AFTER_FIELDS: dict[str, Writer] = {
    **{name: nested_writer(writer) for name, writer in containers.WRITERS.items()},
    **{name: SingleWriter(text) for name, text in single_values.TEXTS.items()},
    "functools.partial": nested_writer(write_partial),
    "builtins.str": Substitute(str.__str__),
    "builtins.int": Substitute(int.__int__),
    "builtins.float": Substitute(float.__float__),
    "collections.UserString": Substitute(attrgetter("data")),
    "numpy.generic": Substitute(single_values.plain_scalar),
}

# Only the kind of these is of interest, and touching them may block or consume something.
_OPAQUE = (
    "_io io _thread threading socket _socket ssl _ssl asyncio _asyncio concurrent queue _queue "
    "multiprocessing _multiprocessing subprocess select selectors sqlite3 tempfile mmap weakref "
    "contextvars _contextvars itertools"
)
_OPAQUE_PACKAGES = frozenset(_OPAQUE.split())
