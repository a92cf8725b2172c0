"""Parameter lists written out and compiled again."""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import sys
import traceback
import weakref

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit import instrument
from tracekit._instrument import compilation as compiling
from tracekit._instrument.compilation import Parameters
from tracekit.testing import capture_spans

KINDS = list(inspect._ParameterKind)


@st.composite
def signatures(draw):
    """Any parameter list that Python allows."""
    kinds = sorted(draw(st.lists(st.sampled_from(KINDS), max_size=6)))
    kinds = [k for i, k in enumerate(kinds) if k not in (2, 4) or k not in kinds[:i]]
    parameters, has_default = [], False
    for index, kind in enumerate(kinds):
        default = inspect.Parameter.empty
        if kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            must = has_default and kind < inspect.Parameter.VAR_POSITIONAL
            if must or draw(st.booleans()):
                default = index
                has_default = has_default or kind < inspect.Parameter.VAR_POSITIONAL
        parameters.append(inspect.Parameter(f"p{index}", kind, default=default))
    return inspect.Signature(parameters)


def function_of(signature):
    """A function with these parameters that gives back what they are bound to."""
    names = ", ".join(signature.parameters)
    namespace = {}
    exec(f"def work{signature}: return [{names}]", namespace)
    return namespace["work"]


def outcome(function, args, kwargs):
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        return str(error)


@given(
    signatures(),
    st.lists(st.integers(), max_size=5),
    st.dictionaries(st.sampled_from([f"p{n}" for n in range(7)]), st.integers(), max_size=4),
)
def test_a_decorated_function_behaves_as_the_undecorated_one(signature, args, kwargs):
    """Arguments, defaults and the texts of errors are the same."""
    function = function_of(signature)
    decorated = instrument(function)
    expected = outcome(function, args, kwargs)
    with capture_spans() as spans:
        assert expected == outcome(decorated, args, kwargs)
    assert (not isinstance(expected, str)) == (len(spans) == 1)


@given(signatures())
def test_a_parameter_list_keeps_names_kinds_and_defaults(signature):
    """The compiled function has the parameters of the original."""
    namespace = {}
    parameters = Parameters.of_signature(signature)
    exec(f"def made({parameters.declared}): pass", namespace)
    parameters.set_defaults(namespace["made"])
    assert signature == inspect.signature(namespace["made"])


@given(signatures())
def test_the_parameters_of_a_function_are_read_from_its_code(signature):
    """They have the names and kinds that `inspect` finds."""
    read = Parameters.of_function(function_of(signature))
    expected = Parameters.of_signature(signature)
    assert (expected.names, expected.kinds) == (read.names, read.kinds)


@pytest.mark.parametrize("name", ["_tk", "_tk_site", "_tk_function", "self", "print"])
def test_no_parameter_name_collides_with_the_wrapper(name):
    """The wrapper chooses other names for its own variables."""
    namespace = {}
    exec(f"def work(first, {name}=2): return {name}", namespace)
    with capture_spans() as spans:
        assert 5 == instrument(namespace["work"])(1, 5)
    assert {"first": 1, name: 5} == spans["work"].attributes


def test_a_module_may_shadow_builtins():
    """The wrapper runs in the module's globals but reads nothing from them."""
    namespace = {"Exception": None, "BaseException": None}
    exec("def work(a): return a", namespace)
    with capture_spans() as spans:
        assert 1 == instrument(namespace["work"])(1)
    assert 1 == len(spans)


def test_annotations_are_resolved_in_the_users_module():
    """Text annotations find the names of the module."""
    namespace = {"__name__": "users"}
    exec(
        "from __future__ import annotations\nclass Order: pass\ndef work(a: Order): pass",
        namespace,
    )
    import typing

    decorated = instrument(namespace["work"])
    assert decorated.__globals__ is namespace
    assert {"a": namespace["Order"]} == typing.get_type_hints(decorated)


@instrument
def failing(first, *rest, named=1):
    raise ValueError


@pytest.mark.parametrize(
    "locate",
    [
        inspect.getsourcefile,
        inspect.getfile,
        lambda function: function.__code__.co_filename,
        lambda function: inspect.getsourcefile(instrument(functools.partial(function)).__call__),
    ],
)
def test_a_wrapper_is_in_the_users_file(locate):
    """Frameworks and test runners say where a function is by the code of the wrapper."""
    assert __file__ == locate(failing)


def test_a_wrapper_is_at_the_line_of_its_function():
    """It is the line of the first decorator, as for the function itself."""
    assert failing.__wrapped__.__code__.co_firstlineno == failing.__code__.co_firstlineno


def test_the_wrappers_frame_shows_the_line_of_the_decorator(spans):
    """A traceback shows where the function is decorated, and marks no columns there."""
    with pytest.raises(ValueError) as caught:
        failing(1)
    wrapper = traceback.extract_tb(caught.value.__traceback__)[1]
    assert ("failing", __file__, "@instrument") == (wrapper.name, wrapper.filename, wrapper.line)
    text = "".join(traceback.format_exception(caught.value))
    assert "@instrument\n  File" in text


def test_functions_with_parameter_lists_of_one_form_share_the_compiled_code():
    """The instructions are the same object, or equal; the names are those of each function."""

    @instrument
    def one(a, /, b, *args, c, **kwargs):
        return a, b, args, c, kwargs

    compiled = dict(compiling._codes)

    @instrument
    def other(x, /, y, *z, key, **more):
        return x, y, z, key, more

    assert compiled == compiling._codes
    assert (1, 2, (3,), 4, {"d": 5}) == other(1, 2, 3, key=4, d=5)
    assert ("x", "y", "key", "z", "more") == other.__code__.co_varnames[:5]


def test_a_capture_is_compiled_by_the_first_recorded_call():
    """A function that is decorated and never recorded has none."""

    @instrument
    def work(only_here):
        return only_here

    before = dict(compiling._codes)
    with capture_spans() as spans:
        work(1)
    assert ["def capture(only_here):"] == [
        text.splitlines()[0] for text in compiling._codes if text not in before
    ]
    assert [("test_a_capture_is_compiled_by_the_first_recorded_call.work", {"only_here": 1})] == (
        spans
    )


# Before 3.11 it would cost time of every call that is filtered out.
ways = [True, False] if sys.version_info >= (3, 11) else [True]


@pytest.mark.parametrize("is_recorded", ways)
def test_an_argument_that_is_raised_again_is_not_kept_in_a_cycle(is_recorded):
    """A function that deletes the exception it raises leaves none in the wrapper's frame."""

    class FailureError(Exception):
        pass

    @instrument
    def reraise(error, *others, **named):
        try:
            raise error
        finally:
            del error, others, named

    gc.disable()
    try:
        with capture_spans(filter="info" if is_recorded else "off"):
            error = FailureError()
            reference = weakref.ref(error)
            with contextlib.suppress(FailureError):
                reraise(error, error, again=error)
            del error
        assert reference() is None
    finally:
        gc.enable()


def test_a_recreated_class_finds_the_cell_of_super(spans):
    """Attrs recreates a class to give it slots."""

    @attrs.define
    class Base:
        def work(self):
            return "base"

    @attrs.define
    class Service(Base):
        @instrument
        def work(self):
            return "service on " + super().work()

    assert "service on base" == Service().work()
    assert ["work"] == [one.name.rpartition(".")[2] for one in spans]


def test_compiled_sources_are_bounded(monkeypatch):
    """The oldest is dropped."""
    monkeypatch.setattr(compiling, "_MAX_CODES", 2)
    monkeypatch.setattr(compiling, "_codes", {})
    made = [compiling.compile_code(f"def f():\n    return {n}", ()) for n in range(4)]
    assert made[2:] == list(compiling._codes.values())
