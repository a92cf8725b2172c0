"""Fixtures of the tests of delivery: receivers, batch sizes, and telemetry with one exporter."""

from __future__ import annotations

import pytest

from tests.receivers import GrpcReceiver, HttpReceiver
from tracekit import TelemetryBuilder, exporters
from tracekit._delivery import batch_schedule

RECEIVERS = {"grpc": GrpcReceiver, "http": HttpReceiver}


@pytest.fixture(autouse=True)
def _no_otlp_environment(no_otlp_environment):
    """Remove the variables that set OTLP up."""


@pytest.fixture(params=["grpc", "http"])
def protocol(request):
    return request.param


@pytest.fixture
def receiver(protocol):
    with RECEIVERS[protocol]() as running:
        yield running
        running.release()


@pytest.fixture
def short_backoff(monkeypatch):
    """Let an outage of some seconds include many attempts."""
    monkeypatch.setattr(batch_schedule, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(batch_schedule, "MAX_DELAY", 0.05)


@pytest.fixture
def sizes(monkeypatch):
    """Set the sizes of the queue and of a batch, and a short schedule delay."""

    def put(queue=100_000, batch=100, delay=10):
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", str(queue))
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(batch))
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", str(delay))

    put()
    return put


@pytest.fixture
def make(request):
    """Make telemetry with an exporter, and shut it down after the test."""

    def make(exporter):
        telemetry = TelemetryBuilder("pipeline").with_exporter(exporter).build()
        request.addfinalizer(lambda: telemetry.shutdown(0.1))
        return telemetry

    return make


@pytest.fixture
def telemetry(make, sizes, short_backoff, receiver, protocol):
    return make(exporters.otlp(protocol=protocol, endpoint=receiver.endpoint))


@pytest.fixture
def unscheduled(make, sizes, short_backoff, receiver, protocol):
    """Telemetry that sends a batch only when it is full or flushed."""
    sizes(delay=3_600_000)
    return make(exporters.otlp(protocol=protocol, endpoint=receiver.endpoint))
