"""What the tests talk to a viewer with."""

from __future__ import annotations

import json
import struct
import time
from array import array
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.viewer.traffic import pairs
from tracekit._viewer.server import Viewer

T = TypeVar("T")
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
_TYPES = {"u64": "Q", "f64": "d", "i32": "i", "u32": "I", "u16": "H", "u8": "B"}


def client_of(viewer: Viewer) -> httpx.Client:
    """A client with the viewer's token, on the port of the page."""
    return httpx.Client(
        base_url=f"http://127.0.0.1:{viewer.port}",
        headers={"Authorization": f"Bearer {viewer.token.value}"},
        timeout=30.0,
    )


def eventually(get: Callable[[], T], wanted: Callable[[T], object], timeout: float = 20.0) -> T:
    """Ask until the answer is the wanted one."""
    deadline = time.monotonic() + timeout
    while True:
        answer = get()
        if wanted(answer):
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)


def make_span(
    trace: int = 1,
    span: int = 1,
    parent: int = 0,
    start: int = 1_000,
    end: int = 2_000,
    **others: Any,
) -> Span:
    """A span with the given numbers as ids."""
    attributes = others.pop("attributes", {})
    return Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=span.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        name=others.pop("name", "work"),
        attributes=pairs(attributes),
        **others,
    )


def request_of(*spans: Span, service: str = "shop") -> ExportTraceServiceRequest:
    """A request with spans of one service."""
    request = ExportTraceServiceRequest()
    of = request.resource_spans.add()
    of.resource.attributes.extend(pairs({"service.name": service}))
    of.scope_spans.add().spans.extend(spans)
    return request


def post(viewer: Viewer, *spans: Span, service: str = "shop") -> httpx.Response:
    """Send spans over HTTP."""
    return httpx.post(
        f"http://127.0.0.1:{viewer.http_port}/v1/traces",
        content=request_of(*spans, service=service).SerializeToString(),
        headers=PROTOBUF,
        timeout=30.0,
        verify=False,  # There is no TLS, and reading the certificates of the system takes a while.
    )


def read_skeleton(data: bytes) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The header and the columns of a skeleton."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    place = 4 + length
    columns = {}
    for column in header["columns"]:
        assert place % 8 == 0
        values: array[Any] = array(_TYPES[column["type"]])
        count = header["events" if column["name"].startswith("event_") else "spans"]
        values.frombytes(data[place : place + count * values.itemsize])
        columns[column["name"]] = values.tolist()
        place += -(-count * values.itemsize // 8) * 8
    assert place == len(data)
    return header, columns
