"""Objects are recorded by their fields, which are read without running their code."""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import subprocess
import sys
import types
from collections import ChainMap, UserDict, UserList, namedtuple
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import attrs
import pydantic
import pydantic.v1
import pytest

from tracekit._values.attribute_values import to_attribute_value
from tracekit._values.bounded_text import MAX_TEXT


class Unreadable:
    def __repr__(self) -> str:
        raise AssertionError


@dataclass
class Order:
    number: int
    items: list[str] = field(default_factory=list)
    blob: Any = field(default_factory=Unreadable, repr=False)
    kind: ClassVar[str] = "order"


@dataclass(frozen=True)
class Slotted:
    __slots__ = ("inner", "token")
    inner: Any
    token: str


@dataclass
class Inherited(Order):
    extra: int = 0


@dataclass
class OwnRepr:
    x: int = 1

    def __repr__(self) -> str:
        return "mine"


class OwnReprBelow(Order):
    def __repr__(self) -> str:
        return "mine below"


@dataclass(repr=False)
class NoRepr:
    x: int = 1
    y: int = field(default=2, repr=False)


@attrs.define
class Attrs:
    number: int
    secret: str = "x"
    masked: str = attrs.field(default="abcdef", repr=lambda text: text[:2] + "*")
    hidden: Any = attrs.field(factory=Unreadable, repr=False)


@attrs.define(slots=False)
class AttrsOwnRepr:
    x: int = 1

    def __repr__(self) -> str:
        return "mine"


@attrs.define
class AttrsFailing:
    x: int = attrs.field(default=1, repr=lambda _: 1 / 0)


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    number: int = 1
    api_key: str = "x"
    password_hint: pydantic.SecretStr = pydantic.SecretStr("x")
    masked: pydantic.SecretStr = pydantic.SecretStr("x")
    hidden: str = pydantic.Field(default="x", repr=False)

    @pydantic.computed_field
    def costly(self) -> int:
        raise AssertionError


class Empty(pydantic.BaseModel):
    pass


class ModelOwnRepr(pydantic.BaseModel):
    def __repr__(self) -> str:
        return "mine"


class ModelOwnArgs(pydantic.BaseModel):
    x: int = 1

    def __repr_args__(self) -> Any:
        return [("x", "masked")]


class Root(pydantic.RootModel[list[int]]):
    pass


@pydantic.dataclasses.dataclass
class PydanticData:
    x: int = 1
    hidden: str = pydantic.Field(default="x", repr=False)


Point = namedtuple("Point", ["x", "y"])


class Login(NamedTuple):
    user: str
    password: str


class NamedOwnRepr(NamedTuple):
    x: int

    def __repr__(self) -> str:
        return "mine"


def without_init(kind: Any) -> Any:
    return object.__new__(kind)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Order(1, ["a"]), "Order(number=1, items=['a'])"),
        (Inherited(1), "Inherited(number=1, items=[], extra=0)"),
        (
            Slotted({"password": 1}, "x"),
            "Slotted(inner={'password': [redacted]}, token=[redacted])",
        ),
        (without_init(Order), "Order()"),
        (without_init(Slotted), "Slotted()"),
        (OwnRepr(), "mine"),
        (OwnReprBelow(1), "mine below"),
        (NoRepr(), "NoRepr(x=1)"),
        (Attrs(1), "Attrs(number=1, secret=[redacted], masked=ab*)"),
        (AttrsOwnRepr(), "mine"),
        (AttrsFailing(), "<AttrsFailing, repr failed: ZeroDivisionError>"),
        (
            Model(more=1),
            "Model(number=1, api_key=[redacted], password_hint=[redacted], "
            "masked=SecretStr('**********'), more=1)",
        ),
        (Empty(), "Empty()"),
        (ModelOwnRepr(), "mine"),
        (ModelOwnArgs(), "ModelOwnArgs(x='masked')"),
        (Root([1]), "Root(root=[1])"),
        (PydanticData(), "PydanticData(x=1)"),
        (Point(1, "a"), "Point(x=1, y='a')"),
        (Login("ada", "x"), "Login(user='ada', password=[redacted])"),
        (NamedOwnRepr(1), "mine"),
        (types.SimpleNamespace(a=1, _b=2, token=3), "SimpleNamespace(a=1, _b=2, token=[redacted])"),
        (argparse.Namespace(a=1), "Namespace(a=1)"),
        ([Order(1), Point(1, 2)], "[Order(number=1, items=[]), Point(x=1, y=2)]"),
    ],
    ids=itertools.count(),
)
def test_declared_fields(value: object, expected: str) -> None:
    """Declared fields are written unless they are hidden or the class has its own `__repr__`."""
    assert expected == to_attribute_value(value)


def test_pydantic_v1() -> None:
    """Models of pydantic 1 are written like those of pydantic 2."""
    if sys.version_info >= (3, 14):
        pytest.skip("pydantic 1 does not run there")

    class Old(pydantic.v1.BaseModel):
        number: int = 1
        hidden: str = pydantic.v1.Field(default="x", repr=False)
        secret: str = "x"

    assert "Old(number=1, secret=[redacted])" == to_attribute_value(Old())


@dataclass
class Wide:
    a: Any
    b: Any = 1
    c: Any = 1
    d: Any = 1
    e: Any = 1
    f: Any = 1
    g: Any = 1
    h: Any = 1
    i: Any = 1
    j: Any = 1
    k: Any = 1
    l: Any = 1  # noqa: E741 -- the twelfth


@pytest.mark.parametrize("make", [Order, Attrs, lambda items: Model(more=items)])
def test_huge_fields(make: Any) -> None:
    """A field with 200,000 items is not written by a generated `__repr__`."""
    text = str(to_attribute_value(make([Unreadable] * 5 + ["x"] * 200_000)))
    assert "… +199,995 more" in text


def test_many_fields() -> None:
    """The first of many fields are written."""
    assert (
        "Wide(a=[0], b=1, c=1, d=1, e=1, f=1, g=1, h=1, i=1, j=1, … +2 more)"
        == to_attribute_value(Wide([0]))
    )


def test_many_attributes() -> None:
    """The first attributes of an object with 200,000 are read."""

    class Plain:
        pass

    plain = Plain()
    vars(plain).update({f"a{number}": number for number in range(200_000)})
    text = str(to_attribute_value(plain))
    assert text.startswith("Plain(a0=0, a1=1, ")
    assert text.endswith(", a9=9, … +199,990 more)")


class Plain:
    def __init__(self) -> None:
        self.name = "ada"
        self.password = "x"
        self._private = "x"
        vars(self)[3] = "not a name"

    @property
    def costly(self) -> Any:
        raise AssertionError

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


class WithSlots:
    __slots__ = ("_b", "a", "unset")

    def __init__(self) -> None:
        self.a, self._b = 1, 2


class OnlyPrivate:
    def __init__(self) -> None:
        self._x = 1


class Lazy:
    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Plain(), "Plain(name='ada', password=[redacted])"),
        (WithSlots(), "WithSlots(a=1)"),
        (OnlyPrivate(), f"<{__name__}.OnlyPrivate>"),
        (Lazy(), f"<{__name__}.Lazy>"),
        (object(), "<object>"),
        ([object()], "[<object>]"),
    ],
    ids=itertools.count(),
)
def test_plain_objects(value: object, expected: str) -> None:
    """An object without a `__repr__` is recorded by its public attributes, or by its kind."""
    assert expected == to_attribute_value(value)


def a_function() -> None:
    """Nothing."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            functools.partial(a_function, 1, [2], token="x", a=3),
            f"partial({__name__}.a_function, 1, [2], token=[redacted], a=3)",
        ),
        (functools.partial(a_function), f"partial({__name__}.a_function)"),
        (os.stat_result(range(10)), "os.stat_result(st_mode=0, st_ino=1, "),
        ({"a": 1}.keys(), "dict_keys(['a'])"),
        ({"a": 1}.values(), "dict_values([1])"),
        (ChainMap({"a": 1}, {"token": 2}), "ChainMap({'a': 1}, {'token': [redacted]})"),
        (UserDict(a=1), "UserDict({'a': 1})"),
        (UserList([1]), "UserList([1])"),
        (types.MappingProxyType({"password": 1}), "mappingproxy({'password': [redacted]})"),
        (list[int], "list[int]"),
    ],
    ids=itertools.count(),
)
def test_library_objects(value: object, expected: str) -> None:
    """Objects of the standard library are recorded by their content."""
    assert expected == str(to_attribute_value(value))[: len(expected)]


class Bag(dict):
    """A dict whose every method fails."""

    def items(self) -> Any:
        raise AssertionError

    __iter__ = __len__ = __getitem__ = __repr__ = keys = values = items


class Row(list):
    """A list whose every method fails."""

    def __iter__(self) -> Any:
        raise AssertionError

    __len__ = __getitem__ = __repr__ = __iter__


def test_overridden_methods() -> None:
    """Methods that a subclass of a container overrides do not run."""
    assert "Bag({'a': 1})" == to_attribute_value(Bag(a=1))
    assert "Row([1, 2])" == to_attribute_value(Row([1, 2]))


def test_order_of_an_ordered_dict() -> None:
    """An ordered dict is written in its own order."""
    from collections import OrderedDict

    value = OrderedDict(a=1, b=2)
    value.move_to_end("a")
    assert "OrderedDict({'b': 2, 'a': 1})" == to_attribute_value(value)


class Headers(Mapping[str, str]):
    def __init__(self, size: int) -> None:
        self.size = size
        self.read = 0

    def __getitem__(self, key: str) -> str:
        self.read += 1
        return "x"

    def __iter__(self) -> Any:
        return (f"Cookie-{number}" for number in range(self.size))

    def __len__(self) -> int:
        return self.size


def test_mappings() -> None:
    """The first items of any mapping are read, and their keys decide about redaction."""
    headers = Headers(200_000)
    text = str(to_attribute_value(headers))
    assert text.startswith("Headers({'Cookie-0': [redacted], 'Cookie-1': [redacted], ")
    assert text.endswith(", … +199,990 more})")
    assert 10 == headers.read


def test_virtual_mappings() -> None:
    """A class that is registered as a `Mapping` is read as a mapping."""

    class Registered:
        def items(self) -> Any:
            return {"a": 1}.items()

        def __len__(self) -> int:
            return 1

    Mapping.register(Registered)
    assert "Registered({'a': 1})" == to_attribute_value(Registered())


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is read as a mapping, and its passwords are redacted."""
    monkeypatch.setattr(
        os,
        "environ",
        type(os.environ)(
            {b"HOME": b"/root", b"DB_PASSWORD": b"hunter2"},
            os.environ.encodekey,
            os.environ.decodekey,
            os.environ.encodevalue,
            os.environ.decodevalue,
        ),
    )
    assert "_Environ({'HOME': '/root', 'DB_PASSWORD': [redacted]})" == to_attribute_value(
        os.environ
    )


def foreign(module: str, name: str, **namespace: Any) -> Any:
    """Return a class with the module and name of another package's class."""
    return type(name, (), {"__module__": module, **namespace})


def test_sqlalchemy_instance() -> None:
    """The loaded attributes of a mapped instance are written, without its `__repr__`."""
    namespace = {"_sa_class_manager": object(), "__repr__": Unreadable.__repr__}
    user = foreign("app.models", "User", **namespace)()
    vars(user).update(_sa_instance_state=object(), id=1, password="x")
    assert "User(id=1, password=[redacted])" == to_attribute_value(user)


def test_django_instance() -> None:
    """The loaded attributes of a Django model are written, without its `__repr__`."""
    base = foreign("django.db.models.base", "Model", __repr__=Unreadable.__repr__)
    user = type("User", (base,), {"__module__": "app.models"})()
    vars(user).update(_state=object(), id=1)
    assert "User(id=1)" == to_attribute_value(user)


SCRIPT = """
import dataclasses
from tracekit._values.attribute_values import to_attribute_value

@dataclasses.dataclass
class Generated:
    x: int = 1

@dataclasses.dataclass
class Written:
    x: int = 1
    def __repr__(self):
        return "mine"

print(to_attribute_value(Generated()), to_attribute_value(Written()))
"""


def test_reprs_in_a_script_on_the_command_line() -> None:
    """A handwritten `__repr__` differs from a generated one where neither has a file."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert "Generated(x=1) mine\n" == done.stdout


def test_long_type_names() -> None:
    """The name of a class is cut."""
    long_named = type("A" * 100_000, (), {})
    assert len(str(to_attribute_value(long_named()))) <= MAX_TEXT
    assert len(str(to_attribute_value(long_named))) <= MAX_TEXT
