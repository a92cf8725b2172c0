"""What an installed set-up changes in the process, and what remains after it."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import tracekit
from tracekit import ConfigurationError, Filter, TelemetryBuilder, exporters, instrument

pytestmark = pytest.mark.usefixtures("global_telemetry")


@instrument("work")
def work():
    return trace.get_current_span()


def names(memory):
    return [one.name for one in memory.spans]


def test_installed_telemetry_is_the_global_provider_and_propagator():
    """Other code that asks OpenTelemetry gets a provider of the SDK's type."""
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, propagator="none") as telemetry:
        assert telemetry.tracer_provider is trace.get_tracer_provider()
        assert isinstance(trace.get_tracer_provider(), TracerProvider)
        trace.get_tracer("foreign").start_span("theirs").end()
        work()
    assert ["theirs", "work"] == names(memory)
    assert 0 == len(propagate.get_global_textmap().fields)


def test_a_second_call_replaces_the_first_set_up():
    """The first is flushed and shut down, and existing tracers send their spans to the second."""
    first, second = exporters.memory(), exporters.memory()
    early = trace.get_tracer("before any set-up")
    one = tracekit.init_telemetry("one", exporter=first, filter="info")
    tracer = trace.get_tracer("foreign")
    tracer.start_span("a").end()
    two = tracekit.init_telemetry("two", exporter=second, filter="debug")
    tracer.start_span("b").end()
    early.start_span("c").end()
    work()
    assert ["a"] == names(first)
    assert ["b", "c", "work"] == names(second)
    assert "two" == second.spans[0].resource.attributes["service.name"]
    assert 1 == one.stats.started
    assert 3 == two.stats.started
    assert one.shutdown()
    work()
    assert 4 == len(second.spans)


def test_after_shutdown_nothing_is_recorded():
    """Functions still run, tracers of other code create no spans, and context is passed on."""
    memory = exporters.memory()
    telemetry = tracekit.init_telemetry("test", exporter=memory)
    tracer = trace.get_tracer("foreign")
    assert telemetry.shutdown()
    assert not work().is_recording()
    parent = trace.SpanContext(1, 2, is_remote=True)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    assert parent == tracer.start_span("late", context).get_span_context()
    assert () == memory.spans


def test_telemetry_can_be_installed_again_after_a_shutdown():
    """Any number of times."""
    for _ in range(3):
        memory = exporters.memory()
        with tracekit.init_telemetry("test", exporter=memory):
            work()
        assert ["work"] == names(memory)


def test_a_foreign_global_provider_is_not_replaced():
    """The error says what to do instead."""
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    foreign = trace.get_tracer_provider()
    with pytest.raises(
        ConfigurationError, match=r"already set.*opentelemetry.*TracerProvider"
    ) as e:
        tracekit.init_telemetry("test", exporter="memory")
    assert "leave out init_telemetry" in str(e.value)
    assert foreign is trace.get_tracer_provider()


def test_without_a_set_up_a_foreign_provider_is_used():
    """`@instrument` works with any provider of the process."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    memory = exporters.memory()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    assert not work().is_recording()
    trace.set_tracer_provider(provider)
    work()
    assert ["work"] == names(memory)


def test_a_provider_named_in_the_environment_is_used(run_python):
    """`OTEL_PYTHON_TRACER_PROVIDER` is OpenTelemetry's own way to set one."""
    done = run_python(
        "from tracekit import instrument\n"
        "from opentelemetry import trace\n"
        "@instrument\n"
        "def work(): return trace.get_current_span().is_recording()\n"
        "print(work())",
        OTEL_PYTHON_TRACER_PROVIDER="sdk_tracer_provider",
    )
    assert "True" == done.stdout.strip()


def test_the_trace_of_the_environment_is_continued(monkeypatch):
    """Until the shutdown."""
    monkeypatch.setenv("TRACEPARENT", f"00-{0xABC:032x}-{0xDEF:016x}-01")
    monkeypatch.setenv("BAGGAGE", "tenant=acme")
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory):
        work()
        assert "acme" == baggage.get_baggage("tenant")
    assert 0xABC == memory.spans[0].context.trace_id
    assert 0xDEF == memory.spans[0].parent.span_id
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("value", ["", "garbage", "00-0-0-00", "ff" * 400])
def test_a_malformed_traceparent_is_ignored(monkeypatch, value):
    """A new trace begins."""
    monkeypatch.setenv("TRACEPARENT", value)
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory):
        work()
    assert memory.spans[0].parent is None


def test_the_trace_of_the_environment_can_be_ignored(monkeypatch):
    """With `continue_trace=False`, for a long-lived process."""
    monkeypatch.setenv("TRACEPARENT", f"00-{0xABC:032x}-{0xDEF:016x}-01")
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, continue_trace=False):
        work()
    assert memory.spans[0].parent is None


def test_a_replaced_filter_applies_to_the_next_call():
    """Directives that do not parse change nothing."""
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


def test_redaction_applies_to_functions_that_exist_already():
    """Each set-up has its own redaction."""

    @instrument("card")
    def card(plate, password):
        pass

    memory = exporters.memory()
    for redact in (["plate"], False, True):
        with tracekit.init_telemetry("test", exporter=memory, redact=redact):
            card("B-AB 1", "p")
    hidden = "[redacted]"
    assert [hidden, "B-AB 1", "B-AB 1"] == [one.attributes["plate"] for one in memory.spans]
    assert [hidden, "p", hidden] == [one.attributes["password"] for one in memory.spans]


def test_a_private_set_up_and_the_installed_one_are_separate():
    """Neither receives the other's spans."""
    installed, private = exporters.memory(), exporters.memory()
    with (
        tracekit.init_telemetry("installed", exporter=installed),
        TelemetryBuilder("private").with_exporter(private).build() as beside,
    ):
        work()
        beside.tracer_provider.get_tracer("t").start_span("mine").end()
    assert ["work"] == names(installed)
    assert ["mine"] == names(private)


def test_a_telemetry_that_was_shut_down_cannot_be_entered():
    """The error says that it was shut down."""
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


def test_a_set_up_that_fails_leaves_the_one_before_effective(monkeypatch):
    """With its exporters, its filter and its handle."""
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


def test_a_replaced_set_up_that_fails_to_shut_down_does_not_stop_the_new_one(
    monkeypatch, tmp_path, caplog
):
    """The new one is effective, its exporters are open, and the failure is logged."""
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
    """An exporter that counts its flushes and shutdowns."""

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
    """When the first is replaced the exporter is only flushed."""
    exporter = Closable()
    tracekit.init_telemetry("one", exporter=exporter)
    work()
    telemetry = tracekit.init_telemetry("two", exporter=exporter)
    assert ["work"] == exporter.names
    assert 1 == exporter.flushes
    assert 0 == exporter.shutdowns
    work()
    assert telemetry.shutdown(5.0)
    assert ["work", "work"] == exporter.names
    assert 1 == exporter.shutdowns


class Processor(SpanProcessor):
    """A span processor that counts its flushes and shutdowns."""

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


def test_an_added_processor_receives_the_spans_of_later_set_ups():
    """It is flushed with each, and shut down with the last."""
    processor = Processor()
    one = tracekit.init_telemetry("one", exporter="memory")
    trace.get_tracer_provider().add_span_processor(processor)
    work()
    assert one.flush(5.0)
    assert 1 == processor.flushes
    two = tracekit.init_telemetry("two", exporter="memory")
    work()
    assert ["work", "work"] == processor.names
    assert 0 == processor.shutdowns
    assert two.shutdown(5.0)
    assert 1 == processor.shutdowns
    with tracekit.init_telemetry("three", exporter="memory"):
        work()
    assert 2 == len(processor.names)
    assert 1 == processor.shutdowns


def test_a_processor_of_two_set_ups_is_shut_down_with_the_last():
    """When the first is replaced the processor is only flushed."""
    processor = Processor()
    tracekit.init_telemetry("one", exporter="memory", processors=[processor])
    with tracekit.init_telemetry("two", exporter="memory", processors=[processor]):
        assert 0 == processor.shutdowns
    assert 1 == processor.shutdowns
