"""Requests are those of OpenTelemetry's own exporters, header by header and byte by byte."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass

import grpc
import pytest
from hpack import Decoder
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as OfficialGrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as OfficialHttpExporter,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.receivers import GrpcReceiver, HttpReceiver, Relay, finished_spans
from tracekit._otlp.grpc import OtlpGrpcExporter
from tracekit._otlp.http import OtlpHttpExporter

pytestmark = pytest.mark.usefixtures("no_otlp_environment")

HEADERS = {"x-api-key": "k=1, 2", "x-tenant": "shop"}
# The specification leaves the name of the exporter to the exporter.
OWN = {"user-agent"}
# The time that is left when the request is sent.
VARYING = {"grpc-timeout"}


@dataclass
class Request:
    """A request as a receiver finds it on the wire.

    Attributes:
        start: The method, the target and the version.
        headers: By name in lower case, without those that may differ.
        framing: What precedes the message in the body.
        message: The message in protobuf's deterministic form: the order of fields is free.
        user_agent: What identifies the exporter.
    """

    start: list[str]
    headers: dict[str, str]
    framing: bytes
    message: bytes
    user_agent: str


def canonical(message: bytes) -> bytes:
    request = ExportTraceServiceRequest.FromString(message)
    return request.SerializeToString(deterministic=True)


def parse_http(sent: bytes) -> Request:
    head, _, body = bytes(sent).partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert len(lines) == len(headers)
    assert len(body) == int(headers["content-length"])
    encoding = headers.get("content-encoding")
    if encoding is not None:
        # The length of a compressed body follows from the order of fields in the message.
        del headers["content-length"]
    decode = {None: bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}[encoding]
    return Request(
        start=start.split(" "),
        headers={name: value for name, value in headers.items() if name not in OWN},
        framing=b"",
        message=canonical(decode(body)),
        user_agent=headers["user-agent"],
    )


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA_FRAME, HEADERS_FRAME = 0, 1
PADDED, PRIORITY, END_HEADERS = 0x8, 0x20, 0x4


def frames(sent: bytes):
    """Type, flags and payload of each HTTP/2 frame (RFC 9113, section 4.1)."""
    assert sent.startswith(PREFACE)
    rest = sent[len(PREFACE) :]
    while rest:
        size = int.from_bytes(rest[:3], "big")
        yield rest[3], rest[4], rest[9 : 9 + size]
        rest = rest[9 + size :]


def parse_grpc(sent: bytes) -> Request:
    pairs: list[tuple[str, str]] = []
    body = b""
    for kind, flags, payload in frames(bytes(sent)):
        if kind == HEADERS_FRAME:
            assert END_HEADERS == flags & (END_HEADERS | PADDED | PRIORITY)
            pairs += Decoder().decode(payload)
        elif kind == DATA_FRAME:
            assert 0 == flags & PADDED
            body += payload
    headers = dict(pairs)
    assert len(pairs) == len(headers)
    assert "grpc-timeout" in headers
    is_compressed, size, message = body[0], int.from_bytes(body[1:5], "big"), body[5:]
    assert len(message) == size
    pseudo = {name: value for name, value in headers.items() if name.startswith(":")}
    return Request(
        start=[f"{name} {value}" for name, value in sorted(pseudo.items())],
        headers={
            name: value
            for name, value in headers.items()
            if name not in OWN | VARYING | pseudo.keys()
        },
        framing=body[:1],
        message=canonical(gzip.decompress(message) if is_compressed else message),
        user_agent=headers["user-agent"],
    )


def official_grpc(endpoint, compression, headers):
    known = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
    return OfficialGrpcExporter(
        endpoint=endpoint, compression=known[compression], headers=tuple(headers.items())
    )


def official_http(endpoint, compression, headers):
    return OfficialHttpExporter(
        endpoint=f"{endpoint}/v1/traces", compression=Compression(compression), headers=headers
    )


PROTOCOLS = {
    "grpc": (GrpcReceiver, parse_grpc, official_grpc, OtlpGrpcExporter),
    "http": (HttpReceiver, parse_http, official_http, OtlpHttpExporter),
}


@pytest.mark.parametrize(
    ("protocol", "compression"),
    [("grpc", "none"), ("grpc", "gzip"), ("http", "none"), ("http", "gzip"), ("http", "deflate")],
)
@pytest.mark.parametrize("headers", [{}, HEADERS], ids=["plain", "headers"])
def test_a_request_is_the_official_one(protocol, compression, headers):
    """The same spans make the same request, but for the User-Agent and what is left of the time."""
    make_receiver, parse, official, own = PROTOCOLS[protocol]
    spans = finished_spans()
    with make_receiver() as receiver, Relay(receiver.endpoint) as relay:
        for make in (official, own):
            exporter = make(endpoint=relay.endpoint, compression=compression, headers=headers)
            assert SpanExportResult.SUCCESS == exporter.export(spans)
            exporter.shutdown()
        expected, actual = map(parse, relay.sent)
    assert actual.user_agent.startswith("tracekit-OTLP-Exporter-Python/")
    assert expected.start == actual.start
    assert expected.headers == actual.headers
    assert headers.items() <= actual.headers.items()
    assert expected.framing == actual.framing
    assert expected.message == actual.message
