"""Instrumentation libraries on our provider, beside the SDK's."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("opentelemetry.instrumentation.sqlalchemy")
pytest.importorskip("opentelemetry.instrumentation.fastapi")

import warnings

import sqlalchemy as sa
from fastapi import FastAPI, HTTPException
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

with warnings.catch_warnings():
    # What the test client says of its own dependencies is not ours to hear.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

from tests.side_by_side.sides import assert_same

SAMPLERS = pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def instrument_engine():
    """Instrument an engine with a provider, and take it back."""
    instrumentor = SQLAlchemyInstrumentor()
    yield lambda engine, provider: instrumentor.instrument(engine=engine, tracer_provider=provider)
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def make_engine():
    # The connection is made in the thread of the application, and closed in that of the test.
    arguments = {"check_same_thread": False}
    return sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool, connect_args=arguments)


def use_database(side, engine):
    """Statements that succeed, that fail, and that stand in a span of the program."""
    with engine.connect() as connection, side.tracer.start_as_current_span("request"):
        connection.execute(sa.text("create table users (id integer, name text)"))
        insert = sa.text("insert into users values (:id, :name)")
        connection.execute(insert, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
        side.note(connection.execute(sa.text("select count(*) from users")).scalar())
        side.attempt(run_badly, connection)
        connection.rollback()


def run_badly(connection):
    try:
        connection.execute(sa.text("select * from nowhere"))
    except sa.exc.OperationalError as error:
        raise LookupError(type(error).__name__) from None


@SAMPLERS
def test_sqlalchemy(sampler, instrument_engine):
    """The spans of SQLAlchemy's instrumentation are the same."""

    def script(side):
        engine = make_engine()
        instrument_engine(engine, side.provider)
        use_database(side, engine)
        engine.dispose()
        SQLAlchemyInstrumentor().uninstrument()

    side = assert_same(script, sampler=lambda side: sampler)
    assert (sampler is ALWAYS_ON) == ("select" in {span.name.lower() for span in side.ended})


def make_application(side):
    application = FastAPI()

    @application.get("/users/{number}")
    async def get_user(number: int):
        trace.get_current_span().set_attribute("user", number)
        if number == 0:
            raise HTTPException(404, "no such user")
        if number < 0:
            raise ValueError("no such number")
        with side.tracer.start_as_current_span("inside"):
            return {"number": number}

    return application


@SAMPLERS
def test_fastapi(sampler):
    """The spans of FastAPI's instrumentation are the same."""

    def script(side):
        application = make_application(side)
        FastAPIInstrumentor.instrument_app(application, tracer_provider=side.provider)
        with TestClient(application, raise_server_exceptions=False) as client:
            for path in ("/users/1", "/users/0", "/users/-1", "/users/x", "/elsewhere"):
                side.note(client.get(path).status_code)
            side.note(client.get("/users/2", headers={"traceparent": TRACEPARENT}).status_code)
        FastAPIInstrumentor.uninstrument_app(application)

    side = assert_same(script, sampler=lambda side: sampler)
    assert [200, 404, 500, 422, 404, 200] == side.noted
    assert (sampler is ALWAYS_ON) == ("GET /users/{number}" in {s.name for s in side.ended})


def test_a_database_behind_a_web_application(instrument_engine):
    """The spans of both libraries are in one tree."""

    def script(side):
        engine = make_engine()
        instrument_engine(engine, side.provider)
        application = make_application(side)

        @application.get("/all")
        async def get_all():
            use_database(side, engine)

        FastAPIInstrumentor.instrument_app(application, tracer_provider=side.provider)
        with TestClient(application) as client:
            side.note(client.get("/all").status_code)
        FastAPIInstrumentor.uninstrument_app(application)
        SQLAlchemyInstrumentor().uninstrument()
        engine.dispose()

    assert 1 == len({span.context.trace_id for span in assert_same(script).ended} - {None})
