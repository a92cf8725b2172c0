"""A program that runs tasks in worker processes; tests run it with a way to start them.

Its arguments are the way, the start method and the exporter. Each task records one span `work` in a
worker process, as a child of the span `program` of this process.
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
    # A machine under load may need more than the usual time.
    process_exit.TERMINATION_TIMEOUT = process_exit.EXIT_TIMEOUT
    with span("work", number=number, worker=os.getpid()):
        return number


def exit_after_work(number: int) -> None:
    work(number)
    sys.exit(3)


def work_in_a_thread(number: int) -> None:
    """End the main thread before another thread, for which the process waits, records its span."""

    def work_later() -> None:
        # No event announces that the main thread has ended and waits for this one.
        threading.Event().wait(0.2)
        work(number)

    executors.Thread(target=work_later).start()


def receive_sigterm_later(number: int) -> None:
    """Work, and send the signal to another thread while the main thread waits for a task."""

    def receive_sigterm() -> None:
        # No event announces that the main thread waits inside the pool.
        threading.Event().wait(0.5)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    threading.Thread(target=receive_sigterm, daemon=True).start()
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
        # With several tasks at once the standard library's own pool hangs (CPython 115634).
        for number in range(TASKS):
            pool.submit(work, number).result()


def signal_to_a_thread(context, in_worker):
    with executors.ProcessPoolExecutor(1, context) as pool:
        pool.submit(receive_sigterm_later, 0).result()
        (worker,) = multiprocessing.active_children()
        # Only one caller gets the exit code, and the pool itself asks for it.
        assert connection.wait([worker.sentinel], 20)


WAYS = {
    "process": _processes(work),
    "process that exits": _processes(exit_after_work),
    "process that leaves a thread": _processes(work_in_a_thread),
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
