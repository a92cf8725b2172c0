"""Names of types, and a cache by type.

Types are recognised by name, never by comparison with a class. Nothing has to be imported to
recognise a type, and no metaclass of the program is asked to compare or to hash.
"""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

from tracekit._values.bounded_text import MAX_NAME

V = TypeVar("V")


def type_of(value: object) -> type:
    """Return the type of a value, whatever the value claims in `__class__`."""
    return type(value)


def package_of(kind: type) -> str:
    """Return the first segment of a type's module: `pandas` for `pandas.core.frame.DataFrame`."""
    return _module_of(kind).partition(".")[0]


def short_name(kind: type) -> str:
    """Return a type's `__name__`, which titles the text of its instances."""
    name: str = type.__getattribute__(kind, "__name__")
    return name[:MAX_NAME]


def lookup_name(kind: type) -> str:
    """Return the name of a type in tables, which is its package and name: `pandas.DataFrame`.

    The modules in between change from release to release.
    """
    return f"{package_of(kind)}.{short_name(kind)}"


def qualified_name(kind: type) -> str:
    """Return a type's full name: `int`, `shop.models.User`."""
    module, name = _module_of(kind), type.__getattribute__(kind, "__qualname__")
    return (name if module in {"", "builtins"} else f"{module}.{name}")[:MAX_NAME]


def kind_text(value: object) -> str:
    """Return the text of a value that must not be touched: `<_thread.lock>`."""
    return f"<{qualified_name(type(value))}>"


def _module_of(kind: type) -> str:
    # A class may replace its `__module__` by any object.
    module = type.__getattribute__(kind, "__module__")
    return module if type(module) is str else ""


class TypeCache(Generic[V]):
    """A cache by type that does not keep the types alive.

    A `WeakKeyDictionary` would hash the type, and a metaclass can make that raise. A cached value
    must not refer to its type.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[type], V]] = {}

    def get(self, kind: type) -> V | None:
        """Return what is cached for the type, or `None`."""
        entry = self._entries.get(id(kind))
        return entry[1] if entry is not None and entry[0]() is kind else None

    def put(self, kind: type, value: V) -> None:
        """Cache a value until the type is collected."""
        entries, key = self._entries, id(kind)
        entries[key] = weakref.ref(kind, lambda _: entries.pop(key, None)), value

    def __len__(self) -> int:
        return len(self._entries)
