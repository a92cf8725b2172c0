"""Types by name: how a type is called, and what is remembered about it without keeping it alive.

Types are told apart by name and never by comparing with a class, so that nothing has to be
imported to recognise it, and no metaclass of the program is asked to compare or to hash.
"""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

from tracekit._values.bounds import MAX_NAME

V = TypeVar("V")


def module_of(kind: type) -> str:
    """The name of the module that a type was made in, or nothing where it does not say."""
    module = type.__getattribute__(kind, "__module__")
    return module if type(module) is str else ""


def package_of(kind: type) -> str:
    """The first segment of a type's module: `pandas` for `pandas.core.frame.DataFrame`."""
    return module_of(kind).partition(".")[0]


def short_name(kind: type) -> str:
    """A type's own name as it stands in the text of an instance."""
    name: str = type.__getattribute__(kind, "__name__")
    return name[:MAX_NAME]


def type_of(value: object) -> type:
    """What a value is, whatever it claims to be in `__class__`."""
    return type(value)


def name_of(value: object) -> str:
    """The own name of a value's type."""
    return short_name(type(value))


def derives(kind: type, *bases: type) -> bool:
    """Tell whether a type is one of the bases or a subclass of one.

    Unlike `isinstance` it does not ask the value for its `__class__`.
    """
    return issubclass(kind, bases)


def table_name(kind: type) -> str:
    """The name by which tables know a type: package and own name, `pandas.DataFrame`.

    The modules in between move from release to release.
    """
    return f"{package_of(kind)}.{short_name(kind)}"


def qualified_name(kind: type) -> str:
    """A type's full name: `int`, `shop.models.User`."""
    return _join(module_of(kind), type.__getattribute__(kind, "__qualname__"))


def _join(module: str, name: str) -> str:
    return (name if module in {"", "builtins"} else f"{module}.{name}")[:MAX_NAME]


def kind_text(value: object) -> str:
    """All that is recorded of a value that must not be touched: `<_thread.lock>`."""
    return f"<{qualified_name(type(value))}>"


class TypeCache(Generic[V]):
    """Something about each type, forgotten when the type is.

    A `WeakKeyDictionary` would hash the type, which a metaclass can make raise.
    What is kept must not refer to the type, or the type would live for ever.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[type], V]] = {}

    def get(self, kind: type) -> V | None:
        """What is kept about the type, or `None`."""
        entry = self._entries.get(id(kind))
        return entry[1] if entry is not None and entry[0]() is kind else None

    def put(self, kind: type, value: V) -> None:
        """Keep something about the type as long as it lives."""
        entries, key = self._entries, id(kind)
        entries[key] = weakref.ref(kind, lambda _: entries.pop(key, None)), value

    def __len__(self) -> int:
        return len(self._entries)
