"""What a decorated function keeps of the function itself."""

from __future__ import annotations

import inspect
import pickle
import traceback

import cloudpickle
import pytest

from tests import callables
from tracekit import instrument
from tracekit.testing import capture_spans


def top_level(a: int, /, b: str = "x", *args: int, c: float, **kwargs: bool) -> list[int]:
    """Its documentation."""
    return [a, *args]


decorated_top_level = top_level


top_level = instrument(top_level)


def test_a_decorated_function_keeps_its_identity():
    """Name, documentation, signature, annotations, defaults and module are the same."""
    original = top_level.__wrapped__
    assert original is decorated_top_level
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__"):
        assert getattr(original, name) == getattr(top_level, name)
    assert original.__defaults__ is top_level.__defaults__
    assert original.__kwdefaults__ is top_level.__kwdefaults__
    assert inspect.signature(original) == inspect.signature(top_level)
    assert original.__globals__ is top_level.__globals__


@pytest.mark.parametrize(
    "predicate",
    [
        inspect.isfunction,
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    ],
)
def test_a_decorated_function_keeps_its_kind(predicate):
    """The predicates of `inspect` return the same as for the undecorated function."""
    from tests.callables import async_generator, coroutine, generator, plain

    for function in (plain, coroutine, generator, async_generator):
        assert predicate(function) == predicate(instrument(function))


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((1,), {}),
        ((1, 2, 3), {}),
        ((), {"a": 1, "c": 2}),
        ((1,), {"c": 2, "b": 3, "d": 4}),
        ((1, 2), {"b": 3, "c": 4}),
    ],
)
def test_a_wrong_call_raises_the_same_type_error(args, kwargs):
    """The text is that of the undecorated function."""

    def work(a, /, b=2, *, c):
        pass

    with pytest.raises(TypeError) as undecorated:
        if args == (1,) and kwargs.get("d"):
            work(*args, **kwargs)
        else:
            work(*args, **{**kwargs, "surplus": 1})
    with capture_spans(), pytest.raises(TypeError) as decorated:
        if args == (1,) and kwargs.get("d"):
            instrument(work)(*args, **kwargs)
        else:
            instrument(work)(*args, **{**kwargs, "surplus": 1})
    assert str(undecorated.value) == str(decorated.value)


def exhaust_coroutine(function):
    callables.step(function("raises"))


def exhaust_async_generator(function):
    async def exhaust():
        async for _ in function("raises"):
            pass

    callables.step(exhaust())


@pytest.mark.parametrize(
    ("function", "run"),
    [
        (callables.plain, lambda function: function("raises")),
        (callables.coroutine, exhaust_coroutine),
        (callables.generator, lambda function: list(function("raises"))),
        (callables.async_generator, exhaust_async_generator),
    ],
)
def test_a_traceback_has_one_frame_more(function, run):
    """Decorating adds a single frame, and its source line is available."""

    def frames(subject):
        with pytest.raises(ValueError, match="boom") as caught:
            run(subject)
        return traceback.extract_tb(caught.value.__traceback__)

    with capture_spans():
        decorated = frames(instrument(function))
    assert len(frames(function)) + 1 == len(decorated)
    assert all(frame.line for frame in decorated)


def test_a_decorated_function_is_pickled_by_name():
    """Unpickling returns the decorated function of the module."""
    assert pickle.loads(pickle.dumps(top_level)) is top_level


def test_a_decorated_function_of_main_is_pickled_by_value(tmp_path, run_python):
    """Cloudpickle pickles it with its options."""
    script = f"""
import cloudpickle
from tracekit import instrument

SCALE = 3

@instrument("scaled", skip=["secret_key"], fields={{"twice": lambda n: 2 * n}}, ret=True)
def scaled(n, secret_key):
    return SCALE * n

with open({str(tmp_path / "function")!r}, "wb") as file:
    cloudpickle.dump(scaled, file)
"""
    run_python(script)
    function = cloudpickle.loads((tmp_path / "function").read_bytes())
    with capture_spans() as spans:
        assert 21 == function(7, object())
    assert spans == [("scaled", {"n": 7, "twice": 14, "return": 21})]


def test_a_signature_attribute_does_not_change_calls(spans):
    """Arguments are bound as the function binds them, and the signature attribute is kept."""

    def injected(x, *, extra=1, **rest):
        return x, extra, rest

    shown = inspect.Signature([inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)])
    injected.__signature__ = shown
    decorated = instrument("work")(injected)
    assert (1, 2, {"y": 3}) == decorated(1, extra=2, y=3)
    assert shown == inspect.signature(decorated)
    assert {"x": 1, "extra": 2, "rest": "{'y': 3}"} == spans["work"].attributes
