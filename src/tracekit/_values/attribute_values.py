"""Conversion of any Python value into an attribute value.

A value becomes a primitive, an array of primitives or a bounded text. The commonest builtin types
are converted by one dictionary. The writer of any other type is looked up among the registered
types, then in the table of builtin writers, and cached as long as the type lives.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from operator import is_
from threading import Lock
from typing import Any

from tracekit._base import forks
from tracekit._base.log import log_warning_once
from tracekit._values.bounded_text import (
    MAX_ARRAY,
    MAX_ARRAY_STRING,
    MAX_INT,
    MAX_NESTED_STRING,
    MAX_STRING,
    MAX_TEXT,
    MAX_WIDTH,
    MIN_INT,
    BoundedText,
    SingleWriter,
    Writer,
    cut,
    encodable,
    integer_text,
)
from tracekit._values.type_names import TypeCache, qualified_name, short_name, type_of
from tracekit._values.writers import PRIMITIVE_TEXTS, Substitute, builtin_writer

_Array = tuple[str, ...] | tuple[bool, ...] | tuple[int, ...] | tuple[float, ...]
AttributeValue = str | bool | int | float | _Array
"""The values of attributes that OpenTelemetry accepts."""


def to_attribute_value(value: Any) -> AttributeValue:
    """Convert any value into an attribute value.

    The conversion changes and consumes nothing of the program. A failure is named in the result.
    The result has a bounded size and fits into a protobuf message. Values under sensitive names
    inside the value are redacted by the current policy.

    Args:
        value: A value of any type.

    Returns:
        Short strings, booleans, floats and integers of 64 bits unchanged; short lists and tuples
        of one of these types as a tuple; text for everything else.
    """
    try:
        convert = _converters.get(type(value))
    except Exception:
        convert = None  # a metaclass can make hashing its classes raise
    try:
        # Without a call for the commonest values.
        if (convert is _convert_string and len(value) <= MAX_STRING and value.isascii()) or (
            convert is _convert_int and MIN_INT <= value <= MAX_INT
        ):
            return value  # type: ignore[no-any-return]  # a string or an integer
        if convert is not None:
            return convert(value)
        return _convert(registered_types.writer_of(type(value)), value)
    except Exception as error:
        try:
            return _failure_text(type(value), error)
        except Exception:
            return "<repr failed>"  # no stack is left for the details


def _convert_string(string: str) -> str:
    if len(string) <= MAX_STRING and string.isascii():
        return string
    return encodable(cut(string, MAX_STRING))


def _convert_int(number: int) -> int | str:
    return number if MIN_INT <= number <= MAX_INT else integer_text(number)


def _unchanged(value: Any) -> Any:
    return value


def _convert_sequence(value: Any) -> AttributeValue:
    total = len(value)
    # One slice, because another thread may be changing the list.
    items = tuple(value[: MAX_ARRAY if total <= MAX_ARRAY else MAX_WIDTH])
    if not items:
        return ()
    converted = None
    kind = type_of(items[0])
    if id(kind) in _primitive_texts and all(map(is_, map(type, items), repeat(kind))):
        converted = _to_array(items) if total <= MAX_ARRAY else _long_text(value, items, total)
    return _convert(_SEQUENCE_WRITERS[id(type(value))], value) if converted is None else converted


def _to_array(items: tuple[Any, ...]) -> _Array | None:
    kind = type_of(items[0])
    if kind is str:
        return tuple(encodable(cut(item, MAX_ARRAY_STRING)) for item in items)
    return items if kind is bool or kind is float or (kind is int and _fit(items)) else None


def _long_text(value: Any, items: tuple[Any, ...], total: int) -> str | None:
    # Not written item by item, so that a long list costs about as much as a short array.
    kind = type_of(items[0])
    if (kind is str and len("".join(items)) > MAX_NESTED_STRING) or (
        kind is int and not _fit(items)
    ):
        return None
    text = f"{repr(items)[1:-1]}, … +{total - len(items):,} more"
    bracketed = f"[{text}]" if type(value) is list else f"({text})"
    return bracketed if len(text) <= MAX_TEXT else None


def _fit(items: tuple[int, ...]) -> bool:
    return min(items) >= MIN_INT and max(items) <= MAX_INT


def _convert(writer: Writer, value: object) -> AttributeValue:
    if isinstance(writer, SingleWriter):
        return encodable(writer.text(value))
    if isinstance(writer, Substitute):
        result = writer.function(value)
        return _convert_builtin(result) if writer.is_final(result) else to_attribute_value(result)
    out = BoundedText(_write)
    writer(out, value)
    return str(out)


def _convert_builtin(value: object) -> AttributeValue:
    convert = _CONVERTERS.get(type(value))
    return _convert(builtin_writer(type(value)), value) if convert is None else convert(value)


def _write(out: BoundedText, value: object) -> None:
    primitive_text = _primitive_texts.get(id(type(value)))
    if primitive_text is not None:
        out.add(primitive_text(value))
        return
    savepoint = out.savepoint()
    try:
        registered_types.writer_of(type(value))(out, value)
    except Exception as error:
        out.roll_back(savepoint)
        out.add(_failure_text(type(value), error))


def _failure_text(kind: type, error: Exception) -> str:
    """Log a failure once for each type, and return `<Invoice, repr failed: ValueError>`."""
    # By name: the log keeps no class alive, and counts classes that are made in a loop once.
    name, failure = qualified_name(kind), short_name(type(error))
    log_warning_once(
        ("describe", name), "a %s could not be described: %s", name, failure, error=error
    )
    return f"<{short_name(kind)}, repr failed: {failure}>"


_CONVERTERS: dict[type, Callable[[Any], AttributeValue]] = {
    str: _convert_string,
    int: _convert_int,
    bool: _unchanged,
    float: _unchanged,
    type(None): repr,
    list: _convert_sequence,
    tuple: _convert_sequence,
}
_SEQUENCE_WRITERS = {id(kind): builtin_writer(kind) for kind in (list, tuple)}

# The entries of these two are removed while the type or a base of it is registered.
_converters = _CONVERTERS.copy()
_primitive_texts = {id(kind): text for kind, text in PRIMITIVE_TEXTS.items()}


class _Registration(Substitute):
    """The writer of a registered type and its subclasses.

    It refers to the type, so that no other type gets its identity while it is registered.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: type, function: Callable[[Any], object]) -> None:
        super().__init__(function)
        self.kind = kind

    def is_final(self, result: object) -> bool:
        # A function may return a value of the type that it is registered for.
        return registered_types.find(type(result)) is self


class _RegisteredTypes:
    """The types that users registered, and a cache of the writer of each type."""

    def __init__(self) -> None:
        self._registrations: dict[int, _Registration] = {}
        self._writers: TypeCache[Writer] = TypeCache()
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        self._lock = Lock()

    def add(self, kind: type, function: Callable[[Any], object]) -> None:
        """Record what a function returns for the values of a type and of its subclasses."""
        with self._lock:
            self._registrations[id(kind)] = _Registration(kind, function)
            self._apply()

    def remove(self, kind: type) -> bool:
        """Remove the registration of a type, and return whether there was one."""
        with self._lock:
            was_registered = self._registrations.pop(id(kind), None) is not None
            self._apply()
        return was_registered

    def find(self, kind: type) -> _Registration | None:
        """Return the registration of a type or of its nearest registered base."""
        found = map(self._registrations.get, map(id, kind.__mro__))
        return next((registration for registration in found if registration is not None), None)

    def writer_of(self, kind: type) -> Writer:
        """Return the writer of a type: the registered or the builtin one."""
        # A lookup that began before a registration fills the cache that the registration replaces.
        writers = self._writers
        writer = writers.get(kind)
        if writer is None:
            writer = self.find(kind) or builtin_writer(kind)
            writers.put(kind, writer)
        return writer

    def _apply(self) -> None:
        for kind, convert in _CONVERTERS.items():
            if self.find(kind):
                _converters.pop(kind, None)
                _primitive_texts.pop(id(kind), None)
            else:
                _converters[kind] = convert
                if kind in PRIMITIVE_TEXTS:
                    _primitive_texts[id(kind)] = PRIMITIVE_TEXTS[kind]
        self._writers = TypeCache()


registered_types = forks.register(_RegisteredTypes())
