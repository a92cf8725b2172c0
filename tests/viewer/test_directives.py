"""Directives for stored spans do in a program what the viewer says."""

from __future__ import annotations

import ast
import shlex

import pytest

import tracekit
from tests.viewer.clients import make_span, post
from tracekit import exporters


@pytest.fixture
def recorded(viewer, monkeypatch):
    """Record a program with spans of two modules; return what runs it again with a filter."""

    def run(directives: str) -> list[str]:
        memory = exporters.memory()
        builder = tracekit.TelemetryBuilder("shop").with_exporter(memory).with_filter(directives)
        telemetry = builder.build()
        with telemetry:
            orders = telemetry.tracer_provider.get_tracer("shop.orders")
            database = telemetry.tracer_provider.get_tracer("shop.db.pool")
            for number in (1, 2):
                with orders.start_as_current_span("place", attributes={"order.id": number}):
                    for _ in range(3):
                        with database.start_as_current_span("query {x}"):
                            pass
        spans = list(memory.spans)
        return [span.name for span in spans] if directives != "info" else spans

    import httpx
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    body = encode_spans(run("info")).SerializeToString()
    headers = {"Content-Type": "application/x-protobuf"}
    url = f"http://127.0.0.1:{viewer.http_port}/v1/traces"
    assert httpx.post(url, content=body, headers=headers).status_code == 200
    return run


def directive(client, query: str, mode: str) -> dict:
    trace = client.get("/api/traces", params={"query": query}).json()["traces"][0]["id"]
    spans = client.get(f"/api/traces/{trace}/export?format=chrome").json()["traceEvents"]
    name = "place" if "place" in query else "query {x}"
    span = next(event["args"]["span_id"] for event in spans if event["name"] == name)
    parameters = {"trace": trace, "span": span, "mode": mode}
    return client.get("/api/directive", params=parameters).json()


def filter_of(answer: dict) -> str:
    """The filter, which stands in all three forms."""
    (assignment,) = shlex.split(answer["environment"])
    text = assignment.removeprefix("TRACEKIT_FILTER=")
    assert ast.literal_eval(answer["filter"].removeprefix("filter=")) == text
    assert answer["set_filter"] == f"telemetry.set_filter({text!r})"
    assert str(tracekit.Filter(text)) == text
    return text


def test_silence_removes_what_it_says(client, recorded):
    answer = directive(client, 'name:"query*"', "silence")
    assert answer["directive"] == 'shop.db.pool["query {x}"]=off'
    assert (answer["removes"], answer["of"]) == (6, 8)
    assert recorded(filter_of(answer)) == ["place", "place"]


def test_request_keeps_one_request(client, recorded):
    answer = directive(client, 'name:"query*" order.id=2 or place order.id=2', "request")
    assert answer["directive"] == 'shop.orders[place{order.id="2"}]=trace'
    assert (answer["removes"], answer["of"]) == (4, 8)
    assert recorded(filter_of(answer)) == ["query {x}"] * 3 + ["place"]


def test_deepen_shows_every_level_inside(client, recorded):
    answer = directive(client, "name:place", "deepen")
    assert answer["directive"] == "shop.orders[place]=trace"
    assert answer["removes"] == 0
    assert len(recorded(filter_of(answer))) == 8


def test_a_scope_without_a_name_and_odd_texts(viewer, client):
    """Every name of a span makes a directive that parses."""
    name = 'a"b\\c{d}[e],=\n*'
    post(viewer, make_span(name=name), make_span(span=2, name=name), make_span(span=3))
    parameters = {"trace": f"{1:032x}", "span": f"{1:016x}", "mode": "silence"}
    answer = client.get("/api/directive", params=parameters).json()
    assert (answer["removes"], answer["of"]) == (2, 3)
    filter_of(answer)


def test_bad_requests(viewer, client):
    post(viewer, make_span())
    known = {"trace": f"{1:032x}", "span": f"{1:016x}"}
    for change, status in (
        ({"mode": "loud"}, 400),
        ({"trace": "x"}, 400),
        ({"trace": f"{9:032x}"}, 404),
        ({"span": f"{9:016x}"}, 404),
    ):
        assert client.get("/api/directive", params={**known, **change}).status_code == status
