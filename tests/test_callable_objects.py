"""Decorated callable objects."""

from __future__ import annotations

import copy
import functools
import pickle

import pytest

from tests import callables
from tracekit import instrument
from tracekit.testing import capture_spans


def test_a_decorated_callable_object_pickles_with_its_options():
    """The unpickled object is decorated in the same way."""
    import functools

    copy = pickle.loads(pickle.dumps(instrument("sum", skip_all=True)(functools.partial(sum, [1]))))
    assert isinstance(copy, functools.partial)
    with capture_spans() as spans:
        assert 1 == copy()
    assert spans == [("sum", {})]


class Adder:
    def __init__(self, n):
        self.n = n

    def __call__(self, m):
        return self.n + m


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_decorated_callable_object_can_be_copied(spans, copied):
    """The copy is a decorated copy of the object."""
    original = instrument("add")(Adder(1))
    made = copied({"f": original})["f"] if copied is copy.deepcopy else copied(original)
    made.n = 5
    assert 6 == made(1)
    assert 2 == original(1)
    assert ["add", "add"] == spans


def test_a_decorated_callable_object_is_pickled_without_options_that_cannot_be():
    """The unpickled object is not decorated."""
    decorated = instrument(fields={"x": lambda: 1})(functools.partial(callables.leave, "x"))
    assert "result" == pickle.loads(pickle.dumps(decorated))()


class EitherWay:
    """Binds to the class or to the instance, whatever it is looked up on."""

    def __init__(self, function):
        self.function = function
        self.name = None

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return functools.partial(self.function, owner if instance is None else instance)

    def __call__(self, *args):
        return self.function(*args)


def test_a_decorated_descriptor_binds_as_before(spans):
    """It binds to the class and to instances, and its `__set_name__` is called."""

    class Service:
        @instrument("work")
        @EitherWay
        def work(found, n):  # noqa: N805 - a class or an instance
            return found, n

    service = Service()
    assert (Service, 1) == Service.work(1)
    assert (service, 2) == service.work(n=2)
    assert "work" == vars(Service)["work"].name
    assert [{"n": 1}, {"n": 2}] == [one.attributes for one in spans]
