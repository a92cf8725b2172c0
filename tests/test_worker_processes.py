"""Worker processes: they are set up like their parent and deliver all their spans."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

import tracekit
from tests import worker_programs
from tests.receivers import Hang
from tests.worker_programs import TASKS, WAYS
from tracekit import Filter, TelemetryBuilder, exporters
from tracekit._context import worker_hooks
from tracekit._setup import runtime
from tracekit._setup.components import Configuration

pytestmark = pytest.mark.usefixtures("global_telemetry")

START_METHODS = ["fork", "spawn", "forkserver"] if hasattr(os, "fork") else ["spawn"]


def run_program(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", worker_programs.__file__, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done


def cases():
    for way in WAYS:
        for start_method in START_METHODS:
            if way == "own executor of few tasks" and (
                start_method == "fork" or sys.version_info < (3, 11)
            ):
                continue
            yield pytest.param(way, start_method, id=f"{way}-{start_method}")


@pytest.mark.parametrize(("way", "start_method"), list(cases()))
def test_every_span_of_a_worker_is_delivered(grpc_receiver, way, start_method):
    """Once, in the program's trace, with the identity of its worker, over gRPC."""
    done = run_program(
        way, start_method, "otlp", OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.endpoint
    )
    spans = grpc_receiver.spans
    (program,) = [one for one in spans if one.name == "program"]
    work = [one for one in spans if one.name == "work"]
    assert list(range(TASKS)) == sorted(one.attributes["number"] for one in work), done.stderr
    assert {(program.trace_id, program.span_id)} == {(one.trace_id, one.parent_id) for one in work}
    assert [one.attributes["worker"] for one in work] == [
        one.resource["process.pid"] for one in work
    ]
    processes = {one.resource["process.pid"] for one in spans}
    assert len(processes) == len({one.resource["service.instance.id"] for one in spans}) > 1
    assert {"program"} == {one.resource["service.name"] for one in spans}


@pytest.mark.parametrize("start_method", START_METHODS)
def test_workers_share_the_file_of_their_parent(tmp_path, start_method):
    """A file exporter is sent to a worker as its path."""
    path = tmp_path / "spans.jsonl"
    run_program("own executor", start_method, f"file:{path}")
    assert TASKS + 1 == path.read_text().count('"traceId"')


class Unpicklable(SpanExporter):
    def __init__(self):
        self.lock = threading.Lock()

    def export(self, spans):
        raise AssertionError


class UnpicklableSampler(Sampler):
    def __init__(self):
        self.decide = lambda *args: ALWAYS_ON.should_sample(*args)

    def should_sample(self, *args, **kwargs):
        return self.decide(*args)

    def get_description(self):
        return "unpicklable"


class Processor(SpanProcessor):
    """A span processor that can be pickled."""


def sent_configuration(telemetry):
    """Return the configuration that a worker receives."""
    return Configuration(**pickle.loads(telemetry.in_worker.pickled_configuration()))


def test_a_worker_receives_the_configuration():
    """Without the identity of its parent. Iterators of names arrive too."""
    telemetry = tracekit.init_telemetry(
        "shop",
        exporter=["none", exporters.otlp(endpoint="http://localhost:1")],
        sampler=0.5,
        propagator="b3",
        resource={"team": "till", "service.instance.id": "mine", "process.pid": 1},
        processors=[Processor()],
        redact=(name for name in ["tartan"]),
        libraries=(name for name in ["fastapi"]),
    )
    sent = sent_configuration(telemetry)
    assert "shop" == sent.service_name
    assert 0.5 == sent.sampler
    assert "b3" == sent.propagator
    assert {"team": "till"} == sent.resource
    assert ("tartan",) == sent.redact
    assert ("fastapi",) == sent.libraries
    assert [Processor] == [type(one) for one in sent.processors]
    assert "none" == sent.exporters[0][0]
    assert "OtlpGrpcExporter" == type(sent.exporters[1][0]).__name__


def test_a_resource_is_sent_as_its_attributes():
    """A resource of the SDK holds a lock and cannot be pickled."""
    telemetry = tracekit.init_telemetry("shop", exporter="none", resource=Resource({"team": "t"}))
    assert {"team": "t"} == sent_configuration(telemetry).resource


def test_a_replaced_filter_is_sent_to_new_workers():
    """Before it is replaced, workers read the filter of their own environment."""
    telemetry = tracekit.init_telemetry("shop", exporter="none")
    assert None is sent_configuration(telemetry).filter
    telemetry.set_filter("warn,shop.db=debug")
    assert Filter("warn,shop.db=debug") == Filter(sent_configuration(telemetry).filter)


def test_what_cannot_be_pickled_is_left_out():
    """A worker without exporters has none, and does not print to the console."""
    telemetry = tracekit.init_telemetry(
        "shop", exporter=[Unpicklable(), exporters.memory()], sampler=UnpicklableSampler()
    )
    sent = sent_configuration(telemetry)
    assert (("none", None),) == sent.exporters
    assert None is sent.sampler


def test_what_cannot_be_pickled_is_logged_once_with_a_remedy(caplog):
    """However often the configuration is pickled."""
    telemetry = tracekit.init_telemetry(
        "shop", exporter=[Unpicklable(), exporters.memory()], sampler=UnpicklableSampler()
    )
    for _ in range(3):
        telemetry.set_filter("debug")
        sent_configuration(telemetry)
    logged = [message for message in caplog.messages if "does not go to worker" in message]
    assert ["exporter", "sampler"] == [message.partition("=")[0] for message in logged]
    assert all("name" in message for message in logged)


@pytest.mark.parametrize("exporter", ["memory", exporters.memory()])
def test_a_memory_exporter_with_workers_is_logged_once(caplog, exporter):
    """The spans of workers do not reach it."""
    tracekit.init_telemetry("shop", exporter=exporter)
    for _ in range(2):
        worker_hooks.worker_initializer()
    assert 1 == sum("do not reach exporter=" in message for message in caplog.messages)


SIZES = [
    ({"exporter": "otlp"}, 240),
    ({"exporter": exporters.otlp(endpoint="http://collector:4317"), "sampler": 0.1}, 390),
]


@pytest.mark.parametrize(("options", "limit"), SIZES)
def test_the_initializer_is_small(options, limit):
    """In bytes, because a wrapped pool sends it with each task."""
    telemetry = tracekit.init_telemetry("user-service", filter="info,shop.db=debug", **options)
    assert len(pickle.dumps(telemetry.in_worker, pickle.HIGHEST_PROTOCOL)) <= limit


def test_a_process_that_is_set_up_stays_as_it_is():
    """The initializer does nothing there, however often it is called. Arguments are ignored."""
    telemetry = tracekit.init_telemetry("shop", exporter="none")
    for _ in range(2):
        pickle.loads(pickle.dumps(telemetry.in_worker))("server", "worker", 3, signal=None, more=1)
    assert telemetry is runtime._runtime.installed.telemetry


def test_the_programs_own_set_up_is_not_replaced():
    """An initializer replaces only a set-up that came from a fork or from another initializer."""
    other = TelemetryBuilder("other").with_exporter("none").build()
    own = tracekit.init_telemetry("own", exporter="none")
    other.in_worker()
    assert own is runtime._runtime.installed.telemetry


def test_a_later_initializer_replaces_an_earlier_one():
    """One that arrives a second time, with an old task, does not."""
    first = TelemetryBuilder("first").with_exporter("none").build()
    second = TelemetryBuilder("second").with_exporter("none").build()
    names = []
    for telemetry in (first, second, first):
        pickle.loads(pickle.dumps(telemetry.in_worker))()
        installed = runtime._runtime.installed.telemetry
        names.append(installed.tracer_provider.resource.attributes["service.name"])
    assert ["first", "second", "second"] == names


def test_a_worker_initializer_does_not_wait_for_a_shutdown_on_another_thread(run_python):
    """Each may need what the other holds: the replaced set-up is shut down by both."""
    run_python(
        "import faulthandler, pickle, threading\n"
        "from opentelemetry.sdk.trace.export import SpanExporter\n"
        "from tracekit import TelemetryBuilder\n"
        "from tracekit._setup import runtime\n"
        "class Exporter(SpanExporter):\n"
        "    def __reduce__(self):\n"
        "        return shut_down_meanwhile, ()\n"
        "def shut_down_meanwhile():\n"
        "    thread.start()\n"
        "    while earlier._lifecycle.lock.acquire(blocking=False):\n"
        "        earlier._lifecycle.lock.release()\n"
        "    return Exporter()\n"
        "def initializer(exporter):\n"
        "    telemetry = TelemetryBuilder().with_exporter(exporter).build()\n"
        "    return pickle.loads(pickle.dumps(telemetry.in_worker))\n"
        "faulthandler.dump_traceback_later(30, exit=True)\n"
        "first, second = initializer('none'), initializer(Exporter())\n"
        "first()\n"
        "earlier = runtime._runtime.installed.telemetry\n"
        "thread = threading.Thread(target=earlier.shutdown)\n"
        "second()\n"
        "thread.join()\n"
        "assert earlier._lifecycle.is_shut_down\n"
        "assert runtime._runtime.installed.telemetry is not earlier\n"
    )


def test_a_worker_that_cannot_be_set_up_continues(caplog):
    """The reason is logged."""
    telemetry = TelemetryBuilder("shop").with_exporter("none").build()
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    telemetry.in_worker()
    assert 1 == sum("is not set up: OpenTelemetry's global" in one for one in caplog.messages)


def test_gunicorn_accepts_the_initializer_as_a_hook():
    """It counts the positional parameters of its hooks."""
    config = pytest.importorskip("gunicorn.config", reason="gunicorn is not installed")
    telemetry = TelemetryBuilder("shop").with_exporter("none").build()
    config.Config().set("post_fork", telemetry.in_worker)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")
@pytest.mark.parametrize("start_method", START_METHODS)
def test_a_signal_that_interrupts_nothing_ends_a_waiting_worker(grpc_receiver, start_method):
    """Such as one that another thread receives, or one that arrives before the wait begins."""
    run_program(
        "signal to a thread",
        start_method,
        "otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.endpoint,
    )
    assert ["program", "work"] == sorted(one.name for one in grpc_receiver.spans)


def test_a_worker_exits_although_the_collector_hangs(run_python, grpc_receiver):
    """It waits until the deadline of an exit and logs what was lost."""
    grpc_receiver.otherwise = Hang()
    done = run_python(
        "import logging, multiprocessing, time, tracekit; logging.basicConfig()\n"
        "from tracekit._setup import process_exit\n"
        "process_exit.EXIT_TIMEOUT = 0.3\n"
        "def work():\n"
        "    with tracekit.span('work'): pass\n"
        "if __name__ == '__main__':\n"
        f"    exporter = tracekit.exporters.otlp(endpoint={grpc_receiver.endpoint!r})\n"
        "    tracekit.init_telemetry('exit', exporter=exporter)\n"
        "    process = multiprocessing.get_context('fork').Process(target=work)\n"
        "    process.start(); process.join(20)\n"
        "    print(process.exitcode)\n"
    )
    assert "0\n" == done.stdout
    assert "at exit 1 spans had not" in done.stderr
