"""The arguments of a set-up: every accepted value, and the errors of all others."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import tracekit
from tracekit import ConfigurationError, Filter, TelemetryBuilder, exporters
from tracekit._setup import entry_points

pytestmark = pytest.mark.usefixtures("global_telemetry")


class OwnExporter(SpanExporter):
    def __init__(self):
        self.spans = []
        self.is_shut_down = False

    def export(self, spans):
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self):
        self.is_shut_down = True


@pytest.fixture
def declare(monkeypatch):
    """Return a function that declares an entry point, as an installed package does."""
    declared: list[EntryPoint] = []
    real = entry_points.entry_points

    def with_declared(**selection):
        return EntryPoints([*real(**selection), *EntryPoints(declared).select(**selection)])

    monkeypatch.setattr(entry_points, "entry_points", with_declared)
    return lambda group, name, value: declared.append(EntryPoint(name, value, group))


def built(builder: TelemetryBuilder):
    telemetry = builder.build()
    telemetry.shutdown(0)
    return telemetry


def global_state():
    return trace.get_tracer_provider(), propagate.get_global_textmap()


def names_of(exporter=None):
    builder = TelemetryBuilder("test")
    if exporter is not None:
        builder = builder.with_exporter(exporter)
    return list(built(builder).stats.exporters)


def sampler_of(value=None):
    builder = TelemetryBuilder("test").with_exporter("none")
    if value is not None:
        builder = builder.with_sampler(value)
    return built(builder).tracer_provider.sampler


def propagator_of(value=None):
    with tracekit.init_telemetry("test", exporter="none", propagator=value):
        return propagate.get_global_textmap()


def resource_of(service_name=None, resource=None):
    builder = TelemetryBuilder(service_name).with_exporter("none").with_resource(resource)
    return dict(built(builder).tracer_provider.resource.attributes)


@pytest.mark.parametrize(
    ("exporter", "names"),
    [
        ("console", ["console"]),
        ("otlp", ["otlp"]),
        ("otlp-http", ["otlp-http"]),
        ("memory", ["memory"]),
        ("none", []),
        (["console", "memory", "memory"], ["console", "memory", "memory-2"]),
        ([["console"], "none"], ["console"]),
        (InMemorySpanExporter(), ["InMemorySpanExporter"]),
        (OwnExporter(), ["OwnExporter"]),
    ],
)
def test_exporters_are_accepted(exporter, names):
    """As a name, as an object, and in a list."""
    assert names == names_of(exporter)


def test_exporters_of_tracekit_have_their_names():
    """The same names as in `exporter=`."""
    made = [exporters.console(), exporters.otlp(), exporters.otlp(protocol="http")]
    assert ["console", "otlp", "otlp-http", "memory"] == names_of([*made, exporters.memory()])


def test_a_file_exporter_is_named_with_its_path(tmp_path):
    """After a colon."""
    assert ["file"] == names_of(f"file:{tmp_path / 'spans.jsonl'}")


def test_an_exporter_is_named_by_its_entry_point(declare):
    """Any name that a package declares."""
    declare("opentelemetry_traces_exporter", "own", "tests.test_builder:OwnExporter")
    assert ["own"] == names_of("own")


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ["console"]),
        ({"OTEL_TRACES_EXPORTER": "memory, none,otlp"}, ["memory", "otlp"]),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1"}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:1"}, ["otlp"]),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:1", "OTEL_TRACES_EXPORTER": "console"},
            ["console"],
        ),
    ],
)
def test_the_environment_names_the_exporters(monkeypatch, environment, names):
    """`OTEL_TRACES_EXPORTER`, else OTLP if an endpoint is set, else the console."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert names == names_of()


@pytest.mark.parametrize(
    ("value", "kind"),
    [("grpc", "OtlpGrpcExporter"), ("http/protobuf", "OtlpHttpExporter"), ("", "OtlpGrpcExporter")],
)
def test_the_environment_names_the_protocol(monkeypatch, value, kind):
    """`OTEL_EXPORTER_OTLP_PROTOCOL`, else gRPC."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", value)
    assert kind == type(exporters.otlp()).__name__


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (0.1, "TraceIdRatioBased{0.1}"),
        (1, "TraceIdRatioBased{1"),
        ("always_on", "AlwaysOnSampler"),
        ("ALWAYS_OFF", "AlwaysOffSampler"),
        ("parentbased_always_on", "ParentBased{root:AlwaysOnSampler"),
        ("parentbased_always_off", "ParentBased{root:AlwaysOffSampler"),
        ("traceidratio:0.25", "TraceIdRatioBased{0.25}"),
        ("parentbased_traceidratio:0.25", "ParentBased{root:TraceIdRatioBased{0.25}"),
        ("parentbased_traceidratio", "TraceIdRatioBased{1.0}"),
        (ALWAYS_ON, "AlwaysOnSampler"),
        (None, "ParentBased{root:AlwaysOnSampler"),
    ],
)
def test_samplers_are_accepted(value, description):
    """As a ratio, as a name with its argument, and as an object."""
    assert description in sampler_of(value).get_description()


def test_a_ratio_is_parent_based():
    """The decision of a parent is followed."""
    assert isinstance(sampler_of(0.5), ParentBased)


class OwnSampler(Sampler):
    def __init__(self, argument):
        self.argument = argument

    def should_sample(self, *args, **kwargs):
        raise NotImplementedError

    def get_description(self):
        return f"own {self.argument}"


def test_a_sampler_is_named_by_its_entry_point(declare):
    """It receives the argument after the colon."""
    declare("opentelemetry_traces_sampler", "own", "tests.test_builder:OwnSampler")
    assert "own 7" == sampler_of("own:7").get_description()


def test_the_environment_names_the_sampler(monkeypatch):
    """`OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.75")
    assert "TraceIdRatioBased{0.75}" in sampler_of().get_description()


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (None, [TraceContextTextMapPropagator, W3CBaggagePropagator]),
        ("tracecontext", [TraceContextTextMapPropagator]),
        ("tracecontext, baggage", [TraceContextTextMapPropagator, W3CBaggagePropagator]),
        ("b3", [B3SingleFormat]),
        ("b3multi", [B3MultiFormat]),
        ("jaeger", [JaegerPropagator]),
        ("none", []),
        (["b3", JaegerPropagator()], [B3SingleFormat, JaegerPropagator]),
        (JaegerPropagator(), [JaegerPropagator]),
    ],
)
def test_propagators_are_accepted(value, kinds):
    """As names, as an object, and in a list."""
    made = propagator_of(value)
    parts = made._propagators if isinstance(made, CompositePropagator) else [made]
    assert kinds == [type(part) for part in parts]


def test_the_environment_names_the_propagator(monkeypatch):
    """`OTEL_PROPAGATORS` is read when the set-up is created."""
    monkeypatch.setenv("OTEL_PROPAGATORS", "jaeger")
    assert isinstance(propagator_of(), JaegerPropagator)


def test_the_resource_has_the_standard_attributes():
    """The attributes of the semantic conventions that identify a process."""
    expected = {
        "service.name",
        "service.instance.id",
        "host.name",
        "os.type",
        "process.pid",
        "process.runtime.name",
        "process.runtime.version",
        "telemetry.sdk.name",
        "telemetry.sdk.language",
        "telemetry.sdk.version",
        "telemetry.distro.name",
        "telemetry.distro.version",
    }
    assert expected <= set(resource_of("shop"))


@pytest.mark.parametrize(
    ("service_name", "resource", "expected"),
    [
        (None, None, "by-variable"),
        (None, {"service.name": "by-resource"}, "by-resource"),
        (None, Resource({"service.name": "by-object"}), "by-object"),
        ("by-name", {"service.name": "by-resource"}, "by-name"),
    ],
)
def test_the_most_specific_service_name_wins(monkeypatch, service_name, resource, expected):
    """The argument, then the resource, then the variables of the environment."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=by-attributes,tier=web")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "by-variable")
    made = resource_of(service_name, resource)
    assert expected == made["service.name"]
    assert "web" == made["tier"]


def test_a_processor_runs_before_the_exporters():
    """Attributes that it sets are exported."""

    class Stamp(SpanProcessor):
        def on_start(self, span, parent_context=None):
            span.set_attribute("stamp", 1)

    memory = exporters.memory()
    builder = TelemetryBuilder("test").with_exporter(memory).with_processor(Stamp())
    with builder.build() as telemetry:
        telemetry.tracer_provider.get_tracer("t").start_span("work").end()
    assert [1] == [span.attributes["stamp"] for span in memory.spans]


def test_the_id_generator_generates_the_ids():
    """Any id generator of the SDK's type."""
    from tracekit.testing import SteadyIds

    memory = exporters.memory()
    builder = TelemetryBuilder("test").with_exporter(memory).with_id_generator(SteadyIds())
    with builder.build() as telemetry:
        telemetry.tracer_provider.get_tracer("t").start_span("work").end()
    assert 1 == memory.spans[0].context.trace_id
    assert 1 == memory.spans[0].context.span_id


def test_a_disabled_sdk_creates_no_spans(monkeypatch):
    """With `OTEL_SDK_DISABLED` nothing is recorded, and context is still propagated."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    memory = exporters.memory()
    with (
        tracekit.init_telemetry("test", exporter=memory, propagator="jaeger") as telemetry,
        tracekit.span("work"),
    ):
        assert isinstance(propagate.get_global_textmap(), JaegerPropagator)
    assert () == memory.spans
    assert telemetry.flush()


def test_the_builder_is_a_value():
    """Each step returns a new builder and leaves the old one unchanged."""
    base = TelemetryBuilder("a")
    changed = base.with_service_name("b").with_filter("debug").with_exporter("none")
    assert ("a", "b", ()) == (
        base.service_name,
        changed.service_name,
        base._configuration.exporters,
    )
    assert TelemetryBuilder("a") == base


def test_build_touches_nothing_global():
    """The private set-up works beside whatever is installed."""
    memory = exporters.memory()
    before = global_state()
    with TelemetryBuilder("private").with_exporter(memory).build() as telemetry:
        telemetry.tracer_provider.get_tracer("t").start_span("work").end()
        with tracekit.span("elsewhere"):
            pass
    assert before == global_state()
    assert ["work"] == [span.name for span in memory.spans]


def test_every_step_of_the_builder_has_its_effect():
    """Each argument of `init_telemetry` has a step."""
    telemetry = (
        TelemetryBuilder()
        .with_service_name("shop")
        .with_exporter("memory")
        .with_sampler("always_off")
        .with_filter("warn")
        .with_propagator("none")
        .with_resource({"tier": "web"})
        .with_libraries([])
        .with_redaction(["plate"])
        .with_continued_trace(False)
        .install()
    )
    with telemetry:
        provider = telemetry.tracer_provider
        assert "shop" == provider.resource.attributes["service.name"]
        assert "web" == provider.resource.attributes["tier"]
        assert ALWAYS_OFF == provider.sampler
        assert Filter("warn") == telemetry.filter
    assert isinstance(provider, TracerProvider)


INVALID = [
    (
        {"exporter": "oltp"},
        r"exporter='oltp' is unknown: use 'console', 'viewer', 'otlp', 'otlp-http'",
    ),
    ({"exporter": ["console", "x"]}, r"exporter\[1\]='x' is unknown"),
    ({"exporter": 7}, "exporter=7 is not an exporter"),
    ({"exporter": OwnExporter}, r"pass an instance: OwnExporter\(\)"),
    ({"exporter": "file:"}, "path"),
    ({"exporter": "file:/nowhere/at/all/x"}, "/nowhere/at/all/x"),
    ({"sampler": 1.5}, r"sampler=1\.5: the ratio must be a number from 0\.0 to 1\.0"),
    ({"sampler": -0.1}, "the ratio must be"),
    ({"sampler": float("nan")}, "the ratio must be"),
    ({"sampler": True}, "sampler=True is not a sampler"),
    ({"sampler": "sometimes"}, "sampler='sometimes' is unknown: use 'always_on'"),
    ({"sampler": "traceidratio:lots"}, "the argument 'lots'.*from 0.0 to 1.0"),
    ({"propagator": "b4"}, "propagator 'b4' is not installed; use 'b3'"),
    ({"propagator": ""}, "names no propagator"),
    ({"propagator": 7}, "propagator=7 is not a propagator"),
    ({"filter": "info=loud"}, r"expected a level"),
    ({"filter": 7}, "filter=7"),
    ({"service_name": ""}, "service_name='': expected a non-empty name"),
    ({"service_name": 7}, "service_name=7"),
    ({"resource": 7}, "resource=7: expected a mapping"),
    ({"resource": {"": 1}}, "resource={'': 1}"),
    ({"processors": [7]}, "processor=7 is not a SpanProcessor"),
    ({"processors": 5}, r"processors=5: expected a list.*processors=\[processor\]"),
    ({"libraries": 5}, "libraries=5: expected names"),
    ({"redact": 7}, "redact=7"),
    ({"id_generator": 7}, "id_generator=7 is not an IdGenerator"),
    ({"libraries": ["fastapy"]}, "no instrumentation called 'fastapy'; installed: .*pip install"),
    ({"libraries": [7]}, "no instrumentation called 7"),
]


@pytest.mark.parametrize(("arguments", "message"), INVALID)
def test_an_invalid_argument_is_refused_and_nothing_is_installed(arguments, message):
    """The error names the argument, its value and valid values."""
    before = global_state()
    good = {"exporter": "memory", **arguments}
    with pytest.raises(ConfigurationError, match=message):
        tracekit.init_telemetry(**good)
    assert before == global_state()
    with tracekit.span("work") as current:
        assert not current.is_recording()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("OTEL_TRACES_EXPORTER", "oltp", "exporter.*'oltp' is unknown"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "OTEL_TRACES_SAMPLER='sometimes' is unknown"),
        ("OTEL_PROPAGATORS", "b4", "OTEL_PROPAGATORS='b4'"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "lots", "OTEL_BSP_MAX_QUEUE_SIZE='lots'"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0", "OTEL_BSP_SCHEDULE_DELAY='0'"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9999", "larger than the queue"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "lots", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke", "OTEL_EXPORTER_OTLP_PROTOCOL='smoke'"),
    ],
)
def test_an_invalid_variable_is_refused(monkeypatch, variable, value, message):
    """The error names the variable."""
    monkeypatch.setenv(variable, value)
    if variable == "OTEL_EXPORTER_OTLP_PROTOCOL":
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    with pytest.raises(ConfigurationError, match=message):
        tracekit.init_telemetry("test")


def test_a_set_up_that_fails_shuts_down_the_exporters_it_has_created(declare):
    """And no exporter that it was given."""
    created = []

    class Seen(OwnExporter):
        def __init__(self):
            super().__init__()
            created.append(self)

    OwnExporter.Seen = Seen
    declare("opentelemetry_traces_exporter", "seen", "tests.test_builder:OwnExporter.Seen")
    own = OwnExporter()
    with pytest.raises(ConfigurationError):
        tracekit.init_telemetry("test", exporter=[own, "seen", "unknown"])
    assert [True] == [one.is_shut_down for one in created]
    assert not own.is_shut_down


def test_a_component_that_cannot_be_created_is_refused(declare):
    """The error shows the exception."""
    declare("opentelemetry_traces_exporter", "broken", "tests.test_builder:nothing_here")
    with pytest.raises(ConfigurationError, match=r"exporter='broken'.*AttributeError"):
        names_of("broken")


def test_a_component_of_the_wrong_type_is_refused(declare):
    """An exporter, a sampler and a propagator each."""
    declare("opentelemetry_traces_exporter", "wrong", "builtins:object")
    declare("opentelemetry_traces_sampler", "wrong", "builtins:str")
    declare("opentelemetry_propagator", "wrong", "builtins:object")
    for name in ("exporter", "sampler", "propagator"):
        with pytest.raises(ConfigurationError, match="does not create a"):
            tracekit.init_telemetry("test", **{"exporter": "none", name: "wrong"})


def test_a_set_up_without_problems_logs_nothing(caplog):
    """At no level."""
    with caplog.at_level(logging.DEBUG), tracekit.init_telemetry("test", exporter="memory"):
        pass
    assert [] == caplog.records
