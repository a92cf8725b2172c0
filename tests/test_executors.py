"""`tracekit.executors`: the standard pools and threads, and pools of others, with context kept."""

from __future__ import annotations

import concurrent.futures
import contextvars
import gc
import inspect
import multiprocessing
import multiprocessing.pool
import os
import pickle
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.boundaries import OwnExecutor
from tests.tasks import NOTHING, items, observe, refuse, submitter
from tracekit import InstrumentationError, executors, instrument, preserve_context, record, span
from tracekit.executors import ProcessPoolExecutor, Thread, ThreadPoolExecutor, Timer, wrap

TIMEOUT = 30
value: contextvars.ContextVar[object] = contextvars.ContextVar("value", default=None)


class Thing:
    """Something that a context can keep alive."""


def bare_threads(*args: Any, **options: Any) -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(*args, **options)


def wrapped_threads(*args: Any, **options: Any) -> concurrent.futures.ThreadPoolExecutor:
    return wrap(bare_threads(*args, **options))


THREAD_POOLS = [ThreadPoolExecutor, wrapped_threads]
thread_pools = pytest.mark.parametrize("threads", THREAD_POOLS, ids=["ours", "wrapped"])


def processes(start: str = "fork", workers: int = 1, **options: Any) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context(start), **options)


def wrapped_processes(start: str = "fork") -> concurrent.futures.ProcessPoolExecutor:
    return wrap(concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context(start)))


PROCESS_POOLS = [processes, wrapped_processes]
process_pools = pytest.mark.parametrize("make", PROCESS_POOLS, ids=["ours", "wrapped"])


@thread_pools
def test_a_thread_sees_the_live_span(spans, threads):
    """`record` reaches the submitter's span, and its children are there."""

    @instrument("resize")
    def resize(image):
        return image

    with threads(2) as pool:
        with span("upload"):
            pool.submit(record, tiles=4).result(TIMEOUT)
            assert ["cat", "dog"] == list(pool.map(resize, ["cat", "dog"]))
        pool.submit(resize, "owl").result(TIMEOUT)
    assert [root.name for root in spans.roots] == ["upload", "resize"]
    assert spans["upload"].attributes == {"tiles": 4}
    assert ["resize"] * 2 == [child.name for child in spans["upload"].children]


@thread_pools
@pytest.mark.parametrize("count", range(4))
@pytest.mark.parametrize("keywords", [{}, {"last": 9}], ids=["positional", "keywords"])
def test_arguments_are_handed_on(threads, count, keywords):
    """However many."""

    def work(*args, **options):
        return args, options, value.get()

    token = value.set("submitter's")
    try:
        with threads(1) as pool:
            done = pool.submit(work, *range(count), **keywords).result(TIMEOUT)
    finally:
        value.reset(token)
    assert (tuple(range(count)), keywords, "submitter's") == done


@thread_pools
def test_all_context_variables_are_kept(threads):
    """Each call has a copy: what one sets, no one else sees."""

    def change(new):
        before = value.get()
        value.set(new)
        return before

    with threads(1) as pool:
        context = contextvars.copy_context()
        context.run(value.set, "mine")
        submitted = [context.run(pool.submit, change, n) for n in range(3)]
        assert ["mine"] * 3 == [one.result(TIMEOUT) for one in submitted]
        assert None is pool.submit(value.get).result(TIMEOUT)


@thread_pools
def test_map_takes_the_context_when_it_is_called(spans, threads):
    """Also where the items come from a generator that has spans of its own."""
    with threads(1) as pool:
        with submitter() as expected:
            results = pool.map(observe, items(4), timeout=TIMEOUT, chunksize=2)
        assert [expected] * 4 == list(results)


@process_pools
def test_map_takes_the_context_into_processes(spans, make):
    """Chunk by chunk, lazily made items included."""
    with make() as pool:
        with submitter() as expected:
            results = pool.map(observe, items(5), timeout=TIMEOUT, chunksize=2)
        assert [expected] * 5 == list(results)
        assert NOTHING == pool.submit(observe).result(TIMEOUT)


@process_pools
def test_a_forked_worker_does_not_keep_the_span_that_it_was_forked_in(spans, make):
    """Even what reaches it past the wrapper, in no context at all, finds nothing."""
    with make() as pool:
        bare = getattr(pool, "__wrapped__", None) or super(ProcessPoolExecutor, pool)
        with submitter() as expected:
            assert expected == pool.submit(observe).result(TIMEOUT)
        assert NOTHING == bare.submit(observe).result(TIMEOUT)


def keeps_nothing_alive(call: Callable[[], object], then: Callable[[], object]) -> None:
    """Make a call in a context with a thing in it, do something else, and look for the thing."""
    thing = Thing()
    context = contextvars.copy_context()
    context.run(value.set, thing)
    context.run(call)
    gone = weakref.ref(thing)
    del thing, context
    then()
    gc.collect()
    assert None is gone()


KEEPERS = {
    "ThreadPoolExecutor": (lambda: ThreadPoolExecutor(1), "submit"),
    "ProcessPoolExecutor": (processes, "submit"),
    "wrapped ThreadPoolExecutor": (wrapped_threads, "submit"),
    "wrapped ProcessPoolExecutor": (wrapped_processes, "submit"),
    "wrapped ThreadPool": (lambda: wrap(multiprocessing.pool.ThreadPool(1)), "apply_async"),
    "wrapped Pool": (lambda: wrap(multiprocessing.get_context("fork").Pool(1)), "apply_async"),
}


@pytest.mark.parametrize(("make", "method"), KEEPERS.values(), ids=KEEPERS)
def test_a_pool_keeps_no_context_alive(make, method):
    """After a call its context is gone, though the worker and the result live on."""
    with make() as pool:
        hand_over = getattr(pool, method)
        results = []

        def wait():
            results[0].result(TIMEOUT) if method == "submit" else results[0].get(TIMEOUT)
            # What a pool held of the first call it lets go of when the second is through.
            second = hand_over(len, ([()] if method == "apply_async" else ()))
            second.result(TIMEOUT) if method == "submit" else second.get(TIMEOUT)

        keeps_nothing_alive(
            lambda: results.append(hand_over(len, ([()] if method == "apply_async" else ()))), wait
        )
        if method == "apply_async":
            pool.close()
            pool.join()


@thread_pools
def test_a_cancelled_call_keeps_no_context_alive(threads):
    """Once the queue has passed it."""
    begun, after_fork_in_parent = threading.Event(), threading.Event()

    def hold():
        begun.set()
        assert after_fork_in_parent.wait(TIMEOUT)

    with threads(1) as pool:
        pool.submit(hold)
        assert begun.wait(TIMEOUT)

        def wait():
            after_fork_in_parent.set()
            pool.submit(len, ()).result(TIMEOUT)

        def cancel():
            assert pool.submit(len, ()).cancel()

        keeps_nothing_alive(cancel, wait)


def test_a_thread_keeps_no_context_alive():
    """After its end, though the thread object lives on."""
    threads = [Thread(target=len, args=((),)), Timer(0, len, ((),))]

    def start():
        for thread in threads:
            thread.start()

    keeps_nothing_alive(start, lambda: [thread.join(TIMEOUT) for thread in threads])


def test_shutdown_cancels_what_waits():
    """`shutdown(cancel_futures=True)` does as it does."""
    begun, after_fork_in_parent = threading.Event(), threading.Event()

    def hold():
        begun.set()
        assert after_fork_in_parent.wait(TIMEOUT)

    pool = ThreadPoolExecutor(1)
    first = pool.submit(hold)
    assert begun.wait(TIMEOUT)
    second = pool.submit(len, ())
    pool.shutdown(wait=False, cancel_futures=True)
    after_fork_in_parent.set()
    first.result(TIMEOUT)
    assert second.cancelled()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(len, ())


@thread_pools
def test_a_map_that_takes_too_long_says_so(threads):
    """`timeout` is that of the standard `map`."""
    after_fork_in_parent = threading.Event()
    with threads(1) as pool:
        try:
            results = pool.map(lambda _: after_fork_in_parent.wait(TIMEOUT), [1], timeout=0.01)
            with pytest.raises(concurrent.futures.TimeoutError):
                next(results)
        finally:
            after_fork_in_parent.set()


def test_an_initializer_runs_first():
    """With its arguments, in threads and in processes, and tasks see what it did."""
    done = []
    with ThreadPoolExecutor(1, "worker", done.append, ("ready",)) as pool:
        assert ["ready"] == pool.submit(done.copy).result(TIMEOUT)
    with processes(initializer=os.environ.update, initargs=({"READY": "yes"},)) as pool:
        assert "yes" == pool.submit(os.getenv, "READY").result(TIMEOUT)


@pytest.mark.parametrize("cls", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_initializer_that_is_none_is_refused_as_before(cls):
    """With the very error of the bare pool."""
    bare = getattr(concurrent.futures, cls.__name__)
    errors = []
    for one in (bare, cls):
        with pytest.raises(TypeError) as caught:
            one(1, initializer=7)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="max_tasks_per_child is new in Python 3.11")
def test_workers_are_replaced(spans):
    """`max_tasks_per_child` does as it does, and every new worker has the context."""
    with processes("spawn", max_tasks_per_child=1) as pool, submitter() as expected:
        done = [(pool.submit(os.getpid), pool.submit(observe)) for _ in range(2)]
        pids = {pid.result(TIMEOUT) for pid, _ in done}
        seen = [moment.result(TIMEOUT) for _, moment in done]
    assert 2 == len(pids)
    assert [expected] * 2 == seen


def test_a_worker_that_dies_breaks_the_pool():
    """With `BrokenProcessPool`, for the call and for those after it."""
    with processes() as pool:
        with pytest.raises(concurrent.futures.process.BrokenProcessPool):
            pool.submit(os._exit, 1).result(TIMEOUT)
        with pytest.raises(concurrent.futures.process.BrokenProcessPool):
            pool.submit(len, ())


def unpicklable() -> object:
    """Give a result that cannot be pickled."""
    return threading.Lock()


UNPICKLABLE = {
    "function": (lambda: None, ()),
    "argument": (len, (threading.Lock(),)),
    "result": (unpicklable, ()),
}


@process_pools
@pytest.mark.parametrize(("func", "args"), UNPICKLABLE.values(), ids=UNPICKLABLE)
def test_what_cannot_be_pickled_fails_as_in_the_bare_pool(make, func, args):
    """With the very error."""
    errors = []
    for one in (make, lambda: concurrent.futures.ProcessPoolExecutor(1)):
        with one() as pool, pytest.raises(Exception) as caught:
            pool.submit(func, *args).result(TIMEOUT)
        errors.append((type(caught.value), str(caught.value).partition(" at 0x")[0]))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("func", [None, 7])
@pytest.mark.parametrize("make", [*THREAD_POOLS, *PROCESS_POOLS])
def test_what_cannot_be_called_fails_when_it_is_called(func, make):
    """In the worker, with Python's own text."""
    pool = make()
    with pool, pytest.raises(TypeError, match="object is not callable"):
        pool.submit(func).result(TIMEOUT)


@pytest.mark.parametrize("cls", [ThreadPoolExecutor, ProcessPoolExecutor, Thread, Timer])
def test_a_drop_in_is_what_it_replaces(cls):
    """It is a subclass, of the same name, and its wrong calls have the same text."""
    module = concurrent.futures if hasattr(concurrent.futures, cls.__name__) else threading
    bare = getattr(module, cls.__name__)
    assert issubclass(cls, bare)
    assert bare.__name__ == cls.__name__
    if hasattr(bare, "submit"):
        errors = []
        for one in (bare, cls):
            with one(1) as pool, pytest.raises(TypeError) as caught:
                pool.submit()
            errors.append(str(caught.value))
        assert errors[0] == errors[1]


def test_a_subclass_with_a_submit_of_its_own():
    """It sees every call, those of `map` too, and passes them on in the context."""
    seen = []

    class Logged(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            seen.append(args)
            return super().submit(fn, *args, **kwargs)

    with Logged(1) as pool:
        context = contextvars.copy_context()
        context.run(value.set, "mine")
        assert ["mine"] * 2 == list(context.run(pool.map, lambda _: value.get(), "ab"))
    assert [("a",), ("b",)] == seen


def test_a_mixin_below_is_asked():
    """A cooperative class between ours and the standard one has its say."""
    seen = []

    class Counted(concurrent.futures.ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            seen.extend(args)
            return super().submit(fn, *args, **kwargs)

    class Mixed(ThreadPoolExecutor, Counted):
        pass

    with Mixed(1) as pool:
        pool.submit(len, ()).result(TIMEOUT)
    assert len in seen


class Observer(Thread):
    """A thread with a `run` of its own."""

    def run(self) -> None:
        self.seen = value.get()


def test_a_thread_with_a_run_of_its_own():
    """It runs in the context of whoever starts it."""
    thread = Observer()
    context = contextvars.copy_context()
    context.run(value.set, "mine")
    context.run(thread.start)
    thread.join(TIMEOUT)
    assert "mine" == thread.seen
    assert "run" not in vars(thread)


def test_a_run_that_was_put_on_the_instance():
    """It is what runs, and stays where it was put."""
    thread, seen = Thread(), []
    thread.run = own = lambda: seen.append(value.get())
    context = contextvars.copy_context()
    context.run(value.set, "mine")
    context.run(thread.start)
    thread.join(TIMEOUT)
    assert (["mine"], own) == (seen, vars(thread)["run"])


def test_run_without_start_is_a_plain_call():
    """In the context of the caller."""
    thread = Observer()
    token = value.set("here")
    try:
        thread.run()
    finally:
        value.reset(token)
    assert "here" == thread.seen


def test_a_thread_starts_once():
    """The second start fails as ever, and leaves the thread as it is."""
    thread = Thread(target=len, args=((),))
    thread.start()
    thread.join(TIMEOUT)
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()
    assert "run" not in vars(thread)


def test_a_thread_that_cannot_start(monkeypatch):
    """The error comes out, and a later start works."""
    thread = Thread(target=len, args=((),))
    with monkeypatch.context() as patch:
        for name in ("_start_new_thread", "_start_joinable_thread"):
            if hasattr(threading, name):
                patch.setattr(threading, name, lambda *_, **__: refuse())
        with pytest.raises(ValueError, match="no worker today"):
            thread.start()
    assert "run" not in vars(thread)


def test_a_timer_is_cancelled():
    """It ends at once, its function is not called."""
    called = []
    timer = Timer(TIMEOUT, called.append, [1])
    timer.start()
    timer.cancel()
    timer.join(TIMEOUT)
    assert isinstance(timer, threading.Timer)
    assert ([], False) == (called, timer.is_alive())


def multiprocessing_pools() -> dict[str, Any]:
    return {
        "ThreadPool": lambda: multiprocessing.pool.ThreadPool(2),
        "fork": lambda: multiprocessing.get_context("fork").Pool(1),
        "forkserver": lambda: multiprocessing.get_context("forkserver").Pool(1),
    }


POOL_METHODS: dict[str, Callable[[Any], list[Any]]] = {
    "apply": lambda pool: [pool.apply(observe, (1,)), pool.apply(func=observe)],
    "apply_async": lambda pool: [pool.apply_async(observe, args=(1,)).get(TIMEOUT)],
    "map": lambda pool: pool.map(observe, items(3), 2),
    "map_async": lambda pool: pool.map_async(observe, items(3)).get(TIMEOUT),
    "imap": lambda pool: list(pool.imap(observe, items(3), chunksize=2)),
    "imap_unordered": lambda pool: list(pool.imap_unordered(observe, items(3))),
    "starmap": lambda pool: pool.starmap(observe, [(1,), (2,)]),
    "starmap_async": lambda pool: pool.starmap_async(observe, [(1,)], chunksize=1).get(TIMEOUT),
}


@pytest.mark.parametrize("make", multiprocessing_pools().values(), ids=multiprocessing_pools())
def test_every_method_of_a_multiprocessing_pool(spans, make):
    """Each takes the context when it is called, and leaves nothing."""
    with wrap(make()) as pool:
        for name, method in POOL_METHODS.items():
            with submitter() as expected:
                results = method(pool)
            assert {expected} == set(results), name
            assert NOTHING == pool.apply(observe), name
        pool.close()
        pool.join()


CALLBACKS: dict[str, Callable[..., Any]] = {
    "apply_async": lambda pool, f, got: pool.apply_async(f, (), {}, got, got),
    "map_async": lambda pool, f, got: pool.map_async(f, [1], None, got, got),
    "starmap_async": lambda pool, f, got: pool.starmap_async(
        f, [()], callback=got, error_callback=got
    ),
}


@pytest.mark.parametrize("func", [observe, refuse], ids=["returns", "raises"])
@pytest.mark.parametrize("method", CALLBACKS.values(), ids=CALLBACKS)
def test_callbacks_run_in_the_submitters_context(spans, method, func):
    """Those of success and those of failure."""
    func = func if func is observe else _refuse_all
    seen: list[Any] = []
    called = threading.Event()

    def got(_):
        seen.append(observe())
        called.set()

    with wrap(multiprocessing.get_context("fork").Pool(1)) as pool:
        with submitter() as expected:
            method(pool, func, got)
        assert called.wait(TIMEOUT)
        pool.close()
        pool.join()
    assert [expected] == seen


def _refuse_all(*_: object) -> None:
    refuse()


def wrappable() -> dict[str, Callable[[], Any]]:
    return {
        "ThreadPoolExecutor": bare_threads,
        "ProcessPoolExecutor": concurrent.futures.ProcessPoolExecutor,
        "own": OwnExecutor,
        "ThreadPool": lambda: multiprocessing.pool.ThreadPool(1),
        "Pool": lambda: multiprocessing.get_context("fork").Pool(1),
    }


@pytest.mark.parametrize("make", wrappable().values(), ids=wrappable())
def test_a_wrapped_pool_is_still_itself(make):
    """An instance of its class, that refuses pickling with the same words, wrapped only once."""
    bare = make()
    with wrap(bare) as pool:
        assert isinstance(pool, type(bare))
        assert type(bare) is pool.__class__
        assert pool is wrap(pool)
        assert pool.__wrapped__ is bare
        errors = []
        for one in (bare, pool):
            with pytest.raises(Exception) as caught:
                pickle.dumps(one)
            errors.append((type(caught.value), str(caught.value)))
        assert errors[0] == errors[1]
        if hasattr(pool, "close"):
            pool.close()
            pool.join()


class Inline(concurrent.futures.Executor):
    """An executor that makes its calls at once, and pickles."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_result(contextvars.Context().run(fn, *args, **kwargs))
        return future


def test_a_wrapped_executor_pickles_where_the_bare_one_does(spans):
    """And keeps the context on the other side."""
    pool = pickle.loads(pickle.dumps(wrap(Inline())))
    assert isinstance(pool, Inline)
    with submitter() as expected:
        assert expected == pool.submit(observe).result()
        assert [expected] == list(pool.map(observe, [1]))


@pytest.mark.parametrize("cls", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_our_own_pools_need_no_wrapping(cls):
    """They come back as they are."""
    with cls(1) as pool:
        assert pool is wrap(pool)


@pytest.mark.parametrize(
    "nothing", [None, 7, "pool", print, concurrent.futures.ThreadPoolExecutor, object()]
)
def test_wrap_says_what_it_takes(nothing):
    """Something else is refused, and the message names what would do."""
    with pytest.raises(InstrumentationError, match=r"expected a .*Executor.*Pool or ThreadPool"):
        wrap(nothing)


def test_wrapped_methods_have_the_signatures_of_the_pool():
    """For those who look."""
    with wrap(multiprocessing.pool.ThreadPool(1)) as pool:
        for name in POOL_METHODS:
            bare = inspect.signature(getattr(multiprocessing.pool.Pool, name))
            assert bare == inspect.signature(getattr(type(pool), name))
        pool.close()
        pool.join()


def test_an_explicit_moment_wins(spans):
    """A callable that was preserved before it is handed over keeps its own context."""
    with submitter() as expected:
        preserved = preserve_context(observe)
    with ThreadPoolExecutor(1) as threads, processes() as workers, submitter():
        assert expected == threads.submit(preserved).result(TIMEOUT)
        assert expected == workers.submit(preserved).result(TIMEOUT)


@pytest.mark.timeout(100)
def test_many_submitters_at_once(spans):
    """10,000 calls of 64 submitters: every child hangs below its own parent, and none is lost."""
    submitters, calls = 64, 10_000

    @instrument("child")
    def child(parent):
        return None

    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(submitters) as crowd:

        def submit(number):
            share = calls // submitters + (number < calls % submitters)
            with span("parent", number=number):
                return [pool.submit(child, number) for _ in range(share)]

        for futures in crowd.map(submit, range(submitters)):
            concurrent.futures.wait(futures)
    parents = {one.attributes["number"]: one.children for one in spans.roots}
    assert submitters == len(parents)
    assert calls == sum(len(children) for children in parents.values())
    for number, children in parents.items():
        assert {number} == {one.attributes["parent"] for one in children}


def test_the_public_names_are_those_of_the_standard_library():
    """And `wrap`."""
    assert ["ProcessPoolExecutor", "Thread", "ThreadPoolExecutor", "Timer", "wrap"] == (
        executors.__all__
    )
