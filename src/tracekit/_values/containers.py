"""Builtin containers and mappings as text: the first items of each and how many more there are.

Items are read by the methods of the builtin classes, never by overridden ones, and all at once
before the first is written, since what is written may run code that changes the container.
"""

from __future__ import annotations

from collections import ChainMap, OrderedDict, deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from tracekit._values.bounds import MAX_NAME, MAX_WIDTH
from tracekit._values.redaction import REDACTED, current_redaction
from tracekit._values.text import Text, Writer, head
from tracekit._values.type_names import derives, name_of, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Pair = tuple[object, object]
# By these names the methods of the builtin classes have types that are known to the checker.
_list: Any = list
_tuple: Any = tuple
_set: Any = set
_frozenset: Any = frozenset
_deque: Any = deque
_dict: Any = dict
_ordered_dict: Any = OrderedDict


def dict_head(value: Any, width: int = MAX_WIDTH) -> list[tuple[Any, object]]:
    """The first items of a dict or an instance of a subclass."""
    return head(lambda: _dict.items(value), width)


def write_list(out: Text, value: list[object]) -> None:
    """Write a list or an instance of a subclass."""
    items = _list.__getitem__(value, slice(0, MAX_WIDTH))
    _write_items(out, _brackets(value, list, "[]"), items, _list.__len__(value))


def write_tuple(out: Text, value: tuple[object, ...]) -> None:
    """Write a tuple or an instance of a subclass that names no fields."""
    total = _tuple.__len__(value)
    brackets = _brackets(value, tuple, ("(", ",)") if total == 1 else "()")
    _write_items(out, brackets, _tuple.__getitem__(value, slice(0, MAX_WIDTH)), total)


def write_set(out: Text, value: set[object]) -> None:
    """Write a set or an instance of a subclass."""
    items = head(lambda: _set.__iter__(value))
    total = _set.__len__(value)
    _write_items(out, _brackets(value, set, "{}" if total else ("set(", ")")), items, total)


def write_frozenset(out: Text, value: frozenset[object]) -> None:
    """Write a frozenset or an instance of a subclass."""
    items = head(lambda: _frozenset.__iter__(value))
    total = _frozenset.__len__(value)
    _write_items(out, _titled(value, "{}" if total else ("", "")), items, total)


def write_deque(out: Text, value: deque[object]) -> None:
    """Write a deque or an instance of a subclass."""
    items = head(lambda: _deque.__iter__(value))
    _write_items(out, _titled(value, "[]"), items, _deque.__len__(value))


def write_view(out: Text, value: Any) -> None:
    """Write the keys or the values of a dictionary."""
    _write_items(out, _titled(value, "[]"), head(lambda: iter(value)), len(value))


def write_user_list(out: Text, value: Any) -> None:
    """Write a `collections.UserList` by the list inside."""
    out.add(f"{name_of(value)}(")
    out.value(value.data)
    out.add(")")


def write_dict(out: Text, value: dict[object, object]) -> None:
    """Write a dict or an instance of a subclass."""
    _write_pairs(out, _brackets(value, dict, "{}"), dict_head(value), _dict.__len__(value))


def write_ordered_dict(out: Text, value: OrderedDict[object, object]) -> None:
    """Write an ordered dict, whose order is not that of the dict below it."""
    pairs = head(lambda: _ordered_dict.items(value))
    _write_pairs(out, _titled(value, "{}"), pairs, _dict.__len__(value))


def write_items_view(out: Text, value: Any) -> None:
    """Write the items of a dictionary."""
    _write_pairs(out, _titled(value, "{}"), head(lambda: iter(value)), len(value))


def write_mapping(out: Text, value: Mapping[object, object]) -> None:
    """Write any other mapping by the first of its `items()`."""
    pairs = head(lambda: iter(value.items()))
    _write_pairs(out, _titled(value, "{}"), pairs, len(value))


def write_chain_map(out: Text, value: ChainMap[object, object]) -> None:
    """Write a chain of mappings by its links: iterating it would merge them all."""
    out.add(f"{name_of(value)}(")
    out.items(value.maps[:MAX_WIDTH], len(value.maps))
    out.add(")")


def write_pair(out: Text, pair: Pair) -> None:
    """Write a key and its value, or that the value is redacted."""
    key, value = pair
    out.value(key)
    out.add(": ")
    if hides_key(key):
        out.add(REDACTED)
    else:
        out.value(value)


def write_field(out: Text, field: tuple[str, object]) -> None:
    """Write `name=value`, or that the value is redacted."""
    name, value = field
    out.add(f"{name[:MAX_NAME]}=")
    if current_redaction().hides(name):
        out.add(REDACTED)
    else:
        out.value(value)


def hides_key(key: object) -> bool:
    """Tell whether the values under a key of any type are redacted."""
    policy = current_redaction()
    if type(key) is str:
        return policy.hides(key)
    return policy.enabled and any(map(policy.hides, _names_of_key(key)))


def _names_of_key(key: Any) -> Iterable[str]:
    kind = type_of(key)
    if derives(kind, str):
        yield str.__str__(key)
    if kind is bytes:
        yield (key[:MAX_NAME] + b" " + key[-MAX_NAME:]).decode("latin-1")
    if kind is tuple:
        yield from (name for part in key[:MAX_WIDTH] for name in _names_of_key(part))
    if derives(kind, Enum):
        yield str(key._name_)


def _brackets(value: object, builtin: type, brackets: str | tuple[str, str]) -> tuple[str, str]:
    if type(value) is builtin:
        return brackets[0], brackets[1]
    return _titled(value, brackets)


def _titled(value: object, brackets: str | tuple[str, str]) -> tuple[str, str]:
    return f"{name_of(value)}({brackets[0]}", f"{brackets[1]})"


def _write_items(out: Text, brackets: tuple[str, str], items: Any, total: int) -> None:
    out.add(brackets[0])
    out.items(items, total)
    out.add(brackets[1])


def _write_pairs(out: Text, brackets: tuple[str, str], pairs: Any, total: int) -> None:
    out.add(brackets[0])
    out.items(pairs, total, write_pair)
    out.add(brackets[1])


WRITERS: dict[str, Writer] = {
    "builtins.list": write_list,
    "builtins.tuple": write_tuple,
    "builtins.set": write_set,
    "builtins.frozenset": write_frozenset,
    "builtins.dict": write_dict,
    "builtins.dict_keys": write_view,
    "builtins.dict_values": write_view,
    "builtins.dict_items": write_items_view,
    "builtins.odict_keys": write_view,
    "builtins.odict_values": write_view,
    "builtins.odict_items": write_items_view,
    "builtins.mappingproxy": write_mapping,
    "collections.OrderedDict": write_ordered_dict,
    "collections.ChainMap": write_chain_map,
    "collections.UserList": write_user_list,
    "collections.deque": write_deque,
}
"""How each builtin container is written, by the table name of its class."""
