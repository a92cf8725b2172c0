"""What an installed set-up does to the process, and what is left after it."""

from __future__ import annotations

import gc
import logging
import weakref

import pytest
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import tracekit
from tracekit import ConfigurationError, Filter, TelemetryBuilder, exporters, instrument, span

pytestmark = pytest.mark.usefixtures("global_telemetry")


@instrument("work")
def work():
    return trace.get_current_span()


def names(memory):
    return [one.name for one in memory.spans]


def test_it_becomes_the_global_provider_and_propagator():
    """Foreign code that asks OpenTelemetry gets ours, which is of the SDK's kind."""
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, propagator="none") as telemetry:
        assert telemetry.tracer_provider is trace.get_tracer_provider()
        assert isinstance(trace.get_tracer_provider(), TracerProvider)
        trace.get_tracer("foreign").start_span("theirs").end()
        work()
    assert ["theirs", "work"] == names(memory)
    assert 0 == len(propagate.get_global_textmap().fields)


def test_a_second_call_replaces_the_first():
    """The first is flushed and shut down; tracers made before go over to the second."""
    first, second = exporters.memory(), exporters.memory()
    early = trace.get_tracer("before any set-up")
    one = tracekit.init_telemetry("one", exporter=first, filter="info")
    tracer = trace.get_tracer("foreign")
    tracer.start_span("a").end()
    two = tracekit.init_telemetry("two", exporter=second, filter="debug")
    tracer.start_span("b").end()
    early.start_span("c").end()
    work()
    assert (["a"], ["b", "c", "work"]) == (names(first), names(second))
    assert "two" == second.spans[0].resource.attributes["service.name"]
    assert (1, 3) == (one.stats.started, two.stats.started)
    assert one.shutdown()
    work()
    assert 4 == len(second.spans)


def test_after_shutdown_nothing_is_recorded():
    """Calls go through, tracers of others make no spans, and context is passed on."""
    memory = exporters.memory()
    telemetry = tracekit.init_telemetry("test", exporter=memory)
    tracer = trace.get_tracer("foreign")
    assert telemetry.shutdown()
    assert not work().is_recording()
    parent = trace.SpanContext(1, 2, is_remote=True)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    assert parent == tracer.start_span("late", context).get_span_context()
    assert () == memory.spans


def test_set_up_again_after_shutdown():
    """As often as one likes."""
    for _ in range(3):
        memory = exporters.memory()
        with tracekit.init_telemetry("test", exporter=memory):
            work()
        assert ["work"] == names(memory)


def test_a_foreign_provider_is_not_pushed_aside():
    """The error says what to do."""
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    foreign = trace.get_tracer_provider()
    with pytest.raises(
        ConfigurationError, match=r"already set.*opentelemetry.*TracerProvider"
    ) as e:
        tracekit.init_telemetry("test", exporter="memory")
    assert "leave out init_telemetry" in str(e.value)
    assert foreign is trace.get_tracer_provider()


def test_without_set_up_the_foreign_provider_is_used():
    """`@instrument` works on whatever provider the process has."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    memory = exporters.memory()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    assert not work().is_recording()
    trace.set_tracer_provider(provider)
    work()
    assert ["work"] == names(memory)


def test_a_provider_named_in_the_environment_is_used(run_python):
    """`OTEL_PYTHON_TRACER_PROVIDER` is OpenTelemetry's own way to have one set."""
    done = run_python(
        "from tracekit import instrument\n"
        "from opentelemetry import trace\n"
        "@instrument\n"
        "def work(): return trace.get_current_span().is_recording()\n"
        "print(work())",
        OTEL_PYTHON_TRACER_PROVIDER="sdk_tracer_provider",
    )
    assert "True" == done.stdout.strip()


def test_the_environments_trace_goes_on(monkeypatch):
    """A process that starts with `TRACEPARENT` continues that trace, until it shuts down."""
    monkeypatch.setenv("TRACEPARENT", f"00-{0xABC:032x}-{0xDEF:016x}-01")
    monkeypatch.setenv("BAGGAGE", "tenant=acme")
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory):
        work()
        from opentelemetry import baggage

        assert "acme" == baggage.get_baggage("tenant")
    assert (0xABC, 0xDEF) == (memory.spans[0].context.trace_id, memory.spans[0].parent.span_id)
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("value", ["", "garbage", "00-0-0-00", "ff" * 400])
def test_a_malformed_traceparent_is_ignored(monkeypatch, value):
    """A new trace begins."""
    monkeypatch.setenv("TRACEPARENT", value)
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory):
        work()
    assert memory.spans[0].parent is None


def test_a_long_lived_process_says_no(monkeypatch):
    """With `continue_trace=False` the environment's trace is let be."""
    monkeypatch.setenv("TRACEPARENT", f"00-{0xABC:032x}-{0xDEF:016x}-01")
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, continue_trace=False):
        work()
    assert memory.spans[0].parent is None


def test_a_filter_takes_effect_at_the_next_call():
    """`set_filter` changes what is wanted; what does not parse changes nothing."""
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, filter="info") as telemetry:
        telemetry.set_filter("off")
        work()
        telemetry.set_filter(Filter(f"{__name__}=info"))
        with pytest.raises(tracekit.FilterSyntaxError):
            telemetry.set_filter("loud=er")
        assert Filter(f"{__name__}=info") == telemetry.filter
        work()
    assert ["work"] == names(memory)


def test_names_to_redact_are_added():
    """Also in functions that were decorated before."""

    @instrument("card")
    def card(plate, password):
        pass

    memory = exporters.memory()
    for redact in (["plate"], False, True):
        with tracekit.init_telemetry("test", exporter=memory, redact=redact):
            card("B-AB 1", "p")
    own = [(one.attributes["plate"], one.attributes["password"]) for one in memory.spans]
    hidden = "[redacted]"
    assert [(hidden, hidden), ("B-AB 1", "p"), ("B-AB 1", hidden)] == own


def test_two_pipelines_side_by_side():
    """A private one does not see the installed one's spans, nor the other way round."""
    installed, private = exporters.memory(), exporters.memory()
    with (
        tracekit.init_telemetry("installed", exporter=installed),
        TelemetryBuilder("private").with_exporter(private).build() as beside,
    ):
        work()
        beside.tracer_provider.get_tracer("t").start_span("mine").end()
    assert (["work"], ["mine"]) == (names(installed), names(private))


def test_a_telemetry_that_was_shut_down_cannot_be_entered():
    """It says so."""
    telemetry = tracekit.init_telemetry("test", exporter="memory")
    telemetry.shutdown()
    with pytest.raises(ConfigurationError, match="was shut down"):
        telemetry.__enter__()


@pytest.mark.parametrize("timeout", [-1, "soon", None, float("nan"), True])
def test_a_bad_timeout_is_refused(timeout):
    """The error shows the value."""
    with (
        tracekit.init_telemetry("test", exporter="memory") as telemetry,
        pytest.raises(ConfigurationError, match="timeout="),
    ):
        telemetry.flush(timeout)


EXITS = {
    "the end of the script": "",
    "sys.exit": "sys.exit(3)",
    "an unhandled exception": "raise ValueError('boom')",
    "SIGTERM turned into sys.exit": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
        "os.kill(os.getpid(), signal.SIGTERM)"
    ),
}


@pytest.mark.parametrize("way", EXITS)
def test_no_span_is_lost_at_exit(way, run_python, tmp_path):
    """However the interpreter ends, short of being killed."""
    path = tmp_path / "spans.jsonl"
    run_python(
        "import os, signal, sys, tracekit\n"
        f"tracekit.init_telemetry('exit', exporter='file:{path}')\n"
        "@tracekit.instrument\n"
        "def work(n): pass\n"
        "for n in range(1500): work(n)\n" + EXITS[way],
        check=False,
    )
    import json

    spans = [
        one
        for line in path.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for one in scope["spans"]
    ]
    assert 1500 == len(spans)


def test_a_span_made_at_exit_is_not_lost(run_python, tmp_path):
    """Also where no thread can be started any more."""
    path = tmp_path / "spans.jsonl"
    run_python(
        "import atexit, tracekit\n"
        f"tracekit.init_telemetry('exit', exporter='file:{path}')\n"
        "@tracekit.instrument\n"
        "def work(): pass\n"
        "atexit.register(work)\n"
    )
    assert 1 == path.read_text().count('"name":"work"')


def test_a_dead_collector_does_not_keep_the_interpreter(run_python):
    """The exit has its own deadline, and one line says what was lost."""
    done = run_python(
        "import logging, time, tracekit; logging.basicConfig()\n"
        "from tracekit._setup import process_exit\n"
        "process_exit.EXIT_TIMEOUT = 0.5\n"
        "tracekit.init_telemetry('exit', exporter=tracekit.exporters.otlp("
        "endpoint='http://127.0.0.1:1'))\n"
        "with tracekit.span('work'): pass\n"
    )
    assert "at exit 1 spans had not been delivered" in done.stderr


def test_libraries_are_switched_on_and_off():
    """On with the set-up, off with it; what was on before is left on."""
    import sqlalchemy

    def query():
        engine = sqlalchemy.create_engine("sqlite://")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))
        engine.dispose()

    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, libraries=["sqlalchemy"]):
        query()
    assert ["connect", "select"] == [one.name.split()[0] for one in memory.spans][:2]
    query()
    assert 2 == len(memory.spans)


def test_libraries_follow_from_set_up_to_set_up():
    """A library of both stays on, and one that is not wanted any more goes off."""
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    seen = []
    for libraries in (["sqlalchemy"], "sqlalchemy", "auto", None):
        tracekit.init_telemetry("test", exporter="memory", libraries=libraries)
        seen.append(SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry)
    assert [True, True, True, False] == seen


def test_a_library_that_does_not_fit_is_refused_loudly(monkeypatch):
    """With the reason: the instrumentation would only log it and stay off."""
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    monkeypatch.setattr(
        SQLAlchemyInstrumentor, "instrumentation_dependencies", lambda self: ["sqlalchemy > 99"]
    )
    with pytest.raises(ConfigurationError, match=r"'sqlalchemy' cannot be switched on.*> 99"):
        tracekit.init_telemetry("test", exporter="memory", libraries=["sqlalchemy"])
    with span("work") as current:
        assert not current.is_recording()


def test_auto_leaves_out_what_does_not_fit_and_says_so(monkeypatch, caplog):
    """A version conflict is logged; the others are switched on."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    monkeypatch.setattr(
        SQLAlchemyInstrumentor, "instrumentation_dependencies", lambda self: ["sqlalchemy > 99"]
    )
    with (
        caplog.at_level(logging.WARNING),
        tracekit.init_telemetry("test", exporter="memory", libraries="auto"),
    ):
        assert FastAPIInstrumentor().is_instrumented_by_opentelemetry
        assert not SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry
    assert 1 == sum("sqlalchemy stays off" in record.getMessage() for record in caplog.records)


def test_a_library_that_fails_leaves_nothing_switched_on(monkeypatch):
    """All or nothing, and nothing is installed."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    def fail(self, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(SQLAlchemyInstrumentor, "_instrument", fail)
    with pytest.raises(ConfigurationError, match="'sqlalchemy' failed to switch on"):
        tracekit.init_telemetry("test", exporter="memory", libraries=["fastapi", "sqlalchemy"])
    assert not FastAPIInstrumentor().is_instrumented_by_opentelemetry


class Instrumentor:
    """An instrumentation library that fails as told."""

    def __init__(self, name, fails=()):
        self.name = name
        self.fails = fails
        self.is_instrumented_by_opentelemetry = False

    def instrument(self):
        if "instrument" in self.fails:
            raise RuntimeError("no")
        self.is_instrumented_by_opentelemetry = True

    def uninstrument(self):
        if "uninstrument" in self.fails:
            raise RuntimeError("no")
        self.is_instrumented_by_opentelemetry = False


@pytest.fixture
def instrumentors(monkeypatch):
    """Three libraries, of which the last fails at everything."""
    made = {name: Instrumentor(name) for name in ("a", "b")}
    made["broken"] = Instrumentor("broken", fails=("instrument",))
    made["stuck"] = Instrumentor("stuck", fails=("uninstrument",))
    monkeypatch.setattr("tracekit._setup.libraries._find", made.__getitem__)
    return made


def are_on(instrumentors):
    return [name for name, one in instrumentors.items() if one.is_instrumented_by_opentelemetry]


def test_a_second_set_up_that_fails_leaves_the_libraries_of_the_first_on(instrumentors):
    """Those that only the first wants, too."""
    memory = exporters.memory()
    with tracekit.init_telemetry("one", exporter=memory, libraries=["a", "b"]) as telemetry:
        with pytest.raises(ConfigurationError, match="'broken' failed"):
            tracekit.init_telemetry("two", exporter="memory", libraries=["a", "broken"])
        assert ["a", "b"] == are_on(instrumentors)
        work()
        assert telemetry.flush(5.0)
    assert (["work"], []) == (names(memory), are_on(instrumentors))


def test_a_library_that_cannot_be_switched_off_does_not_keep_spans_from_delivery(
    instrumentors, tmp_path, caplog
):
    """It is said, and the others are switched off."""
    path = tmp_path / "spans.jsonl"
    libraries = ["stuck", "a"]
    telemetry = tracekit.init_telemetry("test", exporter=f"file:{path}", libraries=libraries)
    work()
    assert telemetry.shutdown(5.0)
    assert (1, ["stuck"]) == (path.read_text().count('"name":"work"'), are_on(instrumentors))
    assert ["libraries: 'stuck' failed to switch off: RuntimeError('no')"] == caplog.messages


def test_a_set_up_that_fails_half_way_leaves_the_one_before_in_force(monkeypatch):
    """With its spans, its filter and its telemetry."""
    memory = exporters.memory()
    with tracekit.init_telemetry("one", exporter=memory, filter="debug") as telemetry:
        with monkeypatch.context() as patch:
            patch.setattr("tracekit._setup.runtime.Telemetry", None)
            with pytest.raises(TypeError):
                tracekit.init_telemetry("two", exporter="memory", filter="off")
        work()
        trace.get_tracer("foreign").start_span("theirs").end()
        assert telemetry.flush(5.0)
        assert {"debug"} == {str(one) for one in telemetry.filters.values()}
    assert ["work", "theirs"] == names(memory)


def test_a_first_set_up_that_fails_leaves_no_global_provider(instrumentors):
    """Another one may be set."""
    with pytest.raises(ConfigurationError, match="'broken' failed"):
        tracekit.init_telemetry("test", exporter="memory", libraries=["broken"])
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_a_predecessor_that_cannot_be_shut_down_does_not_stop_the_new_set_up(
    monkeypatch, tmp_path, caplog
):
    """The new one is in force, its exporters are open, and the failure is said."""
    replaced = tracekit.init_telemetry("one", exporter="memory")

    def fail(*args):
        raise ValueError("old one")

    monkeypatch.setattr(replaced._lifecycle, "shutdown", fail)
    path = tmp_path / "spans.jsonl"
    with tracekit.init_telemetry("two", exporter=f"file:{path}"):
        work()
    assert 1 == path.read_text().count('"name":"work"')
    assert any("old one" in message for message in caplog.messages)


class Closable(SpanExporter):
    """Counts what happens to it."""

    def __init__(self):
        self.names = []
        self.flushes = self.shutdowns = 0

    def export(self, spans):
        self.names += [one.name for one in spans]
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis=30_000):
        self.flushes += 1
        return True

    def shutdown(self):
        self.shutdowns += 1


def test_an_exporter_of_two_set_ups_is_shut_down_with_the_last():
    """The second set-up goes on with it."""
    exporter = Closable()
    tracekit.init_telemetry("one", exporter=exporter)
    work()
    telemetry = tracekit.init_telemetry("two", exporter=exporter)
    assert (["work"], 1, 0) == (exporter.names, exporter.flushes, exporter.shutdowns)
    work()
    assert telemetry.shutdown(5.0)
    assert (["work", "work"], 1) == (exporter.names, exporter.shutdowns)


class Processor(SpanProcessor):
    """Counts what happens to it."""

    def __init__(self):
        self.names = []
        self.flushes = self.shutdowns = 0

    def on_end(self, span):
        self.names.append(span.name)

    def force_flush(self, timeout_millis=30_000):
        self.flushes += 1
        return True

    def shutdown(self):
        self.shutdowns += 1


def test_a_processor_that_others_add_is_flushed_shut_down_and_kept():
    """As long as there is a set-up it sees every span, once."""
    processor = Processor()
    one = tracekit.init_telemetry("one", exporter="memory")
    trace.get_tracer_provider().add_span_processor(processor)
    work()
    assert one.flush(5.0)
    assert 1 == processor.flushes
    two = tracekit.init_telemetry("two", exporter="memory")
    work()
    assert (["work", "work"], 0) == (processor.names, processor.shutdowns)
    assert two.shutdown(5.0)
    assert 1 == processor.shutdowns
    with tracekit.init_telemetry("three", exporter="memory"):
        work()
    assert (2, 1) == (len(processor.names), processor.shutdowns)


def test_a_processor_of_two_set_ups_is_shut_down_with_the_last():
    """The second set-up goes on with it."""
    processor = Processor()
    tracekit.init_telemetry("one", exporter="memory", processors=[processor])
    with tracekit.init_telemetry("two", exporter="memory", processors=[processor]):
        assert 0 == processor.shutdowns
    assert 1 == processor.shutdowns


SLOW = (
    "import atexit, os, signal, sys, time, tracekit\n"
    "from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult\n"
    "class Slow(SpanExporter):\n"
    "    def export(self, spans):\n"
    "        time.sleep(0.5)\n"
    "        for one in spans: print(one.name, flush=True)\n"
    "        return SpanExportResult.SUCCESS\n"
)


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit"])
def test_a_shutdown_that_is_interrupted_is_finished_at_exit(error, run_python):
    """What waited is delivered before the interpreter ends."""
    done = run_python(
        SLOW + "import signal, threading\n"
        "telemetry = tracekit.init_telemetry('test', exporter=Slow())\n"
        "with tracekit.span('work'): pass\n"
        f"def interrupt(*_): raise {error}\n"
        "signal.signal(signal.SIGINT, interrupt)\n"
        "timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))\n"
        "timer.start()\n"
        "telemetry.shutdown(30.0)\n",
        check=False,
    )
    assert "work" == done.stdout.strip()


def test_a_private_set_up_is_shut_down_at_exit(run_python):
    """As one that is installed is."""
    done = run_python(
        SLOW + "telemetry = tracekit.TelemetryBuilder('test').with_exporter(Slow()).build()\n"
        "telemetry.tracer_provider.get_tracer('t').start_span('work').end()\n"
    )
    assert "work" == done.stdout.strip()


def test_a_private_set_up_is_not_kept_for_the_exit():
    """It goes when the program lets go of it."""
    gone = weakref.ref(TelemetryBuilder("test").with_exporter("memory").build())
    gc.collect()
    assert gone() is None


def test_spans_that_end_after_the_shutdown_at_exit_are_said(run_python):
    """As those of a handler that was registered before the set-up."""
    done = run_python(
        SLOW + "def late():\n"
        "    with tracekit.span('late'): pass\n"
        "    print(telemetry.stats.dropped)\n"
        "atexit.register(late)\n"
        "telemetry = tracekit.init_telemetry('test', exporter=Slow())\n"
        "with tracekit.span('work'): pass\n"
    )
    assert ["work", "1"] == done.stdout.split()
    assert "are dropped and counted: it was shut down" in done.stderr
