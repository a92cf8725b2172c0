"""The example `examples/user_service` with less noise, as its page shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from examples.user_service.process import run_service
from tests.pages import ROOT
from tests.receivers import GrpcReceiver
from tests.test_user_service import Exchange, clean_environment, exchange_of, roots_of

if TYPE_CHECKING:
    import httpx
else:
    httpx = pytest.importorskip("httpx", reason="httpx of the extra `examples` is missing")

WITHOUT_CONNECT = "info,opentelemetry.instrumentation.sqlalchemy[connect]=off"
WITHOUT_SEND = 'opentelemetry.instrumentation.fastapi["POST /users http send"]=off'
WITHOUT_INSERT_USER = "examples.user_service.database[insert_user]=off"
WITHOUT_SQL = "opentelemetry.instrumentation.sqlalchemy=off"


@pytest.fixture
def create(tmp_path):
    """Start the service with a filter, create a user over HTTP, and stop it."""

    def ask(directives: str) -> Exchange:
        with GrpcReceiver() as receiver:
            environment = clean_environment(
                DATABASE_URL=f"sqlite:///{tmp_path}/users.db",
                OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
                TRACEKIT_FILTER=directives,
            )
            with run_service(environment) as service:
                answer = httpx.post(
                    f"{service.url}/users", json={"name": "ada"}, trust_env=False, timeout=20
                )
            assert answer.status_code == 201
            assert [] == [span for span in receiver.spans if span.name == "connect"]
            return exchange_of(answer, receiver.spans)

    return ask


def messages(exchange: Exchange) -> list[str]:
    """The spans of ASGI messages, as the direction of each."""
    return sorted(
        span.name.removeprefix("POST /users http ")
        for span in exchange.spans
        if " http " in span.name
    )


def test_one_directive_leaves_the_connects_out_and_nothing_else(create):
    """The tree is whole, from the server's span to the SQL, with every message of ASGI."""
    exchange = create(WITHOUT_CONNECT)
    assert [("create_user", [("insert_user", [("INSERT", [])])])] == exchange.tree
    assert [exchange.server] == roots_of(exchange.spans)
    assert ["receive", "send", "send"] == messages(exchange)


def test_the_messages_of_a_route_can_be_left_out(create):
    """A directive names the span, which has its route in its name."""
    exchange = create(f"{WITHOUT_CONNECT},{WITHOUT_SEND}")
    assert [("create_user", [("insert_user", [("INSERT", [])])])] == exchange.tree
    assert ["receive"] == messages(exchange)


def test_what_is_inside_of_a_function_that_is_left_out(create):
    """Its SQL hangs below the handler, across the thread that it runs on."""
    exchange = create(f"{WITHOUT_CONNECT},{WITHOUT_INSERT_USER}")
    assert [("create_user", [("INSERT", [])])] == exchange.tree


def test_all_that_a_library_makes_can_be_left_out(create):
    """By the name of its instrumentation scope alone."""
    exchange = create(f"info,{WITHOUT_SQL}")
    assert [("create_user", [("insert_user", [])])] == exchange.tree


def test_the_page_shows_these_directives():
    """What is tested here is what a reader copies."""
    page = (ROOT / "examples/user_service/README.md").read_text(encoding="utf-8")
    section = page.partition("## Less noise\n")[2]
    assert f"TRACEKIT_FILTER='{WITHOUT_CONNECT}' make demo" in section
    for directive in (WITHOUT_SEND, WITHOUT_INSERT_USER, WITHOUT_SQL):
        assert f"| `{directive}` |" in section
    before, after = re.findall(r"^```text\n(.*?)^```$", section, re.M | re.S)
    assert (1, 0) == (before.count("─ connect "), after.count("─ connect "))
