"""`preserve_context`: a callable that runs in the context in which it was wrapped."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import gc
import inspect
import operator
import pickle
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import pytest
from opentelemetry import trace

import tracekit
from tests.pages import ROOT
from tests.tasks import NOTHING, fail, observe, observe_later, observe_steps, submitter
from tracekit import preserve_context, record, span

colour: contextvars.ContextVar[object] = contextvars.ContextVar("colour", default=None)
PICKLERS = [pickle, cloudpickle]


class Painter:
    """A class with methods."""

    def paint(self, wall: str, *, coats: int = 1) -> tuple[str, int, object]:
        """Paint a wall."""
        return wall, coats, colour.get()

    def __call__(self) -> object:
        return colour.get()


@pytest.fixture
def red():
    """Return a context in which the colour is red."""
    context = contextvars.copy_context()
    context.run(colour.set, "red")
    return context


CALLABLES = {
    "function": (lambda: colour.get(), (), "red"),
    "bound method": (Painter().paint, ("north",), ("north", 1, "red")),
    "partial": (functools.partial(Painter().paint, coats=2), ("south",), ("south", 2, "red")),
    "partial of a partial": (
        functools.partial(functools.partial(Painter().paint, "east"), coats=3),
        (),
        ("east", 3, "red"),
    ),
    "callable object": (Painter(), (), "red"),
    "builtin": (colour.get, (), "red"),
    "class": (list, ("ab",), ["a", "b"]),
    "operator": (operator.itemgetter(1), ("ab",), "b"),
}


@pytest.mark.parametrize(("func", "args", "expected"), CALLABLES.values(), ids=CALLABLES)
def test_every_callable_runs_in_the_context(red, func, args, expected):
    """It sees the context variables at the time of the wrapping."""
    preserved = red.run(preserve_context, func)
    assert expected == preserved(*args)
    assert expected == functools.partial(preserved, *args)()
    assert None is colour.get()


def test_the_callable_has_the_metadata_of_the_function():
    """Name, documentation, module and signature."""
    preserved = preserve_context(Painter.paint)
    assert "paint" == preserved.__name__
    assert "Painter.paint" == preserved.__qualname__
    assert "Paint a wall." == preserved.__doc__
    assert __name__ == preserved.__module__
    assert inspect.signature(Painter.paint) == inspect.signature(preserved)
    assert f"preserve_context({Painter.paint!r})" == repr(preserved)


def test_a_wrong_call_has_the_functions_own_error():
    """The same `TypeError` as the bare function."""
    painter = Painter()
    with pytest.raises(TypeError) as bare:
        painter.paint()  # type: ignore[call-arg]
    with pytest.raises(TypeError) as ours:
        preserve_context(painter.paint)()  # type: ignore[call-arg]
    assert str(bare.value) == str(ours.value)


def test_keyword_arguments_of_any_name_reach_the_function():
    """No parameter name is taken."""
    names = {"self": 1, "func": 2, "function": 3, "args": 4}
    assert names == preserve_context(dict)(**names)


@pytest.mark.parametrize("nothing", [None, 7, "print", classmethod(print)])
def test_an_object_that_is_not_callable_is_refused(nothing):
    """At once, with an error that shows it."""
    with pytest.raises(tracekit.InstrumentationError, match="expected a callable"):
        preserve_context(nothing)


def test_the_span_itself_is_current_in_a_thread(spans):
    """Attributes that are recorded there are on this span."""
    with span("upload"):
        thread = threading.Thread(target=preserve_context(record), kwargs={"tiles": 4})
        thread.start()
        thread.join()
    assert spans == [("upload", {"tiles": 4})]


def test_a_call_does_not_change_the_snapshot(red):
    """Its changes are not visible to the next call or to the caller."""

    def paint(new):
        before = colour.get()
        colour.set(new)
        return before

    preserved = red.run(preserve_context, paint)
    assert ["red", "red"] == [preserved("green"), preserved("blue")]
    assert None is colour.get()


def test_the_callable_is_reentrant(red):
    """A call may call the same callable again."""

    def count(n):
        return [colour.get()] if n == 0 else [colour.get(), *preserved(n - 1)]

    preserved = red.run(preserve_context, count)
    assert ["red"] * 4 == preserved(3)


def test_many_threads_can_call_at_once(red):
    """No call waits for another."""
    barrier = threading.Barrier(8, timeout=20)

    def meet():
        barrier.wait()
        return colour.get()

    preserved = red.run(preserve_context, meet)
    with ThreadPoolExecutor(8) as pool:
        assert ["red"] * 8 == [one.result() for one in [pool.submit(preserved) for _ in range(8)]]


def test_the_inner_context_takes_precedence(red):
    """A callable that was wrapped before keeps its own context."""
    first = red.run(preserve_context, colour.get)
    assert "red" == preserve_context(first)()


def test_the_context_is_collected_with_the_callable():
    """And so is the function."""

    def call():
        return None

    value = Painter()
    context = contextvars.copy_context()
    context.run(colour.set, value)
    preserved = context.run(preserve_context, call)
    preserved()
    gone = [weakref.ref(value), weakref.ref(call), weakref.ref(preserved)]
    del value, call, context, preserved
    gc.collect()
    assert [None] * 3 == [one() for one in gone]


def test_a_method_binds_like_the_function(red):
    """As an attribute of a class."""

    class Wall:
        paint = red.run(preserve_context, lambda self: (self, colour.get()))
        count = preserve_context(len)

    wall = Wall()
    assert (wall, "red") == wall.paint()
    assert 3 == wall.count("abc")


def test_a_copy_has_the_context(red):
    """`copy` returns the same object, `deepcopy` copies the function."""
    painter = Painter()
    preserved = red.run(preserve_context, painter.paint)
    assert preserved is copy.copy(preserved)
    assert ("north", 1, "red") == copy.deepcopy(preserved)("north")
    assert painter is not copy.deepcopy(preserved).__wrapped__.__self__


def test_a_coroutine_function_runs_in_the_context(red):
    """At every step. The awaiting task keeps its own context."""

    async def paint():
        before = colour.get()
        await asyncio.sleep(0)
        return before, colour.get(), await asyncio.create_task(child())

    async def child():
        return colour.get()

    async def main():
        return await preserved(), colour.get(), await asyncio.create_task(preserved())

    preserved = red.run(preserve_context, paint)
    assert inspect.iscoroutinefunction(preserved)
    reds = ("red", "red", "red")
    assert (reds, None, reds) == asyncio.run(main())
    assert reds == asyncio.run(preserved())


def test_a_coroutine_is_cancelled_in_its_context(red):
    """Its cleanup runs in the context, and `CancelledError` is raised."""
    seen = []

    async def wait():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.append(colour.get())
            await asyncio.sleep(0)
            seen.append(colour.get())

    async def main():
        task = asyncio.create_task(preserved())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    preserved = red.run(preserve_context, wait)
    asyncio.run(main())
    assert ["red", "red"] == seen


def test_the_exception_of_a_coroutine_is_raised(spans):
    """Unchanged."""
    with submitter() as expected:
        preserved = preserve_context(observe_later)

        async def raises():
            await asyncio.sleep(0)
            fail()

        failing = preserve_context(raises)
    assert (expected, expected) == asyncio.run(preserved())
    with pytest.raises(LookupError) as caught:
        asyncio.run(failing())
    assert expected == caught.value.args


def test_a_coroutine_that_is_never_awaited_warns_once():
    """Like the bare coroutine."""
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        preserve_context(observe_later)()
        gc.collect()
    assert ["coroutine 'observe_later' was never awaited"] == [
        str(one.message).partition("\n")[0] for one in complaints
    ]


def test_a_coroutine_has_the_attributes_of_the_inner_one():
    """Its frame and its name, for debuggers. Closing it is quiet."""
    coroutine = preserve_context(observe_later)()
    assert "observe_later" == coroutine.__name__
    assert observe_later.__code__ is coroutine.cr_frame.f_code
    coroutine.close()


def test_a_generator_runs_in_the_context(spans):
    """At every step. The consumer keeps its own context."""
    with submitter() as expected:
        preserved = preserve_context(observe_steps)
    assert inspect.isgeneratorfunction(preserved)
    assert [(expected, NOTHING)] * 2 == [(step, observe()) for step in preserved(2)]


def test_a_generator_passes_values_through(red):
    """Sent values, thrown exceptions and the return value."""

    def echo():
        got = yield colour.get()
        try:
            yield got
        except KeyError as error:
            yield repr(error)
        return "done"

    generator = red.run(preserve_context, echo)()
    assert ["red", "hello", "KeyError('x')"] == [
        next(generator),
        generator.send("hello"),
        generator.throw(KeyError("x")),
    ]
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert "done" == stop.value.value


def test_an_async_generator_runs_in_the_context(red):
    """At every step, including its closing."""
    seen = []

    async def steps():
        try:
            while True:
                await asyncio.sleep(0)
                yield colour.get()
        finally:
            seen.append(colour.get())

    async def main():
        generator = preserved()
        seen.append(await generator.asend(None))
        seen.append(await generator.asend(None))
        await generator.aclose()

    preserved = red.run(preserve_context, steps)
    assert inspect.isasyncgenfunction(preserved)
    asyncio.run(main())
    assert ["red"] * 3 == seen


@pytest.mark.parametrize("pickler", PICKLERS, ids=lambda module: module.__name__)
def test_a_pickled_callable_contains_the_trace(spans, pickler):
    """The trace and the baggage are current while it runs, and no longer."""
    with submitter() as expected:
        sent = pickler.dumps(preserve_context(observe))
        sent_coroutine = pickler.dumps(preserve_context(observe_later))
    again = pickle.dumps(pickle.loads(sent))
    assert [expected, expected] == [pickle.loads(sent)(), pickle.loads(again)()]
    assert (expected, expected) == asyncio.run(pickle.loads(sent_coroutine)())
    assert NOTHING == observe()


def test_a_callable_pickled_without_a_trace_has_none(spans):
    """A span that is current in the worker is not its parent."""
    sent = pickle.dumps(preserve_context(observe))
    with submitter():
        assert NOTHING == pickle.loads(sent)()


def test_cloudpickle_pickles_a_lambda_with_its_context(spans):
    """A function without a name."""
    with submitter() as expected:
        sent = cloudpickle.dumps(preserve_context(lambda: observe()))
    assert expected == pickle.loads(sent)()


@pytest.mark.parametrize("pickler", PICKLERS, ids=lambda module: module.__name__)
def test_an_unpicklable_function_has_its_own_error(pickler):
    """The same error as the bare function."""
    lock = threading.Lock()

    def unpicklable():
        return lock

    with pytest.raises(Exception) as bare:
        pickler.dumps(unpicklable)
    with pytest.raises(Exception) as ours:
        pickler.dumps(preserve_context(unpicklable))
    assert type(bare.value) is type(ours.value)
    assert str(bare.value) == str(ours.value)


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [("tracecontext,baggage", "none"), ("b3", "tracecontext"), ("jaeger", None), ("b3", "b3")],
)
def test_the_trace_arrives_with_any_two_propagators(run_python, sender, receiver):
    """Of the sender and of the receiver, which may have no set-up."""
    set_up = "tracekit.init_telemetry('x', exporter='none', propagator={!r})\n"
    send = (
        "import pickle, tracekit\n"
        "from tests.tasks import *\n" + set_up.format(sender) + "with span('submit'):\n"
        "    print(observe()[:2], pickle.dumps(tracekit.preserve_context(observe)).hex())\n"
    )
    expected, _, sent = run_python(send, PYTHONPATH=str(ROOT)).stdout.strip().rpartition(" ")
    receive = (
        "import pickle, tracekit\n"
        + (set_up.format(receiver) if receiver else "")
        + f"print(pickle.loads(bytes.fromhex({sent!r}))()[:2])\n"
    )
    assert expected == run_python(receive, PYTHONPATH=str(ROOT)).stdout.strip()


def test_a_propagator_that_writes_nothing_is_respected(run_python):
    """`propagator="none"` keeps the trace in the process."""
    done = run_python(
        "import pickle, tracekit\n"
        "from tests.tasks import *\n"
        "tracekit.init_telemetry('x', exporter='none', propagator='none')\n"
        "with span('submit'):\n"
        "    sent = pickle.dumps(tracekit.preserve_context(observe))\n"
        "print(pickle.loads(sent)() == NOTHING)\n",
        PYTHONPATH=str(ROOT),
    )
    assert "True" == done.stdout.strip()


def test_the_pickled_context_is_small(spans):
    """Less than 400 bytes besides the function."""
    with submitter():
        sent = pickle.dumps(preserve_context(len))
    assert len(sent) - len(pickle.dumps(len)) < 400


def test_a_child_of_an_ended_span_has_its_ids(spans):
    """A call may outlive its parent."""

    @tracekit.instrument("work")
    def work():
        return None

    with span("submit"):
        preserved = preserve_context(work)
    preserved()
    assert spans == [("submit", ["work"])]


def test_dask_tokens_depend_on_the_function_only():
    """Two wrappings of one function have the same token."""
    tokenize = pytest.importorskip("dask.base").tokenize
    first, second, other = (preserve_context(one) for one in (observe, observe, fail))
    assert tokenize(first) == tokenize(second)
    assert tokenize(first) != tokenize(other)


def test_gevent_greenlets_have_the_context():
    """In `gevent.spawn` and in gevent's pools."""
    gevent = pytest.importorskip("gevent")
    from gevent.pool import Pool

    token = colour.set("red")
    try:
        preserved = preserve_context(lambda *_: (gevent.sleep(0), colour.get())[1])
    finally:
        colour.reset(token)
    spawned = [gevent.spawn(preserved) for _ in range(3)]
    gevent.joinall(spawned, timeout=20, raise_error=True)
    assert ["red"] * 3 == [one.value for one in spawned]
    assert ["red"] * 3 == Pool(2).map(preserved, range(3))


def test_gevent_with_patched_modules_preserves_the_context(run_python):
    """In pools and threads of tracekit, and in greenlets."""
    pytest.importorskip("gevent")
    done = run_python(
        "from gevent import monkey; monkey.patch_all()\n"
        "import asyncio, gevent, gevent.pool, threading\n"
        "from tracekit import preserve_context, run_blocking\n"
        "from tracekit.executors import Thread, ThreadPoolExecutor\n"
        "from tracekit.testing import capture_spans\n"
        "from tests.tasks import *\n"
        "def look(_=None):\n"
        "    gevent.sleep(0)\n"
        "    return observe()\n"
        "with capture_spans(), ThreadPoolExecutor(2) as pool:\n"
        "    seen = []\n"
        "    with submitter() as expected:\n"
        "        seen += pool.map(look, range(4))\n"
        "        thread = Thread(target=lambda: seen.append(look())); thread.start()\n"
        "        thread.join()\n"
        "        spawned = gevent.spawn(preserve_context(look))\n"
        "    seen += [spawned.get(timeout=20)]\n"
        "    print(set(seen) == {expected}, len(seen), pool.submit(look).result() == NOTHING)\n",
        PYTHONPATH=str(ROOT),
    )
    assert "True 6 True" == done.stdout.strip()


def test_wrapping_does_not_change_the_current_span(spans):
    """Wrapping alone opens and ends nothing."""
    with span("here") as here:
        preserve_context(observe)
        assert here is trace.get_current_span()
