"""`exporter="viewer"` in a program."""

from __future__ import annotations

import logging
import pickle
import socket
import subprocess
import sys
import time

import pytest

import tracekit
from tests.viewer.clients import eventually
from tracekit._otlp.viewer_exporter import ViewerExporter

PROGRAM = """
import time, tracekit
telemetry = tracekit.init_telemetry("program", exporter="viewer")
with tracekit.span("work"):
    pass
began = time.monotonic()
telemetry.shutdown()
print(time.monotonic() - began < 1.5, telemetry.stats.exporters["viewer"].failed)
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_spans_arrive_while_the_program_runs(viewer, client, monkeypatch):
    """Without a flush, and with a delay of the batches that is not the default five seconds."""
    monkeypatch.setenv("TRACEKIT_VIEWER_ENDPOINT", f"http://127.0.0.1:{viewer.grpc_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    telemetry = tracekit.TelemetryBuilder("shop").with_exporter("viewer").build()
    with telemetry:
        tracer = telemetry.tracer_provider.get_tracer("shop.orders")
        began = time.monotonic()
        with tracer.start_as_current_span("place"):
            pass
        found = eventually(lambda: client.get("/api/traces").json()["traces"], bool, timeout=4)
        assert time.monotonic() - began < 4
        assert [(trace["service"], trace["root"]) for trace in found] == [("shop", "place")]
        assert telemetry.stats.exporters["viewer"].exported == 1


def test_silence_without_a_viewer():
    """A program ends at once, prints nothing, and has counted what was dropped."""
    environment = {"TRACEKIT_VIEWER_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=True,
    )
    assert done.stdout == "True 1\n"
    assert done.stderr == ""


def test_a_viewer_that_starts_later(caplog, monkeypatch):
    """Spans from then on arrive."""
    from tracekit._viewer.server import Settings, Viewer

    port = free_port()
    monkeypatch.setenv("TRACEKIT_VIEWER_ENDPOINT", f"http://127.0.0.1:{port}")
    caplog.set_level(logging.DEBUG, "tracekit")
    with tracekit.TelemetryBuilder("shop").with_exporter("viewer").build() as telemetry:
        tracer = telemetry.tracer_provider.get_tracer("shop")
        tracer.start_span("early").end()
        telemetry.flush()
        with Viewer(Settings(port=0, grpc_port=port, http_port=0)) as viewer:
            tracer.start_span("late").end()
            assert telemetry.flush()
            with viewer.store.reading() as reader:
                assert [trace.root for trace in reader.trace_page()] == ["late"]
    assert caplog.records == []


def test_pickling_and_forking_keep_the_endpoint():
    exporter = ViewerExporter("http://127.0.0.1:9")
    for other in (pickle.loads(pickle.dumps(exporter)), exporter.recreate()):
        assert other._endpoint == "http://127.0.0.1:9"
        other.shutdown()
    exporter.shutdown()


def test_an_address_that_is_not_one(monkeypatch):
    monkeypatch.setenv("TRACEKIT_VIEWER_ENDPOINT", "nowhere")
    with pytest.raises(tracekit.ConfigurationError, match=r"use .http://127\.0\.0\.1:4317"):
        tracekit.TelemetryBuilder("shop").with_exporter("viewer").build()
