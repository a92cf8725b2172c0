"""Forks with telemetry running: nothing hangs, and every span is delivered once."""

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
    """Fork, run a function in the child, and return the child's process id."""
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
    """Wait for a child and return its exit code; a child that hangs is killed."""
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
        return installed_telemetry().flush(10.0)

    return work


def installed_telemetry():
    from tracekit._setup import runtime

    return runtime._runtime.installed.telemetry


PROTOCOLS = ["grpc", "http"]


def run_program(way, protocol, receiver, children):
    """Run the program in a new process: with a gRPC server in this one, forks would be unsafe."""
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
    """Each child its own span, over its own connection; the parent loses no span."""
    children = 40
    receiver = request.getfixturevalue(f"{protocol}_receiver")
    answer = run_program("under load", protocol, receiver, children)
    assert [0] * children == answer["codes"]
    assert answer["delivered"]
    assert answer["slowest"] < forks.BEFORE_FORK_TIMEOUT
    spans = receiver.spans
    assert len(spans) == len({one.span_id for one in spans})
    assert children == sum(one.name == "child" for one in spans)
    assert answer["started"] == sum(one.name == "load" for one in spans)


def test_a_child_exits_through_python(run_python, grpc_receiver):
    """The inherited connection of its parent does not block it."""
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


def test_every_generation_has_its_own_identity(http_receiver):
    """Its own instance id and process id."""
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


def test_the_parent_delivers_a_span_that_is_open_at_the_fork(tmp_path):
    """Ending it in the child has no effect, also on the user's processors."""
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
            return ["within"] == seen.names and installed_telemetry().flush(5.0)

        assert 0 == fork(work)
    assert installed_telemetry().flush(5.0)
    text = path.read_text()
    assert 1 == text.count('"name":"around"')
    assert 1 == text.count('"name":"within"')


def test_every_tracer_has_the_resource_of_the_child(tmp_path):
    """Also tracers that exist at the fork."""
    tracer = None

    def resource():
        return tracer.start_span("theirs").resource

    telemetry = tracekit.init_telemetry("parent", exporter="memory", resource={"team": "till"})
    tracer = trace.get_tracer("library")
    parents = resource()

    def work():
        mine, provider = resource(), telemetry.tracer_provider
        new = trace.get_tracer("another").start_span("new").resource
        assert os.getpid() == mine.attributes["process.pid"]
        assert "till" == mine.attributes["team"]
        assert mine.attributes["service.instance.id"] != parents.attributes["service.instance.id"]
        assert mine == new == provider.resource

    assert 0 == fork(work)
    assert parents == resource()
    assert os.getpid() == parents.attributes["process.pid"]


def test_other_providers_of_the_sdk_have_the_same_instance_id():
    """Metrics and logs of a child, if the SDK renews their identity."""
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


def test_a_private_set_up_is_reset_in_the_child(tmp_path):
    """Its counts, its queue and its identity."""
    path = tmp_path / "spans.jsonl"
    telemetry = TelemetryBuilder("private").with_exporter(f"file:{path}").build()
    tracer = telemetry.tracer_provider.get_tracer("test")
    tracer.start_span("parent").end()

    def work():
        tracer.start_span("child").end()
        assert telemetry.flush(5.0)
        return telemetry.stats.started == telemetry.stats.exported == 1

    assert 0 == fork(work)
    assert telemetry.shutdown(5.0)
    assert 1 == telemetry.stats.started
    assert 1 == telemetry.stats.exported


class Locks:
    """Holds locks in another thread while the process forks."""

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


def test_locks_that_are_held_at_the_fork_do_not_block_the_child(tmp_path):
    """Another thread of the parent holds every lock."""
    from tracekit._setup import runtime
    from tracekit._values import attribute_values

    path = tmp_path / "spans.jsonl"
    telemetry = tracekit.init_telemetry("parent", exporter=f"file:{path}")
    deliver("before")()
    (delivery,) = telemetry._lifecycle.components.export_processors
    provider = telemetry.tracer_provider
    locks = Locks(
        registry.lock,
        runtime._runtime.lock,
        provider._live_lock,
        provider._tracers_lock if hasattr(provider, "_tracers_lock") else threading.Lock(),
        delivery._changed,
        delivery._lock,
        attribute_values.registered_types._lock,
        telemetry._lifecycle.lock,
        telemetry._lifecycle.components.counter._lock,
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
    """An exporter that blocks until `may_end` is set."""

    def __init__(self):
        self.is_exporting = threading.Event()
        self.may_end = threading.Event()
        self.ended = False

    def export(self, spans):
        self.is_exporting.set()
        self.may_end.wait(30)
        self.ended = True
        return SpanExportResult.SUCCESS


@pytest.fixture
def exporter():
    made = Exporter()
    yield made
    made.may_end.set()


def test_a_fork_waits_for_an_export_to_end(exporter):
    """A child never has a copy of a thread in the middle of an export."""
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    deliver_later(telemetry)
    assert exporter.is_exporting.wait(5)
    threading.Timer(0.1, exporter.may_end.set).start()
    assert 0 == fork(lambda: exporter.ended)
    assert telemetry.flush(5.0)


def deliver_later(telemetry):
    with span("waits"):
        pass
    for one in telemetry._lifecycle.components.export_processors:
        one.begin_flush()


def test_a_fork_waits_only_once_for_an_exporter_that_hangs(monkeypatch, exporter):
    """And for a limited time."""
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
    exporter.may_end.set()
    assert telemetry.flush(5.0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_children_deliver_while_the_parents_export_hangs(request, protocol):
    """Only the first fork waits for it. The parent delivers when the collector answers."""
    receiver = request.getfixturevalue(f"{protocol}_receiver")
    receiver.script(Hang())
    children = 8
    answer = run_program("beside an export that hangs", protocol, receiver, children)
    # A child that is forked while a thread is inside of gRPC may crash there, now and then; none
    # hangs, and the spans of the others arrive.
    possible = {0} if protocol == "http" else {0, -signal.SIGSEGV, -signal.SIGABRT}
    assert set() == set(answer["codes"]) - possible
    assert answer["delivered"]
    names = [one.name for one in receiver.spans]
    assert answer["codes"].count(0) == names.count("child")
    assert 1 == names.count("hangs")


def test_an_exporter_may_fork(exporter):
    """A fork within its own export does not wait for itself."""
    codes = []
    exporter.may_end.set()
    exporter.force_flush = lambda timeout_millis=0: codes.append(fork(lambda: True)) or True
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    deliver_later(telemetry)
    begun = time.monotonic()
    assert telemetry.flush(10.0)
    assert ([0], True) == (codes[:1], time.monotonic() - begun < forks.BEFORE_FORK_TIMEOUT)


def test_threads_can_fork_at_once():
    """Each waits for the exporter in turn."""
    telemetry = tracekit.init_telemetry("parent", exporter="none")
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(fork(lambda: True))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [0] * 6 == codes
    assert telemetry.shutdown(5.0)


def test_a_child_without_spans_opens_no_connection(http_receiver):
    """Most forks are followed by an exec."""
    exporter = exporters.otlp(protocol="http", endpoint=http_receiver.endpoint)
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    deliver("parent")()
    (delivery,) = telemetry._lifecycle.components.export_processors

    def work():
        return delivery.exporter is exporter and telemetry.shutdown(5.0)

    assert 0 == fork(work)
    assert delivery.exporter is exporter


def test_a_child_that_cannot_recreate_its_exporter_uses_the_parents():
    """An exporter that raises in `recreate`."""

    class Once(Exporter):
        def recreate(self):
            raise ValueError("no")

    exporter = Once()
    exporter.may_end.set()
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)

    def work():
        deliver("child")()
        return telemetry.stats.exported == 1 and exporter.ended

    assert 0 == fork(work)


def test_a_set_up_that_is_shut_down_stays_so_in_the_child(tmp_path):
    """A child of the process is not set up."""
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
