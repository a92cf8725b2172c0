"""Decorated classes and descriptors."""

from __future__ import annotations

import functools
import inspect

import pytest

from tracekit import InstrumentationError, instrument


def test_a_class_is_decorated_in_place(spans):
    """Every function of the body has spans, except the methods that the interpreter calls."""

    @instrument(skip=["password"])
    class Account:
        def __init__(self, name):
            self.name = name

        def __repr__(self):
            return "Account()"

        def __eq__(self, other):
            return True

        __hash__ = None

        def login(self, password):
            return self.check(password)

        @staticmethod
        def check(password):
            return True

        @classmethod
        def guest(cls):
            return cls("guest")

        @property
        def label(self):
            return self.name

        @instrument("own name")
        def special(self):
            pass

    account = Account.guest()
    repr(account)
    account.login("x")
    account.label
    account.special()
    prefix = "test_a_class_is_decorated_in_place.Account."
    assert [
        "guest",
        "__init__",
        "login",
        "check",
        "label",
        "own name",
    ] == [one.name.removeprefix(prefix) for one in spans]
    assert all("password" not in one.attributes for one in spans)


def test_inherited_and_generated_functions_are_not_decorated(spans):
    """Only functions that the class body defines are decorated."""
    import dataclasses

    class Base:
        def inherited(self):
            pass

    @instrument
    @dataclasses.dataclass
    class Point(Base):
        x: int

        def work(self):
            pass

    Point(1).inherited()
    Point(1).work()
    assert 1 == len(spans)


def test_skip_names_the_parameters_of_a_method_with_a_signature_attribute(spans):
    """A name is looked up among the parameters that are bound."""

    @instrument(skip=["db"])
    class Service:
        def work(self, db, n):
            return n

        work.__signature__ = inspect.Signature()

    assert 2 == Service().work("db", 2)
    assert {"n": 2} == spans[0].attributes


def test_a_method_that_wraps_a_partial_or_a_builtin_is_not_decorated(spans):
    """The class body does not define the wrapped object."""

    class Service:
        @functools.wraps(functools.partial(int, "3"))
        def three(self):
            return 3

        @functools.wraps(len)
        def length(self):
            return 4

        def work(self):
            return 5

    service = instrument(Service)()
    assert 3 == service.three()
    assert 4 == service.length()
    assert 5 == service.work()
    assert ["work"] == [one.name.rpartition(".")[2] for one in spans if "work" in one.name]


def test_a_class_that_cannot_be_changed_stays_as_it_was():
    """The functions that were replaced first are put back."""

    class Sealed(type):
        def __setattr__(cls, name, value):
            if name == "second" and hasattr(value, "_tracekit_site"):
                raise TypeError("sealed")
            super().__setattr__(name, value)

    class Service(metaclass=Sealed):
        def first(self):
            pass

        def second(self):
            pass

    before = dict(vars(Service))
    with pytest.raises(InstrumentationError, match="TypeError: sealed"):
        instrument(Service)
    assert before == dict(vars(Service))


def test_descriptors_keep_their_attributes(spans):
    """The attributes of a class method and the state of a cached property are kept."""

    class Counting(functools.cached_property):
        def __init__(self, function, *, step):
            super().__init__(function)
            self.step = step

    method = classmethod(lambda cls: 1)
    method.marker = "kept"

    class Service:
        value = instrument("value")(Counting(lambda self: 3, step=2))

    assert "kept" == instrument(method).marker
    assert 2 == vars(Service)["value"].step
    assert 3 == Service().value
    assert ["value"] == spans
