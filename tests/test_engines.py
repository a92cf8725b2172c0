"""Engines of other packages: their worker processes deliver their spans."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine_programs import TASKS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
ROOT = Path(__file__).parents[1]
REQUESTS = 30


def environment(receiver, **more):
    own = {"PYTHONPATH": str(ROOT), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}
    return {**os.environ, **own, "PYTHONWARNINGS": "ignore", **more}


def run_program(receiver, *arguments, timeout=100, **more):
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment(receiver, **more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done


@contextmanager
def serving(command, **options):
    """Run a server, and end it by `SIGTERM`, on which it must exit normally."""
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options
    )
    try:
        yield server
        server.send_signal(signal.SIGTERM)
        assert 0 == server.wait(30), server.stderr.read()
    finally:
        server.kill()
        server.communicate()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "no answer"
        time.sleep(0.05)
    return answer


def check_workers(spans, count):
    """Check that each span arrived once, with the identity of the process that recorded it."""
    work = [one for one in spans if one.name == "work"]
    assert count == len(work) == len({one.span_id for one in work})
    assert {(one.attributes["worker"], "program") for one in work} == {
        (one.resource["process.pid"], one.resource["service.name"]) for one in work
    }
    processes = {one.resource["process.pid"] for one in spans}
    assert len(processes) == len({one.resource["service.instance.id"] for one in spans})


def check_one_trace(spans):
    """Check that the spans of the workers are children of the program's span."""
    (program,) = [one for one in spans if one.name == "program"]
    work = [one for one in spans if one.name == "work"]
    assert {(program.trace_id, program.span_id)} == {(one.trace_id, one.parent_id) for one in work}


CONFIGURATION = """\
import tracekit
telemetry = tracekit.init_telemetry("program", exporter="otlp")
post_fork = telemetry.in_worker
"""


@pytest.mark.parametrize("kind", ["sync", "gthread"])
@pytest.mark.parametrize("way", ["in the master", "by a hook"])
def test_gunicorn(grpc_receiver, tmp_path, kind, way):
    """Two forked workers answer over HTTP; telemetry was running at the fork."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.engine_programs:application"]
    command += ["-w", "2", "-k", kind, "--threads", "2", "-b", f"127.0.0.1:{port}"]
    more = {}
    if way == "in the master":
        command += ["--preload"]
        more = {"SET_UP_IN_MASTER": "yes"}
    else:
        (tmp_path / "gunicorn_conf.py").write_text(CONFIGURATION)
        command += ["-c", str(tmp_path / "gunicorn_conf.py")]

    def get(_=None):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                return int(answer.read())
        except (urllib.error.URLError, ConnectionError):
            return None

    with serving(command, env=environment(grpc_receiver, **more), cwd=ROOT):
        answered = [until(get)]
        with ThreadPoolExecutor(8) as pool:
            answered += pool.map(get, range(REQUESTS))
    check_workers(grpc_receiver.spans, REQUESTS + 1)
    assert {one.resource["process.pid"] for one in grpc_receiver.spans if one.name == "work"} == (
        set(answered)
    )


@pytest.fixture
def redis(tmp_path):
    """Run a broker and yield its URL."""
    pytest.importorskip("celery", reason="Celery is not installed")
    pytest.importorskip("redis", reason="the client of Redis is not installed")
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not there")
    port = free_port()
    with serving([server, "--port", str(port), "--save", "", "--dir", str(tmp_path)]):

        def is_there():
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        until(is_there)
        yield f"redis://127.0.0.1:{port}/0"


@pytest.mark.parametrize("options", [[], ["--max-tasks-per-child", "3"]], ids=["", "few tasks"])
def test_celery(grpc_receiver, redis, options):
    """A prefork pool with a real broker; its processes end by `os._exit`."""
    command = [sys.executable, "-m", "celery", "-A", "tests.engine_programs:celery", "worker"]
    command += ["--pool", "prefork", "-c", "2", *options]
    own = environment(grpc_receiver, CELERY_BROKER=redis, SET_UP_IN_MASTER="yes")
    with serving(command, env=own, cwd=ROOT):
        script = "from tests import engine_programs; engine_programs.submit_to_celery()"
        run_program(grpc_receiver, "-c", script, CELERY_BROKER=redis)
    check_workers(grpc_receiver.spans, TASKS)


ENGINES = {"dask": "distributed", "loky": "loky", "ray": "ray"}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("engine", ENGINES)
def test_engine(grpc_receiver, engine):
    """Its workers are set up, and its tasks are in the submitter's trace."""
    pytest.importorskip(ENGINES[engine], reason=f"{ENGINES[engine]} is not installed")
    run_program(grpc_receiver, "-m", "tests.engine_programs", engine, timeout=220)
    spans = grpc_receiver.wait_for_spans(TASKS + 1)
    check_workers(spans, TASKS)
    check_one_trace(spans)
