"""Searches over HTTP, as the page asks for them."""

from __future__ import annotations

import pytest

from tests.viewer.clients import make_span, post
from tracekit._viewer.server import Viewer


@pytest.fixture
def shop(viewer: Viewer) -> Viewer:
    """Two services, three roots, one error."""
    post(
        viewer,
        make_span(1, 1, name="GET /users", start=1000, end=1900, attributes={"http.route": "/u"}),
        make_span(1, 2, 1, name="query", start=1100, end=1200, attributes={"db.rows": 7}),
        make_span(2, 1, name="GET /users", start=2000, end=2100, status={"code": 1}),
        make_span(3, 1, name="POST /orders", start=3000, end=9000),
    )
    post(
        viewer,
        make_span(3, 2, 1, name="charge", start=3100, end=3200, status={"code": 2}),
        service="payments",
    )
    return viewer


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [3, 2, 1]),
        ("service:payments", [3]),
        ('name:"get *"', [2, 1]),
        ("error", [3]),
        ("db.rows>=7", [1]),
        ("query or charge", [3, 1]),
        ("root:*orders -service:shop", [3]),
        ("trace.errors=0", [2, 1]),
        ("nothing", []),
    ],
)
def test_the_list(shop, client, query, expected):
    answer = client.get("/api/traces", params={"query": query}).json()
    assert [int(trace["id"], 16) for trace in answer["traces"]] == expected
    assert answer["total"] == 3
    assert answer["done"]


def test_a_page_of_a_search_and_the_next(shop, client):
    first = client.get("/api/traces", params={"query": "users", "limit": 1}).json()
    assert [int(trace["id"], 16) for trace in first["traces"]] == [2]
    assert first["done"]
    assert first["looked_at"] == 2
    parameters = {"query": "users", "limit": 1, "cursor": first["cursor"]}
    second = client.get("/api/traces", params=parameters).json()
    assert [int(trace["id"], 16) for trace in second["traces"]] == [1]


@pytest.mark.parametrize(
    "path", ["/api/traces", "/api/durations", "/api/facets", f"/api/traces/{1:032x}/search"]
)
def test_a_query_that_does_not_parse(shop, client, path):
    """The answer has the place of the error."""
    answer = client.get(path, params={"query": "a duration>5"})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": "`duration` needs a number and a unit, such as 50ms or 1.5s",
        "start": 11,
        "end": 12,
    }


def test_points_of_a_search(shop, client):
    answer = client.get("/api/durations", params={"query": "users"}).json()
    assert answer["duration"] == [100, 900]
    assert answer["done"]


def test_facets(shop, client):
    """Services, roots and statuses of all traces, or of those that a query finds."""
    answer = client.get("/api/facets").json()
    assert answer == {
        "services": [{"value": "shop", "count": 3}, {"value": "payments", "count": 1}],
        "roots": [{"value": "GET /users", "count": 2}, {"value": "POST /orders", "count": 1}],
        "status": [
            {"value": "error", "count": 1},
            {"value": "ok", "count": 1},
            {"value": "unset", "count": 1},
        ],
        "looked_at": 3,
        "total": 3,
        "done": True,
    }
    some = client.get("/api/facets", params={"query": "service:payments"}).json()
    assert some["services"] == [{"value": "shop", "count": 1}, {"value": "payments", "count": 1}]
    assert some["status"] == [{"value": "error", "count": 1}]


def test_rows_of_a_trace(shop, client):
    answer = client.get(f"/api/traces/{1:032x}/search", params={"query": "db.rows=7"}).json()
    assert answer == {"rows": [1], "looked_at": 2, "total": 2, "done": True}


@pytest.mark.parametrize(
    ("typed", "replaced", "expected"),
    [
        ("", "", "service:"),
        ("serv", "serv", "service:"),
        ("pay", "pay", "service:payments"),
        ("error service:", "", "payments"),
        ("error service:pa", "pa", "payments"),
        ('name:"get', '"get', '"GET /users"'),
        ("name:get", "get", '"GET /users"'),
        ("http", "http", "http.route="),
        ("http.route=", "", "/u"),
        ("level>=w", "w", "warn"),
        ("status:", "", "error"),
        ("db.rows=", "", "7"),
    ],
)
def test_completion(shop, client, typed, replaced, expected):
    """What is stored completes services, names, keys and values."""
    answer = client.get("/api/complete", params={"query": typed, "position": len(typed)}).json()
    assert typed[answer["start"] : answer["end"]] == replaced
    assert expected in [item["text"] for item in answer["items"]]


def test_completion_in_the_middle(shop, client):
    """The whole value is replaced, and what follows it stays."""
    answer = client.get("/api/complete", params={"query": "service:pa error", "position": 9}).json()
    assert (answer["start"], answer["end"]) == (8, 10)
    assert answer["items"][0]["text"] == "payments"
