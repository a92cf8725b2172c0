"""Writers of objects by their fields: `Name(field=value, …)`.

Fields are read from the instance dictionary and from slots. They are never read with `getattr`,
which may run properties, descriptors and lazy loads. A class with a handwritten `__repr__` is not
written by its fields, but one whose `__repr__` was generated from the fields is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from types import MemberDescriptorType
from typing import Any

from tracekit._values.bounded_text import (
    MAX_ATTRIBUTES_SEEN,
    MAX_NESTED_STRING,
    MAX_TEXT,
    MAX_WIDTH,
    BoundedText,
    Writer,
    cut,
)
from tracekit._values.containers import dict_head, write_field, write_titled
from tracekit._values.redaction import REDACTED, current_redaction
from tracekit._values.single_values import owner_of
from tracekit._values.type_names import kind_text, lookup_name, package_of, short_name, type_of

Field = tuple[str, object]
_ABSENT = object()
_NAMESPACES = frozenset({"types.SimpleNamespace", "argparse.Namespace"})
_DATABASE_MODELS = frozenset({"django.Model", "peewee.Model"})
_PYDANTIC_HOOKS = ("__repr_args__", "__repr_str__", "__repr_name__")


def fields_writer(kind: type) -> Writer | None:
    """Return the writer of a type's instances by their fields.

    It does not refer to the type. It is `None` if the type declares no fields or has a handwritten
    `__repr__`.
    """
    # Even a handwritten `__repr__` of these may load from a database.
    if _declares(kind, "_sa_class_manager") or _is_any_of(kind, _DATABASE_MODELS):
        return _declared_writer(kind) or write_object
    return None if has_handwritten_repr(kind) else _declared_writer(kind)


def has_handwritten_repr(kind: type) -> bool:
    """Whether a type's `__repr__` is neither that of `object` nor a generated one."""
    owner = owner_of("__repr__", kind)
    if owner is object or owner is tuple or lookup_name(owner) in _NAMESPACES:
        return False
    if package_of(owner) == "pydantic":
        return _overrides_pydantic(kind)
    return not _is_generated(owner.__dict__["__repr__"])


def _declared_writer(kind: Any) -> Writer | None:
    if issubclass(kind, tuple):
        return _write_named_tuple if _declares(kind, "_fields") else None
    if _is_any_of(kind, {"pydantic.BaseModel"}):
        return partial(_write_pydantic, hidden=_pydantic_hidden(kind))
    if _declares(kind, "__attrs_attrs__"):
        return _write_attrs
    if _declares(kind, "__dataclass_fields__"):
        import dataclasses  # already imported by the program, which has a dataclass

        names = tuple(field.name for field in dataclasses.fields(kind) if field.repr)
        return partial(_write_dataclass, names=names)
    return _write_namespace if _is_any_of(kind, _NAMESPACES) else None


def _declares(kind: type, name: str) -> bool:
    return any(name in base.__dict__ for base in kind.__mro__)


def _is_any_of(kind: type, names: set[str] | frozenset[str]) -> bool:
    return not names.isdisjoint(map(lookup_name, kind.__mro__))


def _is_generated(method: Any) -> bool:
    method = getattr(method, "__wrapped__", method)
    if getattr(method, "__module__", "") == "collections":
        return True  # the method of a named tuple
    file = getattr(getattr(method, "__code__", None), "co_filename", "")
    name = getattr(method, "__qualname__", "")
    return file.startswith("<attrs generated") or name.startswith("__create_fn__.")


def _overrides_pydantic(kind: type) -> bool:
    own = [base for base in kind.__mro__ if package_of(base) != "pydantic"]
    return any(hook in base.__dict__ for hook in _PYDANTIC_HOOKS for base in own)


def _pydantic_hidden(kind: Any) -> frozenset[str]:
    # The names in pydantic 2.10, 2.0 and 1; later releases warn when the last one is read.
    names = ("__pydantic_fields__", "model_fields", "__fields__")
    fields: dict[str, Any] = next(getattr(kind, name) for name in names if hasattr(kind, name))
    infos = {name: getattr(field, "field_info", field) for name, field in fields.items()}
    return frozenset(name for name, info in infos.items() if getattr(info, "repr", True) is False)


def _write_dataclass(out: BoundedText, value: object, *, names: Sequence[str]) -> None:
    _write_fields(out, value, _read(value, names[:MAX_WIDTH]), len(names) - MAX_WIDTH)


def _write_named_tuple(out: BoundedText, value: tuple[object, ...]) -> None:
    items = list(islice(tuple.__iter__(value), MAX_WIDTH))
    fields = list(zip(_class_attribute(type(value), "_fields"), items, strict=False))
    _write_fields(out, value, fields, tuple.__len__(value) - MAX_WIDTH)


def _write_attrs(out: BoundedText, value: object) -> None:
    attributes = [a for a in _class_attribute(type(value), "__attrs_attrs__") if a.repr]
    fields = _read(value, [a.name for a in attributes[:MAX_WIDTH]])
    formats = {a.name: a.repr for a in attributes if a.repr is not True}
    write = partial(_write_formatted, formats=formats)
    _write_fields(out, value, fields, len(attributes) - MAX_WIDTH, write)


def _write_formatted(out: BoundedText, field: Field, *, formats: dict[str, Any]) -> None:
    name, value = field
    if name not in formats:
        write_field(out, field)
    elif current_redaction().hides(name):
        out.add(f"{name}={REDACTED}")
    else:
        out.add(f"{name}={cut(str.__str__(formats[name](value)), MAX_NESTED_STRING)}")


def _write_pydantic(out: BoundedText, value: object, *, hidden: frozenset[str]) -> None:
    extra: Any = _slot(value, "__pydantic_extra__")
    held = [*_entries(value), *(dict_head(extra) if type(extra) is dict else ())]
    _write_fields(out, value, [field for field in held if field[0] not in hidden])


def _write_namespace(out: BoundedText, value: object) -> None:
    _write_fields(out, value, _entries(value))


def write_object(out: BoundedText, value: object) -> None:
    """Write the public attributes of any object, or its kind if it has none."""
    fields = [*_entries(value), *_read(value, _slot_names(type(value)))]
    public = [field for field in fields if not field[0].startswith("_")]
    if public:
        _write_fields(out, value, public, len(_instance_dict(value)) - MAX_ATTRIBUTES_SEEN)
    else:
        out.add(kind_text(value))


def write_partial(out: BoundedText, value: Any) -> None:
    """Write a `functools.partial` with its function and arguments."""
    out.add(f"{short_name(type(value))}(")
    out.add_items([value.func, *value.args[:MAX_WIDTH]], 1 + len(value.args))
    fields = dict_head(value.keywords)
    out.add(", " if fields else "")
    out.add_items(fields, len(value.keywords), write_field)
    out.add(")")


def write_exception(out: BoundedText, error: BaseException) -> None:
    """Write `ValueError: bad input`, or the type alone if there is no message."""
    out.add(short_name(type(error)))
    message = _exception_message(error)
    if not issubclass(type_of(message), str):
        out.add(": ")
        out.add_value(message)
    elif text := str.__str__(message):
        out.add(f": {cut(text, MAX_TEXT)}")


def _exception_message(error: BaseException) -> Any:
    """Return the text of a handwritten `__str__`, else the only argument or the tuple of all.

    `BaseException.__str__` would write all arguments to their end.
    """
    if owner_of("__str__", type(error)) is not BaseException:
        return str.__str__(str(error))
    args: tuple[object, ...] = BaseException.__dict__["args"].__get__(error)
    return args[0] if len(args) == 1 else args or ""


def _write_fields(
    out: BoundedText,
    value: object,
    fields: Sequence[Field],
    unread: int = 0,
    write: Callable[[BoundedText, Field], None] = write_field,
) -> None:
    write_titled(out, value, fields[:MAX_WIDTH], len(fields) + max(0, unread), write)


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
    return held if issubclass(type_of(held), dict) else {}


def _slot_names(kind: type) -> Iterator[str]:
    declared = (base for base in reversed(kind.__mro__) if "__slots__" in base.__dict__)
    members = (item for base in declared for item in base.__dict__.items())
    names = (name for name, member in members if type(member) is MemberDescriptorType)
    return islice(names, MAX_ATTRIBUTES_SEEN)


def _slot(value: object, name: str) -> object:
    for base in type(value).__mro__:
        member = base.__dict__.get(name)
        if type(member) is MemberDescriptorType:
            try:
                return member.__get__(value)
            except AttributeError:
                return _ABSENT
    return _ABSENT


def _class_attribute(kind: type, name: str) -> Any:
    return next(base.__dict__[name] for base in kind.__mro__ if name in base.__dict__)
