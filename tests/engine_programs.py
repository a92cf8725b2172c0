"""The applications, tasks and programs that engines run in `test_engines`.

Environment variables configure them, because gunicorn and Celery pass no arguments on.
"""

from __future__ import annotations

import importlib.util
import os
import sys

import tracekit
from tracekit import preserve_context, span

TASKS = 12


def work(number: int) -> int:
    with span("work", number=number, worker=os.getpid()):
        return number


def application(environ, start_response):
    """A web application whose process is set up by a hook."""
    work(0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


if os.environ.get("SET_UP_IN_MASTER"):
    telemetry = tracekit.init_telemetry("program", exporter="otlp")
    with span("program"):
        pass

if os.environ.get("CELERY_BROKER") and importlib.util.find_spec("celery"):
    from celery import Celery
    from celery.signals import worker_process_init

    if os.environ.get("SET_UP_IN_MASTER"):
        worker_process_init.connect(telemetry.in_worker)
    celery = Celery("programs", broker=os.environ["CELERY_BROKER"])
    celery.conf.result_backend = os.environ["CELERY_BROKER"]
    celery.conf.broker_connection_retry_on_startup = True
    celery_work = celery.task(name="work")(work)


def submit_to_celery():
    results = [celery_work.delay(number) for number in range(TASKS)]
    assert list(range(TASKS)) == [result.get(timeout=30) for result in results]


def dask():
    from dask.distributed import Client, LocalCluster

    telemetry = tracekit.init_telemetry("program", exporter="otlp")
    options = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": None}
    with LocalCluster(processes=True, **options) as cluster, Client(cluster) as client:
        client.run(telemetry.in_worker)
        with span("program"):
            futures = [client.submit(preserve_context(work), number) for number in range(TASKS)]
            assert list(range(TASKS)) == client.gather(futures)
    assert telemetry.shutdown()


def ray():
    import ray as engine

    telemetry = tracekit.init_telemetry("program", exporter="otlp")
    environment = {"worker_process_setup_hook": telemetry.in_worker}
    options = {"num_cpus": 2, "include_dashboard": False, "runtime_env": environment}
    try:
        engine.init(**options)
    except Exception:
        # The first start reads all of Ray from the disk, which may exceed Ray's own timeout.
        engine.shutdown()
        engine.init(**options)
    run = engine.remote(lambda function, number: function(number))
    with span("program"):
        kept = preserve_context(work)
        results = [run.remote(kept, number) for number in range(TASKS)]
        assert list(range(TASKS)) == engine.get(results)
    engine.shutdown()
    assert telemetry.shutdown()


def loky():
    from loky import get_reusable_executor

    from tracekit.executors import wrap

    telemetry = tracekit.init_telemetry("program", exporter="otlp")
    executor = get_reusable_executor(max_workers=2)
    with span("program"):
        assert list(range(TASKS)) == list(wrap(executor).map(work, range(TASKS)))
    executor.shutdown(wait=True)
    assert telemetry.shutdown()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
