"""The exporters of OpenTelemetry, and tracekit's, send to the viewer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from tests.viewer.clients import read_skeleton
from tracekit import TelemetryBuilder, exporters

NODE = Path(__file__).parent / "node_senders"


def record(exporter):
    """A trace of two spans through the SDK."""
    provider = TracerProvider(resource=Resource({"service.name": "sender"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("senders", "1.0")
    with tracer.start_as_current_span("GET /", kind=SpanKind.SERVER) as span:
        span.set_attributes({"text": "é", "int": 7, "double": 0.5, "flag": True, "list": [1, 2]})
        span.add_event("cache miss", {"key": "user:7"})
        span.set_status(Status(StatusCode.ERROR, "it failed"))
        with tracer.start_as_current_span("inner"):
            pass
    provider.shutdown()


SENDERS = {
    "grpc": lambda viewer: GrpcSpans(endpoint=f"http://127.0.0.1:{viewer.grpc_port}"),
    "grpc gzip": lambda viewer: GrpcSpans(
        endpoint=f"http://127.0.0.1:{viewer.grpc_port}", compression=grpc.Compression.Gzip
    ),
    "http": lambda viewer: HttpSpans(endpoint=f"http://127.0.0.1:{viewer.http_port}/v1/traces"),
    "http gzip": lambda viewer: HttpSpans(
        endpoint=f"http://127.0.0.1:{viewer.http_port}/v1/traces", compression=Compression.Gzip
    ),
    "http deflate": lambda viewer: HttpSpans(
        endpoint=f"http://127.0.0.1:{viewer.http_port}/v1/traces", compression=Compression.Deflate
    ),
}


@pytest.mark.parametrize("sender", SENDERS)
def test_exporters_of_python(viewer, client, sender):
    """Both protocols of the official exporters, compressed and not."""
    record(SENDERS[sender](viewer))
    (trace,) = client.get("/api/traces").json()["traces"]
    assert trace["root"] == "GET /"
    assert trace["service"] == "sender"
    assert trace["spans"] == 2
    assert trace["errors"] == 1
    assert trace["complete"]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_exporters_of_tracekit(viewer, client, protocol):
    """Tracekit's own exporter sends what the official one sends."""
    port = viewer.grpc_port if protocol == "grpc" else viewer.http_port
    exporter = exporters.otlp(endpoint=f"http://127.0.0.1:{port}", protocol=protocol)
    with TelemetryBuilder("shop").with_exporter(exporter).build() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("test")
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            pass
    (trace,) = client.get("/api/traces").json()["traces"]
    assert (trace["root"], trace["service"], trace["spans"]) == ("outer", "shop", 2)


@pytest.fixture(scope="session")
def node_senders(tmp_path_factory):
    """OpenTelemetry for Node, installed from npm by a lock file; skips where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node is not there")
    directory = tmp_path_factory.mktemp("node") / "senders"
    shutil.copytree(NODE, directory)
    installed = subprocess.run(  # noqa: PLW1510 - a failure is looked at below
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=110,
    )
    if installed.returncode:
        pytest.skip(f"npm cannot install: {installed.stderr[-500:]}")
    return directory


def test_exporters_of_node(viewer, client, node_senders):
    """JSON and protocol buffers over HTTP, and gRPC."""
    subprocess.run(
        [
            "node",
            "send.mjs",
            f"http://127.0.0.1:{viewer.http_port}",
            f"http://127.0.0.1:{viewer.grpc_port}",
        ],
        cwd=node_senders,
        check=True,
        timeout=60,
    )
    traces = {trace["service"]: trace for trace in client.get("/api/traces").json()["traces"]}
    assert sorted(traces) == ["node-grpc", "node-json", "node-proto"]
    for name in ("json", "proto", "grpc"):
        trace = traces[f"node-{name}"]
        assert trace["root"] == f"GET /{name}"
        assert trace["errors"] == 1
        path = f"/api/traces/{trace['id']}"
        _, columns = read_skeleton(client.get(f"{path}/skeleton").content)
        span = client.get(f"{path}/spans/{columns['id'][0]:016x}").json()
        attributes = {of["key"]: (of["type"], of["value"]) for of in span["attributes"]}
        assert attributes["text"] == ("string", "é")
        assert attributes["int"] == ("int", "7")
        assert attributes["double"] == ("double", 0.5)
        assert [event["name"] for event in span["events"]] == ["cache miss", "exception"]
