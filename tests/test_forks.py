"""Forks with telemetry running: nothing hangs, nothing is lost, and nothing comes twice."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import tracekit
from tests import fork_program
from tests.receivers import Hang
from tracekit import TelemetryBuilder, describe, exporters, span
from tracekit._base import forks
from tracekit._context import worker_hooks
from tracekit._filters.call_sites import registry

pytestmark = [
    pytest.mark.usefixtures("global_telemetry"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def in_child(work):
    """Fork, run something in the child, and give the parent its exit code."""
    child = os.fork()
    if child:
        return child
    try:
        code = 0 if work() is not False else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 2
    os._exit(code)


def exit_code(child, seconds=20.0):
    """Wait for a child; one that hangs is killed and fails the test."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        threading.Event().wait(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "hangs"


def fork(work):
    return exit_code(in_child(work))


def deliver(name):
    def work():
        with span(name, worker=os.getpid()):
            pass
        return telemetry_now().flush(10.0)

    return work


def telemetry_now():
    from tracekit._setup import runtime

    return runtime._runtime.installed.telemetry


PROTOCOLS = ["grpc", "http"]


def run_program(way, protocol, receiver, children):
    """Run it in a process of its own: with a gRPC server, threads would always be within gRPC."""
    arguments = [way, protocol, receiver.endpoint, str(children)]
    program = subprocess.Popen(
        [sys.executable, "-W", "ignore", fork_program.__file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            assert "forked\n" == program.stdout.readline()
            receiver.release()
            answer, _ = program.communicate("released\n", timeout=60)
        finally:
            program.kill()
    assert 0 == program.returncode
    return json.loads(answer)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_children_deliver_while_the_parent_is_exporting(request, protocol):
    """Each its own span, over a connection of its own, under load; the parent loses none."""
    children = 40
    receiver = request.getfixturevalue(f"{protocol}_receiver")
    answer = run_program("under load", protocol, receiver, children)
    assert ([0] * children, True) == (answer["codes"], answer["delivered"])
    assert answer["slowest"] < forks.BEFORE_FORK_TIMEOUT
    spans = receiver.spans
    assert len(spans) == len({one.span_id for one in spans})
    assert children == sum(one.name == "child" for one in spans)
    assert answer["started"] == sum(one.name == "load" for one in spans)


def test_a_child_that_leaves_through_python_ends(run_python, grpc_receiver):
    """Not hindered by the connection of its parent, which it has inherited."""
    done = run_python(
        "import os, sys, tracekit, warnings\n"
        "warnings.simplefilter('ignore')\n"
        f"exporter = tracekit.exporters.otlp(endpoint={grpc_receiver.endpoint!r})\n"
        "telemetry = tracekit.init_telemetry('parent', exporter=exporter)\n"
        "with tracekit.span('before'): pass\n"
        "assert telemetry.flush()\n"
        "with tracekit.span('around'):\n"
        "    for number in range(3):\n"
        "        child = os.fork()\n"
        "        if child == 0:\n"
        "            with tracekit.span('child'): pass\n"
        "            sys.exit(7)\n"
        "        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert "7\n7\n7\n" == done.stdout
    names = sorted(one.name for one in grpc_receiver.spans)
    assert ["around", "before", "child", "child", "child"] == names


def test_a_child_of_a_child_is_a_process_of_its_own(http_receiver):
    """Each generation has an instance id and a process id of its own."""
    exporter = exporters.otlp(protocol="http", endpoint=http_receiver.endpoint)
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    with span("first"):

        def second():
            deliver("second")()
            return fork(deliver("third")) == 0

        assert 0 == fork(second)
    assert telemetry.flush(10.0)
    spans = {one.name: one for one in http_receiver.spans}
    assert {"first", "second", "third"} == set(spans)
    assert 3 == len({one.resource["service.instance.id"] for one in spans.values()})
    assert 3 == len({one.resource["process.pid"] for one in spans.values()})
    assert spans["first"].resource["process.pid"] == os.getpid()
    assert {spans["first"].span_id} == {spans[one].parent_id for one in ("second", "third")}


def test_a_span_that_is_open_at_the_fork_is_the_parents(tmp_path):
    """The child may end it too, in vain; processors of the user's do not see that either."""
    path = tmp_path / "spans.jsonl"

    class Seen(SpanProcessor):
        def __init__(self):
            self.names = []

        def on_end(self, span):
            self.names.append(span.name)

    seen = Seen()
    tracekit.init_telemetry("parent", exporter=f"file:{path}", processors=[seen])
    with span("around") as around:

        def work():
            with span("within"):
                pass
            around.end()
            return ["within"] == seen.names and telemetry_now().flush(5.0)

        assert 0 == fork(work)
    assert telemetry_now().flush(5.0)
    text = path.read_text()
    assert (1, 1) == (text.count('"name":"around"'), text.count('"name":"within"'))


def test_every_tracer_follows(tmp_path):
    """Those that libraries got before the fork too."""
    tracer = None

    def resource():
        return tracer.start_span("theirs").resource

    telemetry = tracekit.init_telemetry("parent", exporter="memory", resource={"team": "till"})
    tracer = trace.get_tracer("library")
    parents = resource()

    def work():
        mine, provider = resource(), telemetry.tracer_provider
        new = trace.get_tracer("another").start_span("new").resource
        assert (os.getpid(), "till") == (mine.attributes["process.pid"], mine.attributes["team"])
        assert mine.attributes["service.instance.id"] != parents.attributes["service.instance.id"]
        assert mine == new == provider.resource

    assert 0 == fork(work)
    assert (parents, os.getpid()) == (resource(), parents.attributes["process.pid"])


def test_the_sdks_other_providers_name_the_same_instance():
    """Metrics and logs of a child, where the SDK renews their identity."""
    metrics = pytest.importorskip("opentelemetry.sdk.metrics")
    from opentelemetry.sdk import resources

    if not hasattr(resources, "ServiceInstanceIdResourceDetector"):
        pytest.skip("this SDK leaves the identity of its providers as it is")
    telemetry = tracekit.init_telemetry("parent", exporter="memory")
    meters = metrics.MeterProvider(shutdown_on_exit=False)

    def identity(provider):
        resource = getattr(provider, "resource", None) or provider._sdk_config.resource
        return resource.attributes["service.instance.id"]

    def work():
        return identity(telemetry.tracer_provider) == identity(meters)

    assert 0 == fork(work)
    meters.shutdown()


def test_a_private_set_up_begins_anew_too(tmp_path):
    """Counts, queue and identity, without an installed one."""
    path = tmp_path / "spans.jsonl"
    telemetry = TelemetryBuilder("private").with_exporter(f"file:{path}").build()
    tracer = telemetry.tracer_provider.get_tracer("test")
    tracer.start_span("parent").end()

    def work():
        tracer.start_span("child").end()
        assert telemetry.flush(5.0)
        return (1, 1) == (telemetry.stats.started, telemetry.stats.exported)

    assert 0 == fork(work)
    assert telemetry.shutdown(5.0)
    assert (1, 1) == (telemetry.stats.started, telemetry.stats.exported)


class Locks:
    """Holds locks in a thread while the process is forked."""

    def __init__(self, *locks):
        self._locks = locks
        self._held = threading.Event()
        self._may_go = threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self):
        for lock in self._locks:
            lock.acquire()
        self._held.set()
        self._may_go.wait(30)
        for lock in self._locks:
            lock.release()

    def __enter__(self):
        self._thread.start()
        assert self._held.wait(5)

    def __exit__(self, *exception):
        self._may_go.set()
        self._thread.join()


def test_locks_that_others_hold_at_the_fork_do_not_hang_the_child(tmp_path):
    """Of the gate, the installation, the provider, the delivery and the registry of types."""
    from tracekit._setup import runtime
    from tracekit._values import attribute_values

    path = tmp_path / "spans.jsonl"
    telemetry = tracekit.init_telemetry("parent", exporter=f"file:{path}")
    deliver("before")()
    (delivery,) = telemetry._lifecycle.deliveries
    provider = telemetry.tracer_provider
    locks = Locks(
        registry._lock,
        runtime._runtime.lock,
        provider._live_lock,
        provider._tracers_lock if hasattr(provider, "_tracers_lock") else threading.Lock(),
        delivery._changed,
        delivery._lock,
        attribute_values.registered_types._lock,
        telemetry._lifecycle.lock,
        telemetry._lifecycle.counter._lock,
    )

    def work():
        class New:
            pass

        describe.register(New)(lambda value: "new")
        trace.get_tracer("late")
        deliver("child")()
        telemetry.set_filter("debug")
        return tracekit.init_telemetry("second", exporter="memory") and telemetry.shutdown(5.0)

    with locks:
        child = in_child(work)
        assert 0 == exit_code(child)
    assert 1 == path.read_text().count('"name":"child"')


class Exporter(SpanExporter):
    """Is exporting until it is told to go on."""

    def __init__(self):
        self.is_exporting = threading.Event()
        self.may_go_on = threading.Event()
        self.ended = False

    def export(self, spans):
        self.is_exporting.set()
        self.may_go_on.wait(30)
        self.ended = True
        return SpanExportResult.SUCCESS


@pytest.fixture
def exporter():
    made = Exporter()
    yield made
    made.may_go_on.set()


def test_a_fork_waits_for_an_export_to_end(exporter):
    """So that no child has the copy of a thread that was in its midst."""
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    deliver_later(telemetry)
    assert exporter.is_exporting.wait(5)
    threading.Timer(0.1, exporter.may_go_on.set).start()
    assert 0 == fork(lambda: exporter.ended)
    assert telemetry.flush(5.0)


def deliver_later(telemetry):
    with span("waits"):
        pass
    for one in telemetry._lifecycle.deliveries:
        one.begin_flush()


def test_a_fork_waits_for_an_exporter_that_hangs_once_and_not_for_long(monkeypatch, exporter):
    """A later fork does not wait for the same call again."""
    monkeypatch.setattr(forks, "BEFORE_FORK_TIMEOUT", 0.2)
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    deliver_later(telemetry)
    assert exporter.is_exporting.wait(5)
    took = []
    for _ in range(2):
        begun = time.monotonic()
        child = in_child(lambda: True)
        took.append(time.monotonic() - begun)
        assert 0 == exit_code(child)
    assert 0.2 <= took[0] < 5
    assert took[1] < 0.2
    exporter.may_go_on.set()
    assert telemetry.flush(5.0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_children_deliver_while_the_parents_export_hangs(request, protocol):
    """Only the first fork waits for it; the parent delivers when the collector answers."""
    receiver = request.getfixturevalue(f"{protocol}_receiver")
    receiver.script(Hang())
    children = 8
    answer = run_program("beside an export that hangs", protocol, receiver, children)
    # A child that is forked while a thread is inside of gRPC may crash there, now and then; none
    # hangs, and what the others made arrives.
    possible = {0} if protocol == "http" else {0, -signal.SIGSEGV, -signal.SIGABRT}
    assert (set(), True) == (set(answer["codes"]) - possible, answer["delivered"])
    names = [one.name for one in receiver.spans]
    assert (answer["codes"].count(0), 1) == (names.count("child"), names.count("hangs"))


def test_an_exporter_may_fork(exporter):
    """From within its own export: it does not wait for itself."""
    codes = []
    exporter.may_go_on.set()
    exporter.force_flush = lambda timeout_millis=0: codes.append(fork(lambda: True)) or True
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    deliver_later(telemetry)
    begun = time.monotonic()
    assert telemetry.flush(10.0)
    assert ([0], True) == (codes[:1], time.monotonic() - begun < forks.BEFORE_FORK_TIMEOUT)


def test_threads_may_fork_at_once():
    """Each holds the exporter still for itself, one after the other."""
    telemetry = tracekit.init_telemetry("parent", exporter="none")
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(fork(lambda: True))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [0] * 6 == codes
    assert telemetry.shutdown(5.0)


def test_a_child_that_makes_no_span_makes_no_connection(http_receiver):
    """Most forks are followed by an exec."""
    exporter = exporters.otlp(protocol="http", endpoint=http_receiver.endpoint)
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    deliver("parent")()
    (delivery,) = telemetry._lifecycle.deliveries

    def work():
        return delivery.exporter is exporter and telemetry.shutdown(5.0)

    assert 0 == fork(work)
    assert delivery.exporter is exporter


def test_a_child_that_cannot_make_its_exporter_says_so(monkeypatch, tmp_path):
    """And goes on with the parent's."""

    class Once(Exporter):
        def recreate(self):
            raise ValueError("no")

    exporter = Once()
    exporter.may_go_on.set()
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)

    def work():
        deliver("child")()
        return (1, True) == (telemetry.stats.exported, exporter.ended)

    assert 0 == fork(work)


def test_a_finished_set_up_stays_finished(tmp_path):
    """A child of a process whose telemetry was shut down is not set up."""
    telemetry = tracekit.init_telemetry("parent", exporter="memory")
    telemetry.shutdown()
    assert 0 == fork(lambda: telemetry.shutdown(1.0) and worker_hooks.worker_initializer() is None)


def test_the_registry_holds_objects_weakly():
    """The registry does not keep an object alive."""

    class Watched:
        def after_fork_in_child(self):
            raise AssertionError

    gc.collect()
    watched = forks.register(Watched())
    reference = weakref.ref(watched)
    count = len(forks._registered)
    del watched
    gc.collect()
    assert reference() is None
    assert count - 1 == len(forks._registered)


def test_an_object_that_raises_in_the_child_does_not_stop_the_others():
    """The hooks of the other objects are called."""
    begun = []

    class Fails:
        def after_fork_in_child(self):
            raise ValueError("no")

    class Begins:
        def after_fork_in_child(self):
            begun.append(os.getpid())

    watched = [forks.register(Fails()), forks.register(Begins())]
    assert 0 == fork(lambda: [os.getpid()] == begun)
    assert 2 == len(watched)
