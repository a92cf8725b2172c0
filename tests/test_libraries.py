"""Instrumentation libraries: switched on with a set-up, and off with it."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

import tracekit
from tracekit import ConfigurationError, exporters, span

pytestmark = pytest.mark.usefixtures("global_telemetry")


def work():
    with span("work"):
        pass


def names(memory):
    return [one.name for one in memory.spans]


def test_libraries_are_on_until_the_shutdown():
    """A library that was on before stays on."""

    def query():
        engine = sqlalchemy.create_engine("sqlite://")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))
        engine.dispose()

    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, libraries=["sqlalchemy"]):
        query()
    assert ["connect", "select"] == [one.name.split()[0] for one in memory.spans][:2]
    query()
    assert 2 == len(memory.spans)


def test_libraries_of_a_replaced_set_up_are_taken_over():
    """A library of both set-ups stays on; one that only the first names is switched off."""
    seen = []
    for libraries in (["sqlalchemy"], "sqlalchemy", "auto", None):
        tracekit.init_telemetry("test", exporter="memory", libraries=libraries)
        seen.append(SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry)
    assert [True, True, True, False] == seen


def test_a_library_with_a_version_conflict_is_refused(monkeypatch):
    """With the reason: the instrumentation itself would only log it and stay off."""
    monkeypatch.setattr(
        SQLAlchemyInstrumentor, "instrumentation_dependencies", lambda self: ["sqlalchemy > 99"]
    )
    with pytest.raises(ConfigurationError, match=r"'sqlalchemy' cannot be switched on.*> 99"):
        tracekit.init_telemetry("test", exporter="memory", libraries=["sqlalchemy"])
    with span("work") as current:
        assert not current.is_recording()


def test_auto_leaves_out_libraries_with_a_version_conflict(monkeypatch, caplog):
    """The conflict is logged, and the other libraries are switched on."""
    monkeypatch.setattr(
        SQLAlchemyInstrumentor, "instrumentation_dependencies", lambda self: ["sqlalchemy > 99"]
    )
    with (
        caplog.at_level(logging.WARNING),
        tracekit.init_telemetry("test", exporter="memory", libraries="auto"),
    ):
        assert FastAPIInstrumentor().is_instrumented_by_opentelemetry
        assert not SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry
    assert 1 == sum("sqlalchemy stays off" in record.getMessage() for record in caplog.records)


def test_a_library_that_fails_switches_all_off_again(monkeypatch):
    """Nothing is installed."""

    def fail(self, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(SQLAlchemyInstrumentor, "_instrument", fail)
    with pytest.raises(ConfigurationError, match="'sqlalchemy' failed to switch on"):
        tracekit.init_telemetry("test", exporter="memory", libraries=["fastapi", "sqlalchemy"])
    assert not FastAPIInstrumentor().is_instrumented_by_opentelemetry


class Instrumentor:
    """An instrumentor whose methods in `fails` raise."""

    def __init__(self, name, fails=()):
        self.name = name
        self.fails = fails
        self.is_instrumented_by_opentelemetry = False

    def instrument(self):
        if "instrument" in self.fails:
            raise RuntimeError("no")
        self.is_instrumented_by_opentelemetry = True

    def uninstrument(self):
        if "uninstrument" in self.fails:
            raise RuntimeError("no")
        self.is_instrumented_by_opentelemetry = False


@pytest.fixture
def instrumentors(monkeypatch):
    """Two instrumentors that work, and one for each method that fails."""
    made = {name: Instrumentor(name) for name in ("a", "b")}
    made["broken"] = Instrumentor("broken", fails=("instrument",))
    made["stuck"] = Instrumentor("stuck", fails=("uninstrument",))
    monkeypatch.setattr("tracekit._setup.libraries._find", made.__getitem__)
    return made


def are_on(instrumentors):
    return [name for name, one in instrumentors.items() if one.is_instrumented_by_opentelemetry]


def test_a_second_set_up_that_fails_leaves_the_libraries_of_the_first_on(instrumentors):
    """Also those that only the first set-up names."""
    memory = exporters.memory()
    with tracekit.init_telemetry("one", exporter=memory, libraries=["a", "b"]) as telemetry:
        with pytest.raises(ConfigurationError, match="'broken' failed"):
            tracekit.init_telemetry("two", exporter="memory", libraries=["a", "broken"])
        assert ["a", "b"] == are_on(instrumentors)
        work()
        assert telemetry.flush(5.0)
    assert ["work"] == names(memory)
    assert [] == are_on(instrumentors)


def test_a_library_that_cannot_be_switched_off_does_not_stop_the_shutdown(
    instrumentors, tmp_path, caplog
):
    """The failure is logged, the other libraries are switched off, and spans are delivered."""
    path = tmp_path / "spans.jsonl"
    libraries = ["stuck", "a"]
    telemetry = tracekit.init_telemetry("test", exporter=f"file:{path}", libraries=libraries)
    work()
    assert telemetry.shutdown(5.0)
    assert 1 == path.read_text().count('"name":"work"')
    assert ["stuck"] == are_on(instrumentors)
    assert ["libraries: 'stuck' failed to switch off: RuntimeError('no')"] == caplog.messages


def test_a_first_set_up_that_fails_leaves_no_global_provider(instrumentors):
    """Another provider can be set."""
    with pytest.raises(ConfigurationError, match="'broken' failed"):
        tracekit.init_telemetry("test", exporter="memory", libraries=["broken"])
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
