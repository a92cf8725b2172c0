"""Mistakes in the options of `@instrument`, which fail at decoration."""

from __future__ import annotations

import pytest

from tracekit import InstrumentationError, instrument


def a_function(a, b):
    pass


REFUSED = [
    (lambda: instrument(skip=["c"])(a_function), "skip names 'c', which is not an argument"),
    (lambda: instrument(skip=["c"])(a_function), "it has 'a', 'b'"),
    (lambda: instrument(skip=["c"])(a_function), "tests.test_decoration_errors.a_function"),
    (lambda: instrument(skip=["a", "a"])(a_function), "skip names 'a' twice"),
    (lambda: instrument(skip=["a"], skip_all=True)(a_function), "exclude each other"),
    (lambda: instrument(skip=[1]), "skip: 1 is not the name of an argument"),
    (lambda: instrument(fields={"x": lambda c: c})(a_function), r"fields\['x'\] asks for 'c'"),
    (lambda: instrument(fields=["x"])(a_function), r"fields=\['x'\]: expected a mapping"),
    (lambda: instrument(fields={"": 1})(a_function), "fields: '' is not an attribute name"),
    (lambda: instrument(fields={"x": dict.fromkeys})(a_function), "fields"),
    (lambda: instrument(parent=lambda c: c)(a_function), "parent asks for 'c'"),
    (lambda: instrument(parent=7)(a_function), "parent=7: expected None, a span"),
    (lambda: instrument(links=[7])(a_function), r"links=\[7\]: expected links"),
    (lambda: instrument(links=lambda c: c)(a_function), "links asks for 'c'"),
    (lambda: instrument(level="loud")(a_function), "level='loud'.*TRACE, DEBUG"),
    (lambda: instrument(level="off")(a_function), "a span cannot be OFF"),
    (lambda: instrument(kind="outer")(a_function), "kind='outer' is not a span kind"),
    (lambda: instrument(err="loud")(a_function), "err='loud'"),
    (lambda: instrument(ret=1)(a_function), "ret=1: use True, False or a callable"),
    (lambda: instrument(expected=[1])(a_function), "expected: 1 is not an exception type"),
    (lambda: instrument("")(a_function), "name='' is not the name of a span"),
    (lambda: instrument(expected=KeyError()), r"expected: KeyError\(\) is not an exception type"),
    (lambda: instrument(expected="KeyError"), "expected: 'KeyError' is not an exception type"),
    (lambda: instrument(target=3), "target=3 is not a target"),
    (lambda: instrument(7), "an object of type int cannot be decorated"),
    (lambda: instrument([a_function]), "an object of type list cannot be decorated"),
    (lambda: instrument("x")(type("Empty", (), {})), "name='x' would be the name of every"),
    (lambda: instrument(type("Empty", (), {})), "defines no function"),
    (lambda: instrument(int), "defines no function"),
    (lambda: instrument(skip=["a"])(dict.__new__), "not an argument"),
]


@pytest.mark.parametrize(("decorate", "message"), REFUSED)
def test_a_mistake_raises_at_decoration(decorate, message):
    """The error names the option, its value and a valid value."""
    with pytest.raises(InstrumentationError, match=message):
        decorate()


def test_an_async_generator_has_no_result():
    """`ret=True` is a mistake."""

    async def steps():
        yield 1

    with pytest.raises(InstrumentationError, match="an async generator has no result"):
        instrument(ret=True)(steps)


def test_an_instrumentation_error_is_a_type_error():
    """Python users expect a `TypeError` for a wrong argument."""
    assert issubclass(InstrumentationError, TypeError)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: instrument(skip="typo")(property(lambda self: 1)), "skip names 'typo'"),
        (lambda: instrument(skip=5), "skip=5: expected the names of arguments"),
    ],
)
def test_a_wrong_skip_raises(make, message):
    """An unknown name on a property and a value without names are mistakes."""
    with pytest.raises(InstrumentationError, match=message):
        make()
