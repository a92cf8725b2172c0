"""Users register how values of their types are recorded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tracekit import describe
from tracekit._base.errors import InstrumentationError
from tracekit._values.attribute_values import to_attribute_value
from tracekit._values.bounded_text import MAX_STRING


class Money:
    def __init__(self, amount: int = 5) -> None:
        self.amount = amount


class Cents(Money):
    pass


class Both(dict):
    pass


@pytest.fixture
def register() -> Iterator[Any]:
    """`describe.register`, with registrations that end with the test."""
    registered = []

    def register_here(type_: Any, function: Any) -> Any:
        registered.append(type_)
        return describe.register(type_, function)

    yield register_here
    for type_ in set(registered):
        describe.unregister(type_)


def amount(money: Money) -> str:
    return f"{money.amount} EUR"


def test_decorator() -> None:
    """`register` as a decorator registers the function and returns it."""

    @describe.register(Money)
    def describe_money(money: Money) -> str:
        return f"{money.amount} EUR"

    try:
        assert "5 EUR" == to_attribute_value(Money()) == describe_money(Money())
    finally:
        describe.unregister(Money)


def test_function(register: Any) -> None:
    """`register` with a function registers the function and returns it."""
    assert amount is register(Money, amount)
    assert "5 EUR" == to_attribute_value(Money())


def test_later_than_first_use(register: Any) -> None:
    """A registration applies to types whose values were recorded before."""
    assert "Money(amount=5)" == to_attribute_value(Money())
    register(Money, amount)
    assert "5 EUR" == to_attribute_value(Money())
    describe.unregister(Money)
    assert "Money(amount=5)" == to_attribute_value(Money())
    register(Money, amount)


def test_subclasses(register: Any) -> None:
    """The nearest registered base of a subclass decides."""
    register(Money, amount)
    assert "5 EUR" == to_attribute_value(Cents())
    register(Cents, lambda cents: cents.amount)
    assert 5 == to_attribute_value(Cents())
    assert "5 EUR" == to_attribute_value(Money())


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (5, 5),
        (None, "None"),
        ([1, 2], (1, 2)),
        ({"password": "x"}, "{'password': [redacted]}"),
        ("x" * 5_000, "x" * MAX_STRING + "… +904 characters"),
        ("\ud800", "\\ud800"),
        (Cents(), "Cents(amount=5)"),
    ],
    ids=itertools.count(),
)
def test_result(register: Any, result: object, expected: object) -> None:
    """The function's result is recorded within the usual limits."""

    class Own:
        pass

    register(Own, lambda _: result)
    assert expected == to_attribute_value(Own())


def test_inside(register: Any) -> None:
    """A registration applies to values inside containers."""
    register(Money, amount)
    assert "[1, '5 EUR']" == to_attribute_value([1, Money()])


def test_failure(register: Any) -> None:
    """A failure of the function is recorded like a failing `__repr__`."""
    register(Money, lambda money: money.missing)
    assert "<Money, repr failed: AttributeError>" == to_attribute_value(Money())
    assert "[1, <Money, repr failed: AttributeError>]" == to_attribute_value([1, Money()])


@pytest.mark.parametrize(
    ("type_", "function", "value", "expected"),
    [
        (str, lambda text: text[:2], "hello", "he"),
        (str, str.upper, ["a", 1], "['A', 1]"),
        (str, str.upper, ["a", "b"], "['A', 'B']"),
        (float, lambda number: round(number, 1), 1.234, 1.2),
        (float, lambda number: round(number, 1), [1.234], "[1.2]"),
        (int, lambda number: -number, True, -1),
        (int, lambda number: -number, 2, -2),
        (list, lambda items: items[:2], [1, 2, 3], (1, 2)),
        (list, lambda items: items[:2], [[1], 2, 3], "[[1], 2]"),
        (dict, len, {"a": 1}, 1),
        (type(None), lambda _: "nothing", None, "nothing"),
        (Both, dict, Both(a=1), "{'a': 1}"),
        (Money, lambda money: money, Money(), "Money(amount=5)"),
        (Money, lambda money: [money], Money(), "[[[[…]]]]"),
    ],
    ids=itertools.count(),
)
def test_builtin_types(
    register: Any, type_: type, function: Any, value: object, expected: object
) -> None:
    """Builtin types can be registered, and a function may return a value of the same type."""
    register(type_, function)
    assert expected == to_attribute_value(value)


def test_unhashable_class(register: Any) -> None:
    """A class whose metaclass cannot hash can be registered."""

    class Meta(type):
        def __eq__(cls, other: object) -> bool:
            return NotImplemented

        __hash__ = None  # type: ignore[assignment]

    class Odd(metaclass=Meta):
        pass

    describe.register(Odd, lambda _: "odd")
    try:
        assert "odd" == to_attribute_value(Odd())
    finally:
        describe.unregister(Odd)


@pytest.mark.parametrize("wrong", ["Money", Money(), None, list[int]])
def test_no_type(wrong: Any) -> None:
    """A value that is not a class raises an error that shows it."""
    with pytest.raises(
        InstrumentationError, match=r"describe\.register\(.*\): this is not a class"
    ):
        describe.register(wrong, amount)


def test_object() -> None:
    """`object` is refused, because every value is an object."""
    with pytest.raises(InstrumentationError, match="expected a more specific class"):
        describe.register(object, repr)


def test_no_function() -> None:
    """A function that is not callable is refused, as an argument and as a decorated object."""
    for register in (lambda: describe.register(Money, 5), lambda: describe.register(Money)(5)):
        with pytest.raises(InstrumentationError, match=r"5.*is not callable"):
            register()


def test_unregister_unknown() -> None:
    """A type that is not registered cannot be unregistered."""
    with pytest.raises(InstrumentationError, match="nothing is registered"):
        describe.unregister(Money)
