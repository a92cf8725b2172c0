"""Attributes as OTLP's KeyValues.

The names of attributes are few, and many values come again: the thread of a span, a table, a
method. So what a name looks like on the wire is prepared once, and so are the first texts and
integers that come with it.

Values are those of OpenTelemetry's own encoder, in its order of precedence. None is an empty value,
as it is from 1.43 on; older releases leave the attribute out. What has no form in OTLP is left out
alone, and said once for each name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tracekit._base.log import log_warning_once
from tracekit._otlp.wire_format import Delimited, double, fixed64_tag, int64, utf8, varint_tag

# KeyValue
_KEY: Final = Delimited(1)
_VALUE: Final = Delimited(2)
# AnyValue
_STRING: Final = Delimited(1)
_FALSE: Final = varint_tag(2) + b"\x00"
_TRUE: Final = varint_tag(2) + b"\x01"
_INT: Final = varint_tag(3)
_DOUBLE: Final = fixed64_tag(4)
_ARRAY: Final = Delimited(5)
_MAPPING: Final = Delimited(6)
_BYTES: Final = Delimited(7)
# ArrayValue and KeyValueList
_ITEM: Final = Delimited(1)

# Readers refuse what is nested deeper than a hundred messages, and with it the whole batch. What is
# around the value of an event's attribute takes six of them, a sequence two and a mapping three.
_DEEPEST: Final = 94
_MOST_NAMES: Final = 512
_MOST_VALUES: Final = 64
_LONGEST_KEPT: Final = 128


class Attributes(dict[Any, "_Named"]):
    """A field that holds attributes, such as those of a span or of a resource."""

    __slots__ = ("_field",)

    def __init__(self, field: int) -> None:
        super().__init__()
        self._field = Delimited(field)

    def __missing__(self, key: Any) -> _Named:
        named = _Named(self._field, key)
        if len(self) >= _MOST_NAMES:
            # Names made up at run time must not take the memory for good.
            self.clear()
        if type(key) is str:
            self[key] = named
        return named

    def encode(self, attributes: Mapping[str, Any] | None) -> bytes:
        """Encode attributes, a whole field for each; without those that cannot be."""
        if not attributes:
            return b""
        try:
            # Its own copy is a dict, whose items come without a call of Python's for each.
            known = attributes if type(attributes) is dict else attributes.copy()  # type: ignore[attr-defined]  # or see below
            return b"".join(
                [
                    # Two of these are equal if they are the same, as 1, 1.0 and True are not.
                    self[key][value]
                    if type(value) is str or type(value) is int
                    else self[key].of(value)
                    for key, value in known.items()
                ]
            )
        except Exception:
            return b"".join(self._each_that_can(attributes))

    def _each_that_can(self, attributes: Mapping[str, Any]) -> list[bytes]:
        fields: list[bytes] = []
        for key, value in attributes.items():
            try:
                fields.append(self[key].of(value))
            except Exception as error:
                text = "the attribute %r is left out of what is exported: %s"
                log_warning_once(("attribute", key), text, key, error, error=error)
        return fields


class _Named(dict[Any, bytes]):
    """The attribute of a name, by its value: texts and integers that were encoded before."""

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
        """The whole field with this value."""
        encoded = encode_value(value)
        pair = self._key + _VALUE[len(encoded)] + encoded
        return self._field[len(pair)] + pair


def encode_value(value: Any, room: int = _DEEPEST) -> bytes:
    """Encode an AnyValue.

    Args:
        value: Whatever a user gave.
        room: How many messages may be nested in it.

    Raises:
        Exception: It has no form in OTLP, or its own methods raise this.
    """
    if isinstance(value, str):
        text = utf8(value)
        return _STRING[len(text)] + text
    if isinstance(value, int):
        return _encode_integer(value)
    if value is None:
        return b""
    if isinstance(value, float):
        return _DOUBLE + double(value)
    if isinstance(value, bytes):
        return _BYTES.of(value)
    return _encode_container(value, room)


def _encode_integer(value: int) -> bytes:
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    return _INT + int64(value)


def _encode_container(value: Any, room: int) -> bytes:
    if room <= 1:
        raise ValueError("the value is nested too deep")
    if isinstance(value, Sequence):
        return _ARRAY.of(b"".join(_ITEM.of(encode_value(item, room - 2)) for item in value))
    if isinstance(value, Mapping):
        pairs = value.items()
        return _MAPPING.of(b"".join(_encode_pair(str(key), item, room - 3) for key, item in pairs))
    raise TypeError(f"OTLP has no form for a {type(value).__name__}")


def _encode_pair(key: str, value: Any, room: int) -> bytes:
    return _ITEM.of(_KEY.of(utf8(key)) + _VALUE.of(encode_value(value, room)))
