"""While nothing is recorded, a wrapper runs the function's own code."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import traceback

import pytest

import tracekit
from tests.pages import ROOT
from tracekit import exporters, instrument
from tracekit._instrument.function_site import FunctionSite
from tracekit._recording.span_lifecycle import SpanCallSite

steps_aside = pytest.mark.skipif(
    sys.version_info < (3, 13),
    reason="the function would find the wrapper's names in locals()",
)

pytestmark = pytest.mark.usefixtures("global_telemetry")


def plain(a, b=2, /, *args, c, d=4, **kwargs):
    """A function of every kind of parameter."""
    return a, b, args, c, d, kwargs


def generated(n):
    yield from range(n)


async def awaited(n):
    return n


async def generated_in_steps(n):
    for number in range(n):
        yield number


def run(function):
    """What a call of any of these gives."""
    if function.__name__ == "plain":
        return function(1, 5, 6, c=3, e=7)
    result = function(3)
    if function.__name__ == "generated":
        return list(result)

    async def collect():
        if function.__name__ == "awaited":
            return await result
        return [number async for number in result]

    return asyncio.run(collect())


FUNCTIONS = [plain, generated, awaited, generated_in_steps]


@steps_aside
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__name__)
def test_a_disabled_wrapper_runs_the_functions_code(function):
    """It does so from one call to the next, and the results are the same."""
    decorated = instrument(level="debug")(function)
    exporter = exporters.memory()
    with tracekit.init_telemetry("t", exporter=exporter, filter="debug") as telemetry:
        through = decorated.__code__
        expected = run(function)
        for directives, spans in (("debug", 1), ("info", 1), ("off", 1), ("debug", 2)):
            telemetry.set_filter(directives)
            assert expected == run(decorated)
            assert spans == len(exporter.spans)
            assert (directives == "debug") == (decorated.__code__ is through)
    assert function.__code__.co_code == _past(function, decorated).co_code


def _past(function, decorated):
    with tracekit.init_telemetry("t", exporter="none", filter="off"):
        return decorated.__code__


@steps_aside
def test_a_disabled_wrapper_is_not_in_the_traceback():
    """The traceback has only the frame of the function."""

    def fail():
        raise LookupError("gone")

    decorated = instrument(fail)
    with tracekit.init_telemetry("t", exporter="none", filter="off"):
        with pytest.raises(LookupError) as caught:
            decorated()
    assert ["test_a_disabled_wrapper_is_not_in_the_traceback", "fail"] == [
        frame.name for frame in traceback.extract_tb(caught.tb)
    ]


@steps_aside
def test_the_filter_may_change_while_a_function_is_decorated(monkeypatch):
    """The wrapper follows the last filter."""
    with tracekit.init_telemetry("t", exporter="none", filter="off") as telemetry:

        class Changing(FunctionSite):
            @property
            def disabled(self):
                disabled = SpanCallSite.disabled.__get__(self)
                if not disabled or self._bypass is None or changed:
                    return disabled
                changed.append(threading.Thread(target=telemetry.set_filter, args=("info",)))
                changed[0].start()
                changed[0].join()
                return disabled

            @disabled.setter
            def disabled(self, disabled):
                SpanCallSite.disabled.__set__(self, disabled)

        changed = []
        monkeypatch.setattr("tracekit._instrument.function_site.FunctionSite", Changing)
        decorated = instrument(level="info")(generated)
        monkeypatch.undo()
        assert 1 == len(changed)
        assert generated.__code__.co_code != decorated.__code__.co_code


def shown(a, b=2):
    """What a function finds among its locals, in all the ways to look at them."""
    c = [name for name in dir() if name != "c"]
    return dict(locals()), dict(sys._getframe().f_locals), eval("dir()"), c


def shown_around(a):
    """The same where a function within has one of them in a cell."""

    def look():
        return a

    return sorted(locals()), look()


def shown_in_steps(a):
    """The same in a generator."""
    yield sorted(locals())
    yield sorted(sys._getframe().f_locals)


@pytest.mark.parametrize("directives", ["off", "info"])
@pytest.mark.parametrize("function", [shown, shown_around, shown_in_steps])
def test_a_function_finds_its_own_locals(function, directives):
    """No name of the wrapper is among them, whether the call is recorded or not."""
    decorated = instrument(function)
    with tracekit.init_telemetry("t", exporter="none", filter=directives):
        assert list(function(1)) == list(decorated(1))


def test_a_function_with_free_names_is_called_by_the_wrapper():
    """Its code cannot run with the closure of the wrapper."""
    free = 5

    def add(x):
        return x + free

    decorated = instrument(add)
    with tracekit.init_telemetry("t", exporter="none", filter="off"):
        assert 7 == decorated(2)
        assert decorated.__code__.co_code != add.__code__.co_code


def test_defaults_and_errors_of_a_disabled_wrapper():
    """Defaults are filled in, and a wrong call fails with the function's own text."""

    def add(x, y=1):
        return x + y

    decorated = instrument(add)
    with tracekit.init_telemetry("t", exporter="none", filter="off"):
        assert 3 == decorated(2)
        assert "missing 1 required positional argument: 'x'" == _refusal(add)
        assert _refusal(add) == _refusal(decorated)


def _refusal(function):
    with pytest.raises(TypeError) as caught:
        function()
    return str(caught.value).partition(") ")[2]


def test_a_call_site_does_not_keep_its_wrapper_alive():
    """The wrapper is collected."""
    import gc
    import weakref

    def work():
        pass

    decorated = instrument(work)
    reference = weakref.ref(decorated)
    del decorated
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("way", ["hot", "threads", "debugger", "monitoring", "measured"])
def test_results_are_the_same_while_the_filter_changes(way):
    """They are in specialised code, under threads, and under tools that look at frames."""
    if way == "monitoring" and sys.version_info < (3, 12):
        pytest.skip("sys.monitoring is new in Python 3.12")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.bypass_program", way],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
