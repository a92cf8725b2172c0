"""`tracekit.executors`: pools and threads that preserve the submitter's context."""

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
    """An object that a context refers to."""


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
def test_the_submitters_span_is_current_in_a_thread(spans, threads):
    """`record` reaches the span itself, and new spans are its children."""

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
def test_arguments_reach_the_function(threads, count, keywords):
    """Any number of positional and keyword arguments."""

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
def test_all_context_variables_are_preserved(threads):
    """Each task has a copy, so that a change is visible in this task only."""

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
def test_map_preserves_the_context_of_its_call(spans, threads):
    """Also if the items come from a generator with spans of its own."""
    with threads(1) as pool:
        with submitter() as expected:
            results = pool.map(observe, items(4), timeout=TIMEOUT, chunksize=2)
        assert [expected] * 4 == list(results)


@process_pools
def test_map_preserves_the_context_of_its_call_in_processes(spans, make):
    """In each chunk, also if the items come from a generator."""
    with make() as pool:
        with submitter() as expected:
            results = pool.map(observe, items(5), timeout=TIMEOUT, chunksize=2)
        assert [expected] * 5 == list(results)
        assert NOTHING == pool.submit(observe).result(TIMEOUT)


@process_pools
def test_a_forked_worker_has_no_current_span_of_its_own(spans, make):
    """A task that bypasses the wrapper finds no span."""
    with make() as pool:
        bare = getattr(pool, "__wrapped__", None) or super(ProcessPoolExecutor, pool)
        with submitter() as expected:
            assert expected == pool.submit(observe).result(TIMEOUT)
        assert NOTHING == bare.submit(observe).result(TIMEOUT)


def assert_nothing_kept_alive(call: Callable[[], object], then: Callable[[], object]) -> None:
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
    """After a task its context is collected, although the worker and the result are alive."""
    with make() as pool:
        submit = getattr(pool, method)
        results = []

        def wait():
            results[0].result(TIMEOUT) if method == "submit" else results[0].get(TIMEOUT)
            # A pool drops the last references to a task with the next one.
            second = submit(len, ([()] if method == "apply_async" else ()))
            second.result(TIMEOUT) if method == "submit" else second.get(TIMEOUT)

        assert_nothing_kept_alive(
            lambda: results.append(submit(len, ([()] if method == "apply_async" else ()))), wait
        )
        if method == "apply_async":
            pool.close()
            pool.join()


@thread_pools
def test_a_cancelled_task_keeps_no_context_alive(threads):
    """After the queue has passed it."""
    begun, may_end = threading.Event(), threading.Event()

    def hold():
        begun.set()
        assert may_end.wait(TIMEOUT)

    with threads(1) as pool:
        pool.submit(hold)
        assert begun.wait(TIMEOUT)

        def wait():
            may_end.set()
            pool.submit(len, ()).result(TIMEOUT)

        def cancel():
            assert pool.submit(len, ()).cancel()

        assert_nothing_kept_alive(cancel, wait)


def test_a_thread_keeps_no_context_alive():
    """After its end, although the thread object is alive."""
    threads = [Thread(target=len, args=((),)), Timer(0, len, ((),))]

    def start():
        for thread in threads:
            thread.start()

    assert_nothing_kept_alive(start, lambda: [thread.join(TIMEOUT) for thread in threads])


def test_shutdown_cancels_waiting_tasks():
    """`shutdown(cancel_futures=True)` behaves like the standard one."""
    begun, may_end = threading.Event(), threading.Event()

    def hold():
        begun.set()
        assert may_end.wait(TIMEOUT)

    pool = ThreadPoolExecutor(1)
    first = pool.submit(hold)
    assert begun.wait(TIMEOUT)
    second = pool.submit(len, ())
    pool.shutdown(wait=False, cancel_futures=True)
    may_end.set()
    first.result(TIMEOUT)
    assert second.cancelled()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(len, ())


@thread_pools
def test_map_has_a_timeout(threads):
    """It behaves like the standard one."""
    may_end = threading.Event()
    with threads(1) as pool:
        try:
            results = pool.map(lambda _: may_end.wait(TIMEOUT), [1], timeout=0.01)
            with pytest.raises(concurrent.futures.TimeoutError):
                next(results)
        finally:
            may_end.set()


def test_an_initializer_runs_before_the_tasks():
    """With its arguments, in threads and in processes."""
    done = []
    with ThreadPoolExecutor(1, "worker", done.append, ("ready",)) as pool:
        assert ["ready"] == pool.submit(done.copy).result(TIMEOUT)
    with processes(initializer=os.environ.update, initargs=({"READY": "yes"},)) as pool:
        assert "yes" == pool.submit(os.getenv, "READY").result(TIMEOUT)


@pytest.mark.parametrize("cls", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_invalid_initializer_is_refused_like_in_the_bare_pool(cls):
    """With the same error."""
    bare = getattr(concurrent.futures, cls.__name__)
    errors = []
    for one in (bare, cls):
        with pytest.raises(TypeError) as caught:
            one(1, initializer=7)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="max_tasks_per_child is new in Python 3.11")
def test_a_replaced_worker_has_the_context(spans):
    """`max_tasks_per_child` behaves like the standard one."""
    with processes("spawn", max_tasks_per_child=1) as pool, submitter() as expected:
        done = [(pool.submit(os.getpid), pool.submit(observe)) for _ in range(2)]
        pids = {pid.result(TIMEOUT) for pid, _ in done}
        seen = [observed.result(TIMEOUT) for _, observed in done]
    assert 2 == len(pids)
    assert [expected] * 2 == seen


def test_a_worker_that_dies_breaks_the_pool():
    """With `BrokenProcessPool`, for its task and for later ones."""
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
def test_a_task_that_cannot_be_pickled_fails_like_in_the_bare_pool(make, func, args):
    """With the same error."""
    errors = []
    for one in (make, lambda: concurrent.futures.ProcessPoolExecutor(1)):
        with one() as pool, pytest.raises(Exception) as caught:
            pool.submit(func, *args).result(TIMEOUT)
        errors.append((type(caught.value), str(caught.value).partition(" at 0x")[0]))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("func", [None, 7])
@pytest.mark.parametrize("make", [*THREAD_POOLS, *PROCESS_POOLS])
def test_a_function_that_is_not_callable_fails_in_the_worker(func, make):
    """With Python's own message."""
    pool = make()
    with pool, pytest.raises(TypeError, match="object is not callable"):
        pool.submit(func).result(TIMEOUT)


@pytest.mark.parametrize("cls", [ThreadPoolExecutor, ProcessPoolExecutor, Thread, Timer])
def test_a_class_replaces_its_standard_class(cls):
    """It is a subclass of the same name, and a wrong call has the same message."""
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


def test_a_subclass_can_override_submit():
    """It receives every task, also those of `map`, and they have the context."""
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


def test_a_mixin_can_override_submit():
    """A cooperative class between ours and the standard one is called."""
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
    """A thread that overrides `run`."""

    def run(self) -> None:
        self.seen = value.get()


def test_a_thread_that_overrides_run_has_the_context():
    """The context in which it was started."""
    thread = Observer()
    context = contextvars.copy_context()
    context.run(value.set, "mine")
    context.run(thread.start)
    thread.join(TIMEOUT)
    assert "mine" == thread.seen
    assert "run" not in vars(thread)


def test_a_run_of_the_instance_has_the_context():
    """It stays on the instance."""
    thread, seen = Thread(), []
    thread.run = own = lambda: seen.append(value.get())
    context = contextvars.copy_context()
    context.run(value.set, "mine")
    context.run(thread.start)
    thread.join(TIMEOUT)
    assert ["mine"] == seen
    assert own is vars(thread)["run"]


def test_run_without_start_uses_the_callers_context():
    """It is a plain call."""
    thread = Observer()
    token = value.set("here")
    try:
        thread.run()
    finally:
        value.reset(token)
    assert "here" == thread.seen


def test_a_second_start_fails_like_the_standard_one():
    """And leaves the thread unchanged."""
    thread = Thread(target=len, args=((),))
    thread.start()
    thread.join(TIMEOUT)
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()
    assert "run" not in vars(thread)


def test_a_thread_that_cannot_start_is_unchanged(monkeypatch):
    """The error is raised."""
    thread = Thread(target=len, args=((),))
    with monkeypatch.context() as patch:
        for name in ("_start_new_thread", "_start_joinable_thread"):
            if hasattr(threading, name):
                patch.setattr(threading, name, lambda *_, **__: refuse())
        with pytest.raises(ValueError, match="no worker today"):
            thread.start()
    assert "run" not in vars(thread)


def test_a_timer_can_be_cancelled():
    """It ends at once, and its function is not called."""
    called = []
    timer = Timer(TIMEOUT, called.append, [1])
    timer.start()
    timer.cancel()
    timer.join(TIMEOUT)
    assert isinstance(timer, threading.Timer)
    assert [] == called
    assert not timer.is_alive()


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
def test_every_method_of_a_multiprocessing_pool_preserves_the_context(spans, make):
    """The context of its call; the worker's own is unchanged."""
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
    """Callbacks of success and of failure."""
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
def test_a_wrapped_pool_has_the_class_of_the_pool(make):
    """It fails to pickle with the same error, and is wrapped only once."""
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
    """An executor that runs its tasks at once and can be pickled."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_result(contextvars.Context().run(fn, *args, **kwargs))
        return future


def test_a_wrapped_executor_can_be_pickled_if_the_bare_one_can(spans):
    """It preserves the context after unpickling."""
    pool = pickle.loads(pickle.dumps(wrap(Inline())))
    assert isinstance(pool, Inline)
    with submitter() as expected:
        assert expected == pool.submit(observe).result()
        assert [expected] == list(pool.map(observe, [1]))


@pytest.mark.parametrize("cls", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_wrap_returns_pools_of_tracekit_unchanged(cls):
    """They preserve the context themselves."""
    with cls(1) as pool:
        assert pool is wrap(pool)


@pytest.mark.parametrize(
    "nothing", [None, 7, "pool", print, concurrent.futures.ThreadPoolExecutor, object()]
)
def test_wrap_refuses_other_objects(nothing):
    """The error names the accepted types."""
    with pytest.raises(InstrumentationError, match=r"expected a .*Executor.*Pool or ThreadPool"):
        wrap(nothing)


def test_wrapped_methods_have_the_signatures_of_the_pool():
    """For `inspect.signature`."""
    with wrap(multiprocessing.pool.ThreadPool(1)) as pool:
        for name in POOL_METHODS:
            bare = inspect.signature(getattr(multiprocessing.pool.Pool, name))
            assert bare == inspect.signature(getattr(type(pool), name))
        pool.close()
        pool.join()


def test_a_preserved_context_takes_precedence(spans):
    """A function that was bound with `preserve_context` keeps that context."""
    with submitter() as expected:
        preserved = preserve_context(observe)
    with ThreadPoolExecutor(1) as threads, processes() as workers, submitter():
        assert expected == threads.submit(preserved).result(TIMEOUT)
        assert expected == workers.submit(preserved).result(TIMEOUT)


@pytest.mark.timeout(100)
def test_tasks_of_many_submitters_are_not_mixed_up(spans):
    """10,000 tasks of 64 submitters: every child is below its own parent."""
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
