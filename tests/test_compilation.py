"""Parameter lists written out and compiled again."""

from __future__ import annotations

import inspect
import linecache
import traceback

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
    exec(f"def made({Parameters.of(signature).declared}): pass", namespace)
    made = inspect.signature(namespace["made"]).parameters.values()
    original = signature.parameters.values()
    assert [(p.name, p.kind, p.default is p.empty) for p in original] == [
        (p.name, p.kind, p.default is p.empty) for p in made
    ]


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


def test_the_wrappers_frame_shows_its_source():
    """A traceback shows the source line of the wrapper."""

    @instrument
    def work():
        raise ValueError

    with pytest.raises(ValueError) as caught:
        work()
    wrapper = traceback.extract_tb(caught.value.__traceback__)[1]
    assert "work" == wrapper.name
    assert "_tk_function()" in wrapper.line


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


def test_decorating_repeatedly_does_not_fill_linecache():
    """The name of the span is not part of the key."""

    def work():
        pass

    instrument(work)
    before = len(linecache.cache)
    for n in range(20):
        instrument(f"job {n}")(work)
    assert before == len(linecache.cache)


def test_compiled_sources_are_bounded(monkeypatch):
    """The oldest is dropped with its lines, and its function still works."""
    monkeypatch.setattr(compiling, "_MAX_CODES", 2)
    monkeypatch.setattr(compiling, "_codes", {})
    made = [
        compiling.make_function(
            f"def f():\n    return {n}", name="f", closure={}, module_globals={}, title=f"<{n}>"
        )
        for n in range(4)
    ]
    assert [0, 1, 2, 3] == [one() for one in made]
    assert ["<2>", "<3>"] == [title for n in range(4) if (title := f"<{n}>") in linecache.cache]
