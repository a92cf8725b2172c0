"""Protobuf's wire format as far as OTLP needs it, and attributes in it as OTLP's KeyValues.

A message is a sequence of fields, in any order. A field is a tag and a value; the tag is the
field's number and the type of its value. Strings, bytes and messages are preceded by their length.

A program has few names of attributes, and many values recur: the thread of a span, a table, a
method. So the encoded name is cached, and with it the first strings and integers under that name.

Values are encoded as OpenTelemetry's encoder does, with its order of precedence. None is an empty
value, as from 1.43 on; older releases leave the attribute out. An attribute without a form in OTLP
is left out alone, and logged once for each name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, Final

from tracekit._base.log import log_warning_once

_VARINT: Final = 0
_FIXED64: Final = 1
_DELIMITED: Final = 2
_FIXED32: Final = 5

_MASK64: Final = (1 << 64) - 1
_SHORT_VARINTS: Final = tuple(bytes((number,)) for number in range(128))
_CACHED_LENGTHS: Final = 2048
_pack_double: Final = Struct("<d").pack
_pack_fixed32: Final = Struct("<I").pack


def varint(number: int) -> bytes:
    """Encode a non-negative number, seven bits in each byte, the lowest bits first."""
    # Most numbers are short, and a loop takes longer than these cases.
    if number < 1 << 7:
        return _SHORT_VARINTS[number]
    if number < 1 << 14:
        return bytes((number & 127 | 128, number >> 7))
    if number < 1 << 21:
        return bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14))
    digits = bytearray()
    while number >= 1 << 7:
        digits.append(number & 127 | 128)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def utf8(text: Any) -> bytes:
    """Encode what protobuf accepts as a string: a `str`, bytes in UTF-8, or None as empty.

    A lone surrogate, which has no form in UTF-8, becomes a replacement character, and is logged
    once.

    Raises:
        TypeError: The value has another type.
        UnicodeDecodeError: The bytes are not UTF-8.
    """
    try:
        return str.encode(text)
    except UnicodeEncodeError as error:
        log_warning_once("lone surrogates", "lone surrogates in a string are replaced", error=error)
        units = str.encode(text, "utf-16", "surrogatepass")
        return units.decode("utf-16", "replace").encode()
    except TypeError:
        return _utf8_of_none_or_bytes(text)


def _utf8_of_none_or_bytes(text: Any) -> bytes:
    if text is None:
        return b""
    if not isinstance(text, bytes):
        raise TypeError(f"a {type(text).__name__} is not a string")
    text.decode()
    return text


def varint_tag(field: int) -> bytes:
    """Return the tag of a field whose value is a varint."""
    return varint(field << 3 | _VARINT)


def fixed32(field: int, number: int) -> bytes:
    """Return a whole field whose value has four bytes."""
    return varint(field << 3 | _FIXED32) + _pack_fixed32(number)


class Delimited(dict[int, bytes]):
    """The prefixes of a field with a length: `field[length]` is the tag and the encoded length.

    A dict, because its lookup is a single step of the interpreter. It caches the prefixes of short
    values.
    """

    __slots__ = ("_tag",)

    def __init__(self, field: int) -> None:
        super().__init__()
        self._tag = varint(field << 3 | _DELIMITED)

    def __missing__(self, length: int) -> bytes:
        prefix = self._tag + varint(length)
        if length < _CACHED_LENGTHS:
            self[length] = prefix
        return prefix

    def of(self, value: bytes) -> bytes:
        """Return the whole field with this value."""
        return self[len(value)] + value

    def unless_empty(self, value: bytes) -> bytes:
        """Return the whole field; empty for an empty value, which equals an absent field."""
        return self[len(value)] + value if value else b""


# KeyValue
_KEY: Final = Delimited(1)
_VALUE: Final = Delimited(2)
# AnyValue
_STRING: Final = Delimited(1)
_FALSE: Final = varint_tag(2) + b"\x00"
_TRUE: Final = varint_tag(2) + b"\x01"
_INT: Final = varint_tag(3)
_DOUBLE: Final = varint(4 << 3 | _FIXED64)
_ARRAY: Final = Delimited(5)
_MAPPING: Final = Delimited(6)
_BYTES: Final = Delimited(7)
# ArrayValue and KeyValueList
_ITEM: Final = Delimited(1)

# Readers refuse a whole batch with messages nested deeper than 100. The messages around the value
# of an event's attribute take six levels, a sequence takes two and a mapping three.
_DEEPEST: Final = 94
_MOST_NAMES: Final = 512
_MOST_VALUES: Final = 64
_LONGEST_KEPT: Final = 128


class Attributes(dict[Any, "_NamedValues"]):
    """The attributes of one kind, such as those of spans: by name, the encoder of its values.

    A dict, because its lookup is a single step of the interpreter.
    """

    __slots__ = ("_field",)

    def __init__(self, field: int) -> None:
        super().__init__()
        self._field = Delimited(field)

    def __missing__(self, key: Any) -> _NamedValues:
        named = _NamedValues(self._field, key)
        if len(self) >= _MOST_NAMES:
            # Names made at run time must not fill the memory.
            self.clear()
        if type(key) is str:
            self[key] = named
        return named

    def encode(self, attributes: Mapping[str, Any] | None) -> bytes:
        """Encode attributes, a whole field for each, except those that cannot be encoded."""
        if not attributes:
            return b""
        try:
            # The SDK's mapping copies itself to a dict, which is iterated over in C. A mapping
            # without a copy is encoded below.
            source: Any = attributes
            known: dict[str, Any] = source if type(source) is dict else source.copy()
            return b"".join(
                [
                    # Only these types are looked up: 1, 1.0 and True are equal as keys.
                    self[key][value]
                    if type(value) is str or type(value) is int
                    else self[key].of(value)
                    for key, value in known.items()
                ]
            )
        except Exception:
            return b"".join(self._encode_each(attributes))

    def _encode_each(self, attributes: Mapping[str, Any]) -> list[bytes]:
        fields: list[bytes] = []
        for key, value in attributes.items():
            try:
                fields.append(self[key].of(value))
            except Exception as error:
                text = "the attribute %r is left out of what is exported: %s"
                log_warning_once(("attribute", key), text, key, error, error=error)
        return fields


class _NamedValues(dict[Any, bytes]):
    """The encoder of the values under one name: a cache of strings and integers by value."""

    __slots__ = ("_field", "_key")

    def __init__(self, field: Delimited, key: Any) -> None:
        super().__init__()
        self._field = field
        self._key = _KEY.of(utf8(key))

    def __missing__(self, value: str | int) -> bytes:
        encoded = self.of(value)
        if len(self) < _MOST_VALUES and len(encoded) <= _LONGEST_KEPT:
            self[value] = encoded
        return encoded

    def of(self, value: Any) -> bytes:
        """Return the whole field with this value."""
        encoded = _encode_value(value)
        pair = self._key + _VALUE[len(encoded)] + encoded
        return self._field[len(pair)] + pair


def _encode_value(value: Any, room: int = _DEEPEST) -> bytes:
    """Encode an AnyValue.

    Args:
        value: Any object.
        room: How many levels of messages it may use.

    Raises:
        Exception: The value has no form in OTLP, or one of its methods raised this.
    """
    if isinstance(value, str):
        text = utf8(value)
        return _STRING[len(text)] + text
    if isinstance(value, int):
        return _encode_integer(value)
    if value is None:
        return b""
    if isinstance(value, float):
        return _DOUBLE + _pack_double(value)
    if isinstance(value, bytes):
        return _BYTES.of(value)
    return _encode_container(value, room)


def _encode_integer(value: int) -> bytes:
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    # A subclass, such as an enumeration, may override `__index__`.
    number = int.__index__(value)
    if not -1 << 63 <= number < 1 << 63:
        raise OverflowError("an integer has more than 64 bits")
    return _INT + varint(number & _MASK64)


def _encode_container(value: Any, room: int) -> bytes:
    if room <= 1:
        raise ValueError("the value is nested too deeply")
    if isinstance(value, Sequence):
        return _ARRAY.of(b"".join(_ITEM.of(_encode_value(item, room - 2)) for item in value))
    if isinstance(value, Mapping):
        pairs = value.items()
        return _MAPPING.of(b"".join(_encode_pair(str(key), item, room - 3) for key, item in pairs))
    raise TypeError(f"OTLP has no form for a {type(value).__name__}")


def _encode_pair(key: str, value: Any, room: int) -> bytes:
    return _ITEM.of(_KEY.of(utf8(key)) + _VALUE.of(_encode_value(value, room)))
