"""Protocol buffers on the wire, as far as OTLP needs them.

A message is a row of fields, in any order. A field is a tag, which is its number with the way its
value is written, and the value. Texts, bytes and messages are preceded by their length.
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
_PREPARED_LENGTHS: Final = 2048
_DOUBLE: Final = Struct("<d")
_FIXED32_VALUE: Final = Struct("<I")


def varint(number: int) -> bytes:
    """Write a number that is not negative, seven bits a byte, the lowest first."""
    # Most numbers are short, and a loop takes longer than to write one digit after the other.
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
    """Write a signed number of 64 bits, as a varint of its two's complement.

    Raises:
        OverflowError: It has more bits.
    """
    # An enumeration's member may say of itself that it is something else.
    exact = int.__index__(number)
    if not -1 << 63 <= exact < 1 << 63:
        raise OverflowError("an integer has more than 64 bits")
    return varint(exact & _MASK64)


def double(number: float) -> bytes:
    """Write a floating-point number, whichever kind of zero or NaN it is."""
    return _DOUBLE.pack(number)


def utf8(text: Any) -> bytes:
    """Write what protocol buffers take for a text: a `str`, bytes that are one, or None for none.

    A lone surrogate, which has no form in UTF-8, becomes a replacement character, and is said once.

    Raises:
        TypeError: It is something else.
        UnicodeDecodeError: The bytes are no text.
    """
    try:
        return str.encode(text)
    except UnicodeEncodeError as error:
        log_warning_once("lone surrogates", "lone surrogates in a text are replaced", error=error)
        units = str.encode(text, "utf-16", "surrogatepass")
        return units.decode("utf-16", "replace").encode()
    except TypeError:
        return _utf8_of_none_or_bytes(text)


def _utf8_of_none_or_bytes(text: Any) -> bytes:
    if text is None:
        return b""
    if not isinstance(text, bytes):
        raise TypeError(f"a {type(text).__name__} is no text")
    text.decode()
    return text


def varint_tag(field: int) -> bytes:
    """The tag of a field whose value is a varint."""
    return varint(field << 3 | _VARINT)


def fixed64_tag(field: int) -> bytes:
    """The tag of a field whose value has eight bytes."""
    return varint(field << 3 | _FIXED64)


def fixed32(field: int, number: int) -> bytes:
    """A whole field of four bytes."""
    return varint(field << 3 | _FIXED32) + _FIXED32_VALUE.pack(number)


class Delimited(dict[int, bytes]):
    """A field of known length: `field[length]` is what stands before that many bytes of value.

    What stands before short values is prepared once and kept.
    """

    __slots__ = ("_tag",)

    def __init__(self, field: int) -> None:
        super().__init__()
        self._tag = varint(field << 3 | _DELIMITED)

    def __missing__(self, length: int) -> bytes:
        before = self._tag + varint(length)
        if length < _PREPARED_LENGTHS:
            self[length] = before
        return before

    def of(self, value: bytes) -> bytes:
        """The whole field with this value."""
        return self[len(value)] + value

    def unless_empty(self, value: bytes) -> bytes:
        """The whole field, or nothing for an empty value where that is what its absence means."""
        return self[len(value)] + value if value else b""
