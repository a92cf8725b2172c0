"""The part of protobuf's wire format that OTLP needs.

A message is a sequence of fields, in any order. A field is a tag and a value; the tag is the
field's number and the type of its value. Strings, bytes and messages are preceded by their length.
"""

from __future__ import annotations

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
_DOUBLE: Final = Struct("<d")
_FIXED32_VALUE: Final = Struct("<I")


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


def int64(number: int) -> bytes:
    """Encode a signed number of 64 bits as a varint of its two's complement.

    Raises:
        OverflowError: The number has more bits.
    """
    # A subclass, such as an enumeration, may override `__index__`.
    exact = int.__index__(number)
    if not -1 << 63 <= exact < 1 << 63:
        raise OverflowError("an integer has more than 64 bits")
    return varint(exact & _MASK64)


def double(number: float) -> bytes:
    """Encode a floating-point number, with the sign of a zero and the bits of a NaN."""
    return _DOUBLE.pack(number)


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


def fixed64_tag(field: int) -> bytes:
    """Return the tag of a field whose value has eight bytes."""
    return varint(field << 3 | _FIXED64)


def fixed32(field: int, number: int) -> bytes:
    """Return a whole field whose value has four bytes."""
    return varint(field << 3 | _FIXED32) + _FIXED32_VALUE.pack(number)


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
