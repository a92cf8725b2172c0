"""OTLP over HTTP."""

from __future__ import annotations

import gzip
import json
import zlib

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.viewer.clients import JSON, PROTOBUF, make_span, post, request_of


def url(viewer, signal="traces"):
    return f"http://127.0.0.1:{viewer.http_port}/v1/{signal}"


def names(client):
    return [trace["root"] for trace in client.get("/api/traces").json()["traces"]]


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("", bytes), ("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_protobuf_in_every_encoding(viewer, client, encoding, compress):
    """A request is stored before it is answered, compressed or not."""
    body = compress(request_of(make_span(name="one")).SerializeToString())
    headers = {**PROTOBUF, **({"Content-Encoding": encoding} if encoding else {})}
    response = httpx.post(url(viewer), content=body, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-protobuf"
    assert response.content == b""
    assert names(client) == ["one"]


def test_json(viewer, client):
    """JSON is answered with JSON."""
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "I'm a server span",
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": 1544712661000000000,
        "kind": "SPAN_KIND_SERVER",
        "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}],
    }
    data = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}], "unknown": 1}]}
    response = httpx.post(url(viewer), content=json.dumps(data), headers=JSON)
    assert response.status_code == 200
    assert response.json() == {}
    assert names(client) == ["I'm a server span"]


def test_malformed_spans_are_counted_and_the_rest_is_stored(viewer, client):
    """The answer counts spans without valid ids, and the status too."""
    short = make_span(span=2)
    short.trace_id = b"short"
    response = post(viewer, make_span(name="good"), short)
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_spans == 1
    assert "trace id of 16 bytes" in partial.error_message
    assert names(client) == ["good"]
    assert client.get("/api/status").json()["malformed"] == 1


def test_malformed_spans_in_json(viewer):
    """A span that does not convert is rejected alone."""
    good = {"traceId": "01" * 16, "spanId": "02" * 8, "name": "good"}
    bad = {"traceId": "not hexadecimal", "spanId": "02" * 8}
    data = {"resourceSpans": [{"scopeSpans": [{"spans": [good, bad]}]}]}
    response = httpx.post(url(viewer), content=json.dumps(data), headers=JSON)
    partial = response.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "non-hexadecimal" in partial["errorMessage"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400),
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b'{"resourceLogs": []}', JSON, 400),
        (b'{"resourceSpans": {}}', JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b"", {"Content-Type": "text/plain"}, 415),
        (b"", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b"", {}, 415),
        (b"not gzip", {**PROTOBUF, "Content-Encoding": "gzip"}, 415),
        (gzip.compress(b"", mtime=0)[:-4], {**PROTOBUF, "Content-Encoding": "gzip"}, 415),
        (b"", {**PROTOBUF, "Content-Encoding": "br"}, 415),
    ],
)
def test_bad_requests(viewer, client, body, headers, status):
    """A bad request is answered with what is wrong, and the viewer goes on."""
    response = httpx.post(url(viewer), content=body, headers=headers)
    assert response.status_code == status
    assert response.text
    assert post(viewer, make_span(name="after")).status_code == 200
    assert names(client) == ["after"]


def test_deeply_nested_values(viewer):
    """A value nested too deeply rejects its span, in JSON, and the request in protocol buffers."""
    value = {"stringValue": "deepest"}
    for _ in range(200):
        value = {"arrayValue": {"values": [value]}}
    span = {
        "traceId": "01" * 16,
        "spanId": "02" * 8,
        "attributes": [{"key": "deep", "value": value}],
    }
    data = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    response = httpx.post(url(viewer), content=json.dumps(data), headers=JSON)
    assert "nested deeper than 30" in response.json()["partialSuccess"]["errorMessage"]


def test_a_body_beyond_the_bound(viewer):
    """A body of more than 32 MB is refused by its length, and when it has none by what comes."""
    assert httpx.post(url(viewer), content=bytes(34_000_000), headers=PROTOBUF).status_code == 413

    def pieces():
        for _ in range(35):
            yield bytes(1_000_000)

    response = httpx.post(url(viewer), content=pieces(), headers=PROTOBUF, timeout=30)
    assert response.status_code == 413


def test_a_gzip_bomb(viewer):
    """A small body that becomes a large one is refused."""
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < 300_000
    headers = {**PROTOBUF, "Content-Encoding": "gzip"}
    assert httpx.post(url(viewer), content=bomb, headers=headers).status_code == 413
    # The same in many members.
    bomb = gzip.compress(bytes(10_000_000), 9) * 20
    assert httpx.post(url(viewer), content=bomb, headers=headers).status_code == 413


def test_metrics_are_accepted_and_counted(viewer, client):
    """Metrics are answered with success, and counted as not kept."""
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    response = httpx.post(
        url(viewer, "metrics"), content=request.SerializeToString(), headers=PROTOBUF
    )
    assert response.status_code == 200
    assert client.get("/api/status").json()["metrics_not_kept"] == 1


def test_only_posts_to_the_three_paths(viewer):
    """There is nothing else on the port of OTLP."""
    base = f"http://127.0.0.1:{viewer.http_port}"
    assert httpx.get(f"{base}/v1/traces").status_code == 405
    assert httpx.get(f"{base}/").status_code == 404
    assert httpx.get(f"{base}/api/status").status_code == 404
