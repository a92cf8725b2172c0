"""Worker processes: set up like their parent, and left by no span that was not delivered."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

import tracekit
from tests import worker_programs
from tests.worker_programs import TASKS, WAYS
from tracekit import Filter, TelemetryBuilder, exporters
from tracekit._setup import process_exit, runtime

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
    """Once, in the program's trace, from the worker that made it, over gRPC."""
    done = run_program(
        way, start_method, "otlp", OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.endpoint
    )
    spans = grpc_receiver.spans
    (program,) = [one for one in spans if one.name == "program"]
    made = [one for one in spans if one.name == "work"]
    assert list(range(TASKS)) == sorted(one.attributes["number"] for one in made), done.stderr
    assert {(program.trace_id, program.span_id)} == {(one.trace_id, one.parent_id) for one in made}
    assert [one.attributes["worker"] for one in made] == [
        one.resource["process.pid"] for one in made
    ]
    processes = {one.resource["process.pid"] for one in spans}
    assert len(processes) == len({one.resource["service.instance.id"] for one in spans}) > 1
    assert {"program"} == {one.resource["service.name"] for one in spans}


@pytest.mark.parametrize("start_method", START_METHODS)
def test_workers_share_the_file_of_their_parent(tmp_path, start_method):
    """A file exporter goes to a worker by its path."""
    path = tmp_path / "spans.jsonl"
    run_program("own executor", start_method, f"file:{path}")
    assert TASKS + 1 == path.read_text().count('"traceId"')


class Unpicklable(SpanExporter):
    def __init__(self):
        self.lock = __import__("threading").Lock()

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
    """One that can be pickled."""


def described(telemetry):
    """What a worker's set-up is made from."""
    _, (_, description) = telemetry.in_worker.__reduce__()
    return pickle.loads(description)


def test_the_description_says_what_was_said():
    """And nothing that a worker finds out by itself."""
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
    made = TelemetryBuilder(**described(telemetry))
    assert ("shop", 0.5, "b3", {"team": "till"}) == (
        made.service_name,
        made._sampler,
        made._propagator,
        made._resource,
    )
    assert ["none", "OtlpGrpcExporter"] == [
        one if isinstance(one, str) else type(one).__name__ for one, _ in made._exporters
    ]
    assert [Processor] == [type(one) for one in made._processors]
    assert (made._redact.hides("tartan"), ("fastapi",)) == (True, made._libraries)


def test_a_resource_of_the_sdk_goes_as_its_attributes():
    """It holds a lock and cannot be pickled itself."""
    telemetry = tracekit.init_telemetry("shop", exporter="none", resource=Resource({"team": "t"}))
    assert {"team": "t"} == described(telemetry)["_resource"]


def test_a_filter_that_was_changed_goes_to_new_workers():
    """Until then they read their own environment, as this process did."""
    telemetry = tracekit.init_telemetry("shop", exporter="none")
    assert "_filter" not in described(telemetry)
    telemetry.set_filter("warn,shop.db=debug")
    assert Filter("warn,shop.db=debug") == Filter(described(telemetry)["_filter"])


def test_what_cannot_go_is_said_once_with_the_way_out(caplog):
    """The rest goes, and a worker without exporters does not print to the console."""
    telemetry = tracekit.init_telemetry(
        "shop", exporter=[Unpicklable(), exporters.memory()], sampler=UnpicklableSampler()
    )
    for _ in range(3):
        telemetry.set_filter("debug")
        description = described(telemetry)
    assert ((("none", None),), False) == (description["_exporters"], "_sampler" in description)
    said = [message for message in caplog.messages if "does not go to worker" in message]
    assert ["exporter=", "sampler="] == [message[: message.index("=") + 1] for message in said]
    assert all("name" in message for message in said)


@pytest.mark.parametrize("exporter", ["memory", exporters.memory()])
def test_a_memory_that_workers_do_not_share_is_said(caplog, exporter):
    """Once, as soon as there may be workers."""
    tracekit.init_telemetry("shop", exporter=exporter)
    for _ in range(2):
        from tracekit._context import worker_hooks

        worker_hooks.shipment()
    assert 1 == sum("do not reach exporter=" in message for message in caplog.messages)


SIZES = [
    ({"exporter": "otlp"}, 240),
    ({"exporter": exporters.otlp(endpoint="http://collector:4317"), "sampler": 0.1}, 390),
]


@pytest.mark.parametrize(("options", "most"), SIZES)
def test_what_travels_with_a_task_is_small(options, most):
    """In bytes, since a wrapped pool sends it with each."""
    telemetry = tracekit.init_telemetry("user-service", filter="info,shop.db=debug", **options)
    assert len(pickle.dumps(telemetry.in_worker, pickle.HIGHEST_PROTOCOL)) <= most


def test_in_the_process_itself_nothing_is_set_up_again():
    """Nor where it arrives for the second time; what is passed is ignored."""
    telemetry = tracekit.init_telemetry("shop", exporter="none")
    for _ in range(2):
        pickle.loads(pickle.dumps(telemetry.in_worker))("server", "worker", 3, signal=None, more=1)
    assert telemetry is runtime._installed.telemetry


def test_a_set_up_of_the_programs_own_stays():
    """What arrives does not push it aside; what came with a fork, or earlier, gives way."""
    other = TelemetryBuilder("other").with_exporter("none").build()
    own = tracekit.init_telemetry("own", exporter="none")
    other.in_worker()
    assert own is runtime._installed.telemetry


def test_a_worker_that_cannot_be_set_up_goes_on(caplog):
    """It says why."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    telemetry = TelemetryBuilder("shop").with_exporter("none").build()
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    telemetry.in_worker()
    assert 1 == sum("is not set up: OpenTelemetry's global" in one for one in caplog.messages)


def test_gunicorn_counts_two_parameters():
    """Its hook is refused otherwise."""
    config = pytest.importorskip("gunicorn.config", reason="gunicorn is not installed")
    telemetry = TelemetryBuilder("shop").with_exporter("none").build()
    config.Config().set("post_fork", telemetry.in_worker)


@pytest.fixture
def worker(monkeypatch):
    """This process, taken for one of multiprocessing's."""
    monkeypatch.setattr(process_exit._Exit, "finalizer_of", os.getpid())
    monkeypatch.setattr(process_exit._Exit, "is_told_to_go", False)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield process_exit
    process_exit._watch.end()
    signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")
def test_a_worker_at_a_task_ends_by_the_signal_at_once(worker):
    """Between tasks it delivers first; a handler of the task's own is left alone."""
    handlers = [signal.getsignal(signal.SIGTERM)]
    for step in (worker.begin_task, worker.begin_task, worker.end_task, worker.end_task):
        step()
        handlers.append(signal.getsignal(signal.SIGTERM))
    worker.begin_task()
    handlers.append(signal.getsignal(signal.SIGTERM))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker.end_task()
    handlers.append(signal.getsignal(signal.SIGTERM))
    default, ours = signal.SIG_DFL, worker._deliver_and_go
    assert [default] * 4 + [ours, default, signal.SIG_IGN] == handlers
    assert -1 == signal.set_wakeup_fd(-1)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")
def test_a_worker_in_which_another_one_is_told_of_signals(worker):
    """Nothing of that is changed, and the signal keeps its default action."""
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        worker.begin_task()
        worker.end_task()
        assert writer.fileno() == signal.set_wakeup_fd(-1)
    assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_of_a_worker_that_waits_tells_it_of_no_signals(worker):
    """Whichever thread forks."""
    worker.begin_task()
    worker.end_task()
    codes = []

    def fork():
        child = os.fork()
        if not child:
            os._exit(0 if signal.set_wakeup_fd(-1) == -1 else 1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    forking = threading.Thread(target=fork)
    forking.start()
    forking.join()
    assert [0] == codes
    assert -1 != signal.set_wakeup_fd(-1)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")
def test_a_worker_that_is_told_to_go_while_it_leaves_delivers_all(worker, monkeypatch):
    """The signal comes after that, with its default action."""
    steps = []
    monkeypatch.setattr(worker._Exit, "deliver", lambda: steps.append("delivers"))
    monkeypatch.setattr(os, "kill", lambda process, number: steps.append(number))
    with worker.leaving():
        worker._deliver_and_go(signal.SIGTERM, None)
        steps.append("has left")
    assert ["has left", signal.SIGTERM] == steps
    assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")
def test_a_worker_that_is_told_to_go_delivers_once_within_three_seconds(worker, monkeypatch):
    """It goes by the signal with its default action; told again meanwhile, it does nothing else."""
    monkeypatch.setattr(worker._Exit, "deadline", None)
    steps = []

    def deliver():
        worker._deliver_and_go(signal.SIGTERM, None)
        assert worker.remaining() <= 3.0
        steps.append("delivers")

    def kill(process, number):
        steps.append((process, number, signal.getsignal(number)))

    monkeypatch.setattr(worker._Exit, "deliver", deliver)
    monkeypatch.setattr(os, "kill", kill)
    worker._deliver_and_go(signal.SIGTERM, None)
    assert ["delivers", (os.getpid(), signal.SIGTERM, signal.SIG_DFL)] == steps


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")
def test_a_worker_that_fails_to_deliver_goes(worker, monkeypatch):
    """By the signal that told it to."""
    steps = []
    monkeypatch.setattr(worker._Exit, "deliver", lambda: 1 / 0)
    monkeypatch.setattr(os, "kill", lambda process, number: steps.append(number))
    with pytest.raises(ZeroDivisionError):
        worker._deliver_and_go(signal.SIGTERM, None)
    assert [signal.SIGTERM] == steps


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")
@pytest.mark.parametrize("start_method", START_METHODS)
def test_a_worker_that_waits_goes_though_the_signal_interrupted_nothing(
    grpc_receiver, start_method
):
    """As when it came before the wait had begun, or to another thread, as here."""
    run_program(
        "signal to a thread",
        start_method,
        "otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.endpoint,
    )
    assert ["program", "work"] == sorted(one.name for one in grpc_receiver.spans)


def test_a_collector_that_hangs_does_not_keep_a_worker(run_python, grpc_receiver):
    """The end of a worker has the deadline of any exit, and says what was lost."""
    from tests.receivers import Hang

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
    assert ("0\n", True) == (done.stdout, "at exit 1 spans had not" in done.stderr)


def test_a_later_set_up_takes_the_place_of_an_earlier():
    """In a worker that was set up from elsewhere; one that comes late with an old task does not."""
    first = TelemetryBuilder("first").with_exporter("none").build()
    second = TelemetryBuilder("second").with_exporter("none").build()
    names = []
    for telemetry in (first, second, first):
        pickle.loads(pickle.dumps(telemetry.in_worker))()
        installed = runtime._installed.telemetry
        names.append(installed.tracer_provider.resource.attributes["service.name"])
    assert ["first", "second", "second"] == names
