"""OTLP over gRPC."""

from __future__ import annotations

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from tests.viewer.clients import make_span, request_of


@pytest.fixture
def channel(viewer):
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{viewer.grpc_port}", options=options) as opened:
        yield opened


def names(client):
    return [trace["root"] for trace in client.get("/api/traces").json()["traces"]]


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_traces(client, channel, compression):
    """A request is stored before it is answered, compressed or not."""
    response = TraceServiceStub(channel).Export(
        request_of(make_span(name="one", attributes={"text": "x" * 1000})), compression=compression
    )
    assert response.partial_success.rejected_spans == 0
    assert names(client) == ["one"]


def test_malformed_spans_are_counted(client, channel):
    """The answer counts spans without valid ids."""
    bad = make_span(span=2)
    bad.span_id = bytes(8)
    response = TraceServiceStub(channel).Export(request_of(make_span(name="good"), bad))
    assert response.partial_success.rejected_spans == 1
    assert "span id of 8 bytes" in response.partial_success.error_message
    assert names(client) == ["good"]


def test_logs(client, channel):
    """A log record is shown with its span; one without a trace is counted as not kept."""
    span = make_span()
    TraceServiceStub(channel).Export(request_of(span))
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    record = records.add(
        trace_id=span.trace_id, span_id=span.span_id, time_unix_nano=5, severity_number=17
    )
    record.body.string_value = "it failed"
    records.add(time_unix_nano=5)
    response = LogsServiceStub(channel).Export(request)
    assert response.partial_success.rejected_log_records == 0
    details = client.get(f"/api/traces/{span.trace_id.hex()}/spans/{span.span_id.hex()}").json()
    assert [(log["severity"], log["body"]["value"]) for log in details["logs"]] == [
        ("ERROR", "it failed")
    ]
    status = client.get("/api/status").json()
    assert status["logs"] == 1
    assert status["logs_not_kept"] == 1


def test_metrics_are_accepted_and_counted(client, channel):
    """Metrics are answered with success, and counted as not kept."""
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    MetricsServiceStub(channel).Export(request)
    assert client.get("/api/status").json()["metrics_not_kept"] == 1


def call(channel, body, compression=grpc.Compression.NoCompression, metadata=()):
    method = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    with pytest.raises(grpc.RpcError) as caught:
        method(body, timeout=20, compression=compression, metadata=metadata)
    return caught.value


def test_bad_requests(client, channel):
    """Bytes that are no request are refused, and the viewer goes on."""
    assert call(channel, b"\xff\xff\xff").code() == grpc.StatusCode.INVALID_ARGUMENT
    TraceServiceStub(channel).Export(request_of(make_span(name="after")))
    assert names(client) == ["after"]


def test_a_request_larger_than_the_default_of_grpc(client, channel):
    """GRPC's own limit of 4 MB is raised."""
    spans = [make_span(span=n + 1, attributes={"text": "x" * 60_000}) for n in range(100)]
    TraceServiceStub(channel).Export(request_of(*spans))
    assert client.get("/api/status").json()["spans"] == 100


def test_a_request_beyond_the_bound(channel):
    """A request of more than 32 MB is refused, also when it is small before decompression."""
    large = ExportTraceServiceRequest()
    large.resource_spans.add(schema_url="x" * 40_000_000)
    body = large.SerializeToString()
    assert call(channel, body).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    bomb = call(channel, body, grpc.Compression.Gzip)
    assert bomb.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "larger than" in bomb.details()


def test_requests_of_pages_are_refused(channel):
    """A call with an Origin comes from a page."""
    error = call(channel, b"", metadata=[("origin", "http://evil.example")])
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED


def test_hosts_that_are_not_this_machine(viewer):
    """A call for a rebound name is refused."""
    options = [("grpc.default_authority", "evil.example")]
    with grpc.insecure_channel(f"127.0.0.1:{viewer.grpc_port}", options=options) as channel:
        error = call(channel, b"")
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert "evil.example" in error.details()
