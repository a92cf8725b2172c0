"""`preserve_context`: a callable with the context of the moment in which it was wrapped."""

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
    """Something with methods."""

    def paint(self, wall: str, *, coats: int = 1) -> tuple[str, int, object]:
        """Paint a wall."""
        return wall, coats, colour.get()

    def __call__(self) -> object:
        return colour.get()


@pytest.fixture
def red():
    """A context in which the colour is red, to wrap in."""
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
    """Whatever can be called sees the variables of the moment in which it was wrapped."""
    preserved = red.run(preserve_context, func)
    assert expected == preserved(*args)
    assert expected == functools.partial(preserved, *args)()
    assert None is colour.get()


def test_it_looks_like_what_it_wraps():
    """Name, documentation, module and signature are those of the function."""
    preserved = preserve_context(Painter.paint)
    assert ("paint", "Painter.paint", "Paint a wall.", __name__) == (
        preserved.__name__,
        preserved.__qualname__,
        preserved.__doc__,
        preserved.__module__,
    )
    assert inspect.signature(Painter.paint) == inspect.signature(preserved)
    assert f"preserve_context({Painter.paint!r})" == repr(preserved)


def test_a_wrong_call_fails_with_the_functions_own_text():
    """The `TypeError` is that of the bare function."""
    painter = Painter()
    with pytest.raises(TypeError) as bare:
        painter.paint()  # type: ignore[call-arg]
    with pytest.raises(TypeError) as ours:
        preserve_context(painter.paint)()  # type: ignore[call-arg]
    assert str(bare.value) == str(ours.value)


def test_keywords_of_any_name_reach_the_function():
    """No parameter name is taken."""
    names = {"self": 1, "func": 2, "function": 3, "args": 4}
    assert names == preserve_context(dict)(**names)


@pytest.mark.parametrize("nothing", [None, 7, "print", classmethod(print)])
def test_what_cannot_be_called_is_refused(nothing):
    """At once, and by name."""
    with pytest.raises(tracekit.InstrumentationError, match="expected a callable"):
        preserve_context(nothing)


def test_the_live_span_is_current(spans):
    """What is recorded in the thread is on the span itself."""
    with span("upload"):
        thread = threading.Thread(target=preserve_context(record), kwargs={"tiles": 4})
        thread.start()
        thread.join()
    assert spans == [("upload", {"tiles": 4})]


def test_a_call_leaves_the_moment_as_it_was(red):
    """What a call sets is gone with it, for the next call and for the caller."""

    def paint(new):
        before = colour.get()
        colour.set(new)
        return before

    preserved = red.run(preserve_context, paint)
    assert ["red", "red"] == [preserved("green"), preserved("blue")]
    assert None is colour.get()


def test_it_is_reentrant(red):
    """A call may call the same callable again."""

    def count(n):
        return [colour.get()] if n == 0 else [colour.get(), *preserved(n - 1)]

    preserved = red.run(preserve_context, count)
    assert ["red"] * 4 == preserved(3)


def test_many_threads_call_it_at_once(red):
    """No call waits for another."""
    barrier = threading.Barrier(8, timeout=20)

    def meet():
        barrier.wait()
        return colour.get()

    preserved = red.run(preserve_context, meet)
    with ThreadPoolExecutor(8) as pool:
        assert ["red"] * 8 == [one.result() for one in [pool.submit(preserved) for _ in range(8)]]


def test_the_inner_moment_wins(red):
    """What was preserved before keeps its own context."""
    first = red.run(preserve_context, colour.get)
    assert "red" == preserve_context(first)()


def test_nothing_is_kept_alive():
    """The context goes with the last reference to the callable, the function too."""

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


def test_a_method_binds_as_before(red):
    """Below `class` it is a method like the function."""

    class Wall:
        paint = red.run(preserve_context, lambda self: (self, colour.get()))
        count = preserve_context(len)

    wall = Wall()
    assert (wall, "red") == wall.paint()
    assert 3 == wall.count("abc")


def test_a_copy_is_as_good(red):
    """`copy` gives the same, `deepcopy` one whose function is copied, both with the context."""
    painter = Painter()
    preserved = red.run(preserve_context, painter.paint)
    assert preserved is copy.copy(preserved)
    assert ("north", 1, "red") == copy.deepcopy(preserved)("north")
    assert painter is not copy.deepcopy(preserved).__wrapped__.__self__


def test_a_coroutine_function_stays_one(red):
    """Every step of the coroutine is taken in the context, and the awaiting task keeps its own."""

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
    """`CancelledError` arrives inside, where it may be cleaned up after, and goes on."""
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


def test_a_coroutine_that_raises(spans):
    """The exception comes out as it was raised."""
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


def test_a_coroutine_that_nobody_awaits_is_complained_about_once():
    """As without the wrapper."""
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        preserve_context(observe_later)()
        gc.collect()
    assert ["coroutine 'observe_later' was never awaited"] == [
        str(one.message).partition("\n")[0] for one in complaints
    ]


def test_a_coroutine_shows_where_it_is():
    """Its frame and its name are there for debuggers, and closing it is quiet."""
    coroutine = preserve_context(observe_later)()
    assert "observe_later" == coroutine.__name__
    assert observe_later.__code__ is coroutine.cr_frame.f_code
    coroutine.close()


def test_a_generator_runs_in_the_context(spans):
    """Its body does at every step, the consumer keeps its own context."""
    with submitter() as expected:
        preserved = preserve_context(observe_steps)
    assert inspect.isgeneratorfunction(preserved)
    assert [(expected, NOTHING)] * 2 == [(step, observe()) for step in preserved(2)]


def test_a_generator_takes_and_gives_as_before(red):
    """Sent values, thrown exceptions and the return value go through."""

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
    """Its body does at every step, up to its closing."""
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
def test_pickled_it_carries_the_trace(spans, pickler):
    """Restored elsewhere, the trace and the baggage are current while it runs, and no longer."""
    with submitter() as expected:
        sent = pickler.dumps(preserve_context(observe))
        sent_coroutine = pickler.dumps(preserve_context(observe_later))
    again = pickle.dumps(pickle.loads(sent))
    assert [expected, expected] == [pickle.loads(sent)(), pickle.loads(again)()]
    assert (expected, expected) == asyncio.run(pickle.loads(sent_coroutine)())
    assert NOTHING == observe()


def test_pickled_without_a_trace_it_hides_the_workers(spans):
    """A call that was handed over outside of any span begins a trace, whatever is current."""
    sent = pickle.dumps(preserve_context(observe))
    with submitter():
        assert NOTHING == pickle.loads(sent)()


def test_cloudpickle_takes_a_function_without_a_name(spans):
    """A lambda travels with its context."""
    with submitter() as expected:
        sent = cloudpickle.dumps(preserve_context(lambda: observe()))
    assert expected == pickle.loads(sent)()


@pytest.mark.parametrize("pickler", PICKLERS, ids=lambda module: module.__name__)
def test_what_does_not_pickle_fails_as_before(pickler):
    """With the very error of the bare function."""
    lock = threading.Lock()

    def unpicklable():
        return lock

    with pytest.raises(Exception) as bare:
        pickler.dumps(unpicklable)
    with pytest.raises(Exception) as ours:
        pickler.dumps(preserve_context(unpicklable))
    assert (type(bare.value), str(bare.value)) == (type(ours.value), str(ours.value))


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [("tracecontext,baggage", "none"), ("b3", "tracecontext"), ("jaeger", None), ("b3", "b3")],
)
def test_the_trace_arrives_whatever_the_propagators(run_python, sender, receiver):
    """What one process sends with its propagator another reads with its own, or without set-up."""
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


def test_a_propagator_that_writes_nothing_is_heeded(run_python):
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


def test_what_is_pickled_is_small(spans):
    """Less than 400 bytes travel besides the function."""
    with submitter():
        sent = pickle.dumps(preserve_context(len))
    assert len(sent) - len(pickle.dumps(len)) < 400


def test_children_of_an_ended_parent_keep_its_ids(spans):
    """A call that outlives its parent hangs below it all the same."""

    @tracekit.instrument("work")
    def work():
        return None

    with span("submit"):
        preserved = preserve_context(work)
    preserved()
    assert spans == [("submit", ["work"])]


def test_dask_sees_one_task_where_there_is_one():
    """Two wrappings of a function have one token, those of two functions have two."""
    tokenize = pytest.importorskip("dask.base").tokenize
    first, second, other = (preserve_context(one) for one in (observe, observe, fail))
    assert tokenize(first) == tokenize(second)
    assert tokenize(first) != tokenize(other)


def test_gevent_greenlets_have_the_context():
    """`gevent.spawn` and its pools keep it where they are handed a preserved callable."""
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


def test_gevent_where_it_patches_python(run_python):
    """Pools, threads and blocking calls keep the context on greenlets as on threads."""
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


def test_the_current_span_is_not_touched(spans):
    """Wrapping alone changes nothing."""
    with span("here") as here:
        preserve_context(observe)
        assert here is trace.get_current_span()
