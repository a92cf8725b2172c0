"""Writers of builtin containers and mappings: the first items, and the number of the others.

Items are read by the methods of the builtin classes, never by overridden ones. All items are read
before the first is written, because writing may run code that changes the container.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from tracekit._values.bounded_text import MAX_NAME, MAX_WIDTH, BoundedText, Writer, head
from tracekit._values.redaction import REDACTED, current_redaction
from tracekit._values.type_names import short_name, type_of

# Declared as `Any`, because the element types of the builtin methods are unknown.
_dict: Any = dict


def dict_head(value: Any, width: int = MAX_WIDTH) -> list[tuple[Any, object]]:
    """Return the first items of a dict or an instance of a subclass."""
    return head(_dict.items, value, width)


def write_pair(out: BoundedText, pair: tuple[object, object]) -> None:
    """Write a key and its value, which may be redacted."""
    key, value = pair
    out.add_value(key)
    out.add(": ")
    if _hides_key(key):
        out.add(REDACTED)
    else:
        out.add_value(value)


def write_field(out: BoundedText, field: tuple[str, object]) -> None:
    """Write `name=value`, where the value may be redacted."""
    name, value = field
    out.add(f"{name[:MAX_NAME]}=")
    if current_redaction().hides(name):
        out.add(REDACTED)
    else:
        out.add_value(value)


def _hides_key(key: object) -> bool:
    redaction = current_redaction()
    if type(key) is str:
        return redaction.hides(key)
    return redaction.enabled and any(map(redaction.hides, _names_of_key(key)))


def _names_of_key(key: Any) -> Iterable[str]:
    kind = type_of(key)
    if issubclass(kind, str):
        yield str.__str__(key)
    if kind is bytes:
        yield (key[:MAX_NAME] + b" " + key[-MAX_NAME:]).decode("latin-1")
    if kind is tuple:
        yield from (name for part in key[:MAX_WIDTH] for name in _names_of_key(part))
    if issubclass(kind, Enum):
        yield str(key._name_)


def write_titled(
    out: BoundedText, value: object, items: Any, total: int, write_item: Any = None
) -> None:
    """Write items between parentheses, after the name of a value's type."""
    out.add(f"{short_name(type(value))}(")
    out.add_items(items, total, write_item)
    out.add(")")


def _writer(
    opening: str,
    closing: str,
    iterate: Callable[[Any], Iterable[Any]] = iter,
    length: Callable[[Any], int] = len,
    *,
    untitled: type | None = None,
    empty: tuple[str, str] | None = None,
    write_item: Callable[[BoundedText, Any], None] | None = None,
) -> Writer:
    """Return a writer of containers.

    The name of the type stands before the brackets, unless it is `untitled`. `empty` replaces the
    brackets of an empty container.
    """

    def write(out: BoundedText, value: Any) -> None:
        items, total = head(iterate, value), length(value)
        before, after = (opening, closing) if total or empty is None else empty
        if untitled is tuple and total == 1:
            after = ",)"
        if type(value) is not untitled:
            before, after = f"{short_name(type(value))}({before}", f"{after})"
        out.add(before)
        out.add_items(items, total, write_item)
        out.add(after)

    return write


def _write_chain_map(out: BoundedText, value: Any) -> None:
    # Iterating the chain would merge all its mappings.
    write_titled(out, value, value.maps[:MAX_WIDTH], len(value.maps))


_view = _writer("[", "]")
_items_view = _writer("{", "}", write_item=write_pair)
mapping_writer = _writer("{", "}", lambda mapping: mapping.items(), write_item=write_pair)
"""Writes any mapping by the first of its `items()`."""

WRITERS: dict[str, Writer] = {
    "builtins.list": _writer("[", "]", list.__iter__, list.__len__, untitled=list),
    "builtins.tuple": _writer("(", ")", tuple.__iter__, tuple.__len__, untitled=tuple),
    "builtins.set": _writer("{", "}", set.__iter__, set.__len__, untitled=set, empty=("set(", ")")),
    "builtins.frozenset": _writer("{", "}", frozenset.__iter__, frozenset.__len__, empty=("", "")),
    "builtins.dict": _writer(
        "{", "}", _dict.items, dict.__len__, untitled=dict, write_item=write_pair
    ),
    "builtins.dict_keys": _view,
    "builtins.dict_values": _view,
    "builtins.dict_items": _items_view,
    "builtins.odict_keys": _view,
    "builtins.odict_values": _view,
    "builtins.odict_items": _items_view,
    "builtins.mappingproxy": mapping_writer,
    # Its order differs from that of the dict below it.
    "collections.OrderedDict": _writer(
        "{", "}", OrderedDict.items, dict.__len__, write_item=write_pair
    ),
    "collections.ChainMap": _write_chain_map,
    "collections.UserList": lambda out, value: write_titled(out, value, [value.data], 1),
    "collections.deque": _writer("[", "]", deque.__iter__, deque.__len__),
}
"""The writer of each builtin container, by lookup name."""
