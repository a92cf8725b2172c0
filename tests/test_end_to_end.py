"""One program, with its spans followed to real receivers over every transport."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.trace import SpanContext, TraceFlags

import tracekit
from tests.receivers import GrpcReceiver, HttpReceiver, SpanView, view_spans
from tracekit import event, exporters, instrument, span

pytestmark = pytest.mark.usefixtures("global_telemetry")

CALLER = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


@instrument("handle", kind="server", skip=["body"], fields={"size": lambda body: len(body)})
def handle(body, *, token):
    with span("lookup", {"cache.key": "naïve ☃"}, hit=False):
        event("miss", tries=2)
    try:
        store(body)
    except ValueError:
        return "refused"


@instrument("store", target="shop.db", ret=True)
def store(body):
    raise ValueError("no room")


@instrument("request", parent=CALLER, links=[CALLER])
def request():
    handle([1, 2, 3], token="t")


def run(exporter, **options):
    with tracekit.init_telemetry("shop", exporter=exporter, resource={"tier": "web"}, **options):
        request()


def check(spans: list[SpanView]) -> None:
    by_name = {one.name: one for one in spans}
    assert {"request", "handle", "lookup", "store"} == set(by_name)
    outer, middle, lookup, store = (
        by_name[name] for name in ("request", "handle", "lookup", "store")
    )
    assert {f"{0xABC:032x}"} == {one.trace_id for one in spans}
    assert f"{0xDEF:016x}" == outer.parent_id
    assert outer.span_id == middle.parent_id
    assert middle.span_id == lookup.parent_id
    assert middle.span_id == store.parent_id
    assert "SERVER" == middle.kind
    assert "INTERNAL" == store.kind
    assert [(f"{0xABC:032x}", f"{0xDEF:016x}", {})] == outer.links
    assert {"token": "[redacted]", "size": 3} == own(middle.attributes)
    assert {"cache.key": "naïve ☃", "hit": False} == own(lookup.attributes)
    assert [("miss", {"level": "INFO", "tries": 2})] == lookup.events
    assert ("ERROR", "ValueError: no room") == store.status
    ((name, attributes),) = store.events
    assert "exception" == name
    assert "ValueError" == attributes["exception.type"]
    assert "no room" == attributes["exception.message"]
    assert 'raise ValueError("no room")' in attributes["exception.stacktrace"]
    assert __name__ == outer.scope[0]
    assert "shop.db" == store.scope[0]
    for one in spans:
        assert "shop" == one.resource["service.name"]
        assert "web" == one.resource["tier"]
        assert "service.instance.id" in one.resource
        assert one.start <= one.end
    assert f"{__name__}.store" == store.attributes["code.function.name"]


def own(attributes):
    return {k: v for k, v in attributes.items() if not k.startswith(("code.", "thread."))}


def test_over_grpc(grpc_receiver: GrpcReceiver):
    """Every span arrives whole."""
    run(exporters.otlp(endpoint=grpc_receiver.endpoint))
    check(grpc_receiver.wait_for_spans(4))


def test_over_http(http_receiver: HttpReceiver):
    """Every span arrives whole."""
    run(exporters.otlp(protocol="http", endpoint=http_receiver.endpoint))
    check(http_receiver.wait_for_spans(4))


def test_the_endpoint_of_the_environment(monkeypatch, grpc_receiver: GrpcReceiver):
    """The environment names the endpoint."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", grpc_receiver.endpoint)
    run("otlp")
    check(grpc_receiver.wait_for_spans(4))


def test_the_environment_alone(monkeypatch, http_receiver: HttpReceiver):
    """An endpoint and a protocol in the environment are enough."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", http_receiver.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    run(None)
    check(http_receiver.wait_for_spans(4))


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_at_a_receiver_of_another_project(agent_receiver, protocol):
    """Datadog's test agent accepts both protocols and returns what it understood."""
    endpoint = {"grpc": agent_receiver.grpc_endpoint, "http": agent_receiver.http_endpoint}
    run(exporters.otlp(protocol=protocol, endpoint=endpoint[protocol]))
    check(agent_receiver.spans)


@pytest.mark.parametrize(("protocol", "receiver"), [("grpc", GrpcReceiver), ("http", HttpReceiver)])
def test_through_tls_with_an_api_key(tls, protocol, receiver):
    """Spans arrive through TLS with a private authority, compressed, with an API key."""
    with receiver(tls=tls, api_key="sesame") as running:
        run(
            exporters.otlp(
                protocol=protocol,
                endpoint=running.endpoint,
                certificate=tls.authority,
                headers={"x-api-key": "sesame"},
                compression="gzip",
            )
        )
        check(running.wait_for_spans(4))


def test_into_a_file(tmp_path):
    """The lines parse as OTLP."""
    path = tmp_path / "spans.jsonl"
    run(f"file:{path}")
    received = []
    for line in path.read_text().splitlines():
        data = json.loads(line)
        for spans in data["resourceSpans"]:
            for scope in spans["scopeSpans"]:
                for one in scope["spans"]:
                    for holder in (one, *one.get("links", [])):
                        for name in ("traceId", "spanId", "parentSpanId"):
                            if name in holder:
                                holder[name] = to_base64(holder[name])
        received += view_spans(json_format.ParseDict(data, TracesData()).resource_spans)
    check(received)


def to_base64(text: str) -> str:
    import base64

    return base64.b64encode(bytes.fromhex(text)).decode()


def test_to_several_at_once(grpc_receiver: GrpcReceiver, http_receiver: HttpReceiver):
    """Each exporter receives every span, the same ones."""
    run(
        [
            exporters.otlp(endpoint=grpc_receiver.endpoint),
            exporters.otlp(protocol="http", endpoint=http_receiver.endpoint),
        ]
    )
    both = [one.wait_for_spans(4) for one in (grpc_receiver, http_receiver)]
    for spans in both:
        check(spans)
    assert sorted(one.span_id for one in both[0]) == sorted(one.span_id for one in both[1])
    assert [asdict(one)["start"] for one in both[0]] == [asdict(one)["start"] for one in both[1]]
