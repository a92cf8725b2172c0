"""A program that hands work to processes in one of many ways; run by its tests, not collected.

Called with the way, the start method and the exporter. Each call makes one span `work` in a worker
process, under the span `program` of this one.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import connection

import tracekit
from tracekit import executors, preserve_context, span
from tracekit._setup import process_exit

TASKS = 4


def work(number: int) -> int:
    # A machine under load may take its time.
    process_exit.TERMINATION_TIMEOUT = process_exit.EXIT_TIMEOUT
    with span("work", number=number, worker=os.getpid()):
        return number


def leave(number: int) -> None:
    work(number)
    sys.exit(3)


def leave_a_thread(number: int) -> None:
    """End the main thread while another one, which the process waits for, still has to work."""

    def after_fork_in_parent() -> None:
        # No event tells that the main thread is at its end, where it waits for this one.
        threading.Event().wait(0.2)
        work(number)

    executors.Thread(target=after_fork_in_parent).start()


def be_told_to_go_later(number: int) -> None:
    """Work, and have a thread get the signal when the main thread waits for the next task."""

    def get_it() -> None:
        # No event tells that the main thread waits inside of the pool.
        threading.Event().wait(0.5)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    threading.Thread(target=get_it, daemon=True).start()
    work(number)


def _processes(target):
    def run(context, in_worker):
        for number in range(TASKS):
            process = context.Process(target=preserve_context(target), args=(number,))
            process.start()
            process.join()

    return run


def pool_closed(context, in_worker):
    pool = executors.wrap(context.Pool(2))
    pool.map(work, range(TASKS), 1)
    pool.close()
    pool.join()


def pool_left(context, in_worker):
    with executors.wrap(context.Pool(2)) as pool:
        pool.map(work, range(TASKS), 1)
    pool.join()


def pool_of_few_tasks(context, in_worker):
    pool = executors.wrap(context.Pool(2, maxtasksperchild=2))
    pool.map(work, range(TASKS), 1)
    pool.close()
    pool.join()


def bare_pool(context, in_worker):
    with context.Pool(2, initializer=in_worker) as pool:
        pool.map(preserve_context(work), range(TASKS), 1)
        pool.close()
        pool.join()


def bare_executor(context, in_worker):
    with concurrent.futures.ProcessPoolExecutor(2, context, in_worker) as pool:
        list(pool.map(preserve_context(work), range(TASKS)))


def wrapped_executor(context, in_worker):
    with executors.wrap(concurrent.futures.ProcessPoolExecutor(2, context)) as pool:
        list(pool.map(work, range(TASKS)))


def own_executor(context, in_worker):
    with executors.ProcessPoolExecutor(2, context) as pool:
        list(pool.map(work, range(TASKS)))


def own_executor_of_few_tasks(context, in_worker):
    with executors.ProcessPoolExecutor(2, context, max_tasks_per_child=2) as pool:
        # More than one at a time, and the standard library's own pool hangs (CPython 115634).
        for number in range(TASKS):
            pool.submit(work, number).result()


def signal_to_a_thread(context, in_worker):
    with executors.ProcessPoolExecutor(1, context) as pool:
        pool.submit(be_told_to_go_later, 0).result()
        (worker,) = multiprocessing.active_children()
        # The pool itself asks for the exit code, which only one can get.
        assert connection.wait([worker.sentinel], 20)


WAYS = {
    "process": _processes(work),
    "process that exits": _processes(leave),
    "process that leaves a thread": _processes(leave_a_thread),
    "pool, closed": pool_closed,
    "pool, left": pool_left,
    "pool of few tasks": pool_of_few_tasks,
    "bare pool": bare_pool,
    "bare executor": bare_executor,
    "wrapped executor": wrapped_executor,
    "own executor": own_executor,
    "own executor of few tasks": own_executor_of_few_tasks,
}


ENDS = {"signal to a thread": signal_to_a_thread}


def main(way: str, start_method: str, exporter: str) -> None:
    context = multiprocessing.get_context(start_method)
    telemetry = tracekit.init_telemetry("program", exporter=exporter)
    with span("program"):
        (WAYS | ENDS)[way](context, telemetry.in_worker)
    assert telemetry.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
