"""Objects as text by their fields: `Name(field=value, …)`.

Fields are read from where instances keep them, the instance dictionary and slots, and never with
`getattr`, which may run properties, descriptors and lazy loads. A class with a `__repr__` of its
own is not described here, unless that `__repr__` was generated from the fields.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

from tracekit._values.bounds import MAX_ATTRIBUTES_SEEN, MAX_NESTED_STRING, MAX_TEXT, MAX_WIDTH
from tracekit._values.containers import dict_head, write_field
from tracekit._values.redaction import REDACTED, current_redaction
from tracekit._values.scalars import exception_message, owner_of
from tracekit._values.text import Text, Writer, cut
from tracekit._values.type_names import derives, kind_text, name_of, package_of, table_name, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Field = tuple[str, object]
_ABSENT = object()
_tuple: Any = tuple  # so that its methods have types that are known to the checker
_NAMESPACES = frozenset({"types.SimpleNamespace", "argparse.Namespace"})
# Their `__repr__` may load from a database, whoever wrote it.
_DATABASE_MODELS = frozenset({"django.Model", "peewee.Model"})
_PYDANTIC_HOOKS = ("__repr_args__", "__repr_str__", "__repr_name__")


def find_writer(kind: type) -> Writer | None:
    """How to write the instances of a type by their fields.

    Args:
        kind: The type.

    Returns:
        A writer that does not refer to the type, or `None` where the type declares no fields or
        has a `__repr__` that somebody wrote.
    """
    if is_database_model(kind):
        return _declared_writer(kind) or write_object
    if has_handwritten_repr(kind):
        return None
    return _declared_writer(kind)


def is_database_model(kind: type) -> bool:
    """Tell whether attributes of a type's instances may be loaded when they are read."""
    return _declares(kind, "_sa_class_manager") or not _DATABASE_MODELS.isdisjoint(
        map(table_name, kind.__mro__)
    )


def _declared_writer(kind: type) -> Writer | None:
    if derives(kind, tuple):
        return write_named_tuple if _declares(kind, "_fields") else None
    if _is_pydantic(kind):
        return partial(write_pydantic, hidden=_pydantic_hidden(kind))
    if _declares(kind, "__attrs_attrs__"):
        return write_attrs
    if _declares(kind, "__dataclass_fields__"):
        return partial(write_declared, names=_dataclass_names(kind))
    if not _NAMESPACES.isdisjoint(map(table_name, kind.__mro__)):
        return write_namespace
    return None


def has_handwritten_repr(kind: type) -> bool:
    """Tell whether somebody wrote the `__repr__` of a type: not `object`, not a generator."""
    owner = owner_of("__repr__", kind)
    if owner is object or table_name(owner) in _NAMESPACES or owner is tuple:
        return False
    if package_of(owner) == "pydantic":
        return _overrides_pydantic(kind)
    return not _is_generated(owner.__dict__["__repr__"])


def _is_generated(method: Any) -> bool:
    method = getattr(method, "__wrapped__", method)
    if getattr(method, "__module__", "") == "collections":
        return True  # of a named tuple
    file = getattr(getattr(method, "__code__", None), "co_filename", "")
    name = getattr(method, "__qualname__", "")
    return file.startswith("<attrs generated") or name.startswith("__create_fn__.")


def _declares(kind: type, name: str) -> bool:
    return any(name in base.__dict__ for base in kind.__mro__)


def _is_pydantic(kind: type) -> bool:
    return "pydantic.BaseModel" in map(table_name, kind.__mro__)


def _overrides_pydantic(kind: type) -> bool:
    own = [base for base in kind.__mro__ if package_of(base) != "pydantic"]
    return any(hook in base.__dict__ for hook in _PYDANTIC_HOOKS for base in own)


def _pydantic_hidden(kind: Any) -> frozenset[str]:
    # Of pydantic 2.10, 2.0 and 1; the last of them warns when asked for in a later release.
    names = ("__pydantic_fields__", "model_fields", "__fields__")
    fields: dict[str, Any] = next(getattr(kind, name) for name in names if hasattr(kind, name))
    infos = {name: getattr(field, "field_info", field) for name, field in fields.items()}
    return frozenset(name for name, info in infos.items() if getattr(info, "repr", True) is False)


def _dataclass_names(kind: type) -> tuple[str, ...]:
    import dataclasses  # the program has it already, since it has a dataclass

    return tuple(field.name for field in dataclasses.fields(kind) if field.repr)  # pyright: ignore[reportArgumentType] -- a dataclass, told by its fields


def write_declared(out: Text, value: object, *, names: Sequence[str]) -> None:
    """Write the fields of the given names that the instance has."""
    fields = _read(value, names[:MAX_WIDTH])
    _write_fields(out, value, fields, len(names) - len(names[:MAX_WIDTH]))


def write_named_tuple(out: Text, value: tuple[object, ...]) -> None:
    """Write a named tuple."""
    names = _class_attribute(type(value), "_fields")
    items: tuple[object, ...] = _tuple.__getitem__(value, slice(0, MAX_WIDTH))
    fields = list(zip(names, items, strict=False))
    _write_fields(out, value, fields, _tuple.__len__(value) - len(items))


def write_attrs(out: Text, value: object) -> None:
    """Write an instance of an attrs class, honouring `repr=False` and `repr=function`."""
    attributes = [a for a in _class_attribute(type(value), "__attrs_attrs__") if a.repr]
    shown = attributes[:MAX_WIDTH]
    formats = {a.name: a.repr for a in shown if a.repr is not True}
    fields = _read(value, [a.name for a in shown])
    writer = partial(_write_formatted, formats=formats)
    _write_fields(out, value, fields, len(attributes) - len(shown), writer)


def write_pydantic(out: Text, value: object, *, hidden: frozenset[str]) -> None:
    """Write a pydantic model from what it holds, validated or not."""
    extra: Any = _slot(value, "__pydantic_extra__")
    held = [*_entries(value), *(dict_head(extra) if type(extra) is dict else ())]
    _write_shown(out, value, [field for field in held if field[0] not in hidden])


def write_namespace(out: Text, value: object) -> None:
    """Write all attributes of a namespace."""
    _write_shown(out, value, _entries(value))


def write_object(out: Text, value: object) -> None:
    """Write the public attributes of any object, or its kind where it has none."""
    fields = [*_entries(value), *_read(value, _slot_names(type(value)))]
    public = [field for field in fields if not field[0].startswith("_")]
    if public:
        _write_shown(out, value, public, len(_instance_dict(value)) - MAX_ATTRIBUTES_SEEN)
    else:
        out.add(kind_text(value))


def write_partial(out: Text, value: Any) -> None:
    """Write a `functools.partial` with what it has bound."""
    out.add(f"{name_of(value)}(")
    out.items([value.func, *value.args[:MAX_WIDTH]], 1 + len(value.args))
    fields = dict_head(value.keywords)
    out.add(", " if fields else "")
    out.items(fields, len(value.keywords), write_field)
    out.add(")")


def write_exception(out: Text, error: BaseException) -> None:
    """Write `ValueError: bad input`, or the type alone where there is no message."""
    out.add(name_of(error))
    message: Any = exception_message(error)
    if not issubclass(type(message), str):
        out.add(": ")
        out.value(message)
    elif text := str.__str__(message):
        out.add(f": {cut(text, MAX_TEXT)}")


def _write_shown(out: Text, value: object, fields: Sequence[Field], unseen: int = 0) -> None:
    shown = fields[:MAX_WIDTH]
    _write_fields(out, value, shown, len(fields) - len(shown) + max(0, unseen))


def _write_fields(
    out: Text,
    value: object,
    fields: Sequence[Field],
    more: int,
    write: Callable[[Text, Field], None] = write_field,
) -> None:
    out.add(f"{name_of(value)}(")
    out.items(fields, len(fields) + more, write)
    out.add(")")


def _write_formatted(out: Text, field: Field, *, formats: dict[str, Any]) -> None:
    name, value = field
    if name not in formats:
        write_field(out, field)
    elif current_redaction().hides(name):
        out.add(f"{name}={REDACTED}")
    else:
        out.add(f"{name}={cut(str.__str__(formats[name](value)), MAX_NESTED_STRING)}")


def _read(value: object, names: Iterable[str]) -> list[Field]:
    held = _instance_dict(value)
    found = ((name, held.get(name, _ABSENT)) for name in names)
    both = ((name, _slot(value, name) if item is _ABSENT else item) for name, item in found)
    return [field for field in both if field[1] is not _ABSENT]


def _entries(value: object) -> list[Field]:
    held = _instance_dict(value)
    return [item for item in dict_head(held, MAX_ATTRIBUTES_SEEN) if type(item[0]) is str]


def _instance_dict(value: object) -> dict[str, object]:
    try:
        held: Any = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held if derives(type_of(held), dict) else {}


def _slot_names(kind: type) -> Iterator[str]:
    declared = (base for base in reversed(kind.__mro__) if "__slots__" in base.__dict__)
    members = (item for base in declared for item in base.__dict__.items())
    names = (name for name, member in members if type(member) is MemberDescriptorType)
    return islice(names, MAX_ATTRIBUTES_SEEN)


def _slot(value: object, name: str) -> object:
    for base in type(value).__mro__:
        member = base.__dict__.get(name)
        if type(member) is MemberDescriptorType:
            return _member(member, value)
    return _ABSENT


def _member(member: MemberDescriptorType, value: object) -> object:
    try:
        return member.__get__(value)
    except AttributeError:
        return _ABSENT


def _class_attribute(kind: type, name: str) -> Any:
    return next(base.__dict__[name] for base in kind.__mro__ if name in base.__dict__)
