"""Receivers that fail in every way, over gRPC and over HTTP."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest

from tests.delivery.pipelines import (
    RECOVERS,
    RETRIES,
    TIME_RAN_OUT,
    TIMEOUT,
    Load,
    arrived,
    end_spans,
    messages,
    stats,
    wait_for_failures,
)
from tests.receivers import Accept, GrpcReceiver, Hang, HttpReceiver, Refuse
from tracekit import ExporterStats, exporters

BUSY = {"grpc": grpc.StatusCode.UNAVAILABLE, "http": 503}
UNAUTHENTICATED = {"grpc": grpc.StatusCode.UNAUTHENTICATED, "http": 401}


def test_a_receiver_that_is_killed_under_load_and_restarted(telemetry, receiver):
    """No span is lost. Those that were being sent when it was killed can arrive twice."""
    with Load(telemetry) as load:
        receiver.wait_for_spans(200, TIMEOUT)
        receiver.kill()
        wait_for_failures(telemetry, 3)
        load.wait_for(500)
        receiver.start()
        load.wait_for(500)
    assert telemetry.shutdown(TIMEOUT)
    assert ExporterStats(exported=len(load.ids)) == stats(telemetry)
    assert set(load.ids) == set(arrived(receiver))


def test_an_outage_in_which_the_queue_fills_up(sizes, make, short_backoff, receiver, protocol):
    """The oldest spans are dropped. The newest arrive in order after the outage."""
    sizes(queue=300, batch=100)
    telemetry = make(exporters.otlp(protocol=protocol, endpoint=receiver.endpoint))
    before = end_spans(telemetry, 50)
    assert telemetry.flush(TIMEOUT)
    receiver.kill()
    with Load(telemetry) as load:
        wait_for_failures(telemetry, 5)
        load.wait_for(600)
        wait_for_failures(telemetry, 10)
    receiver.start()
    assert not telemetry.shutdown(TIMEOUT)
    lost = len(load.ids) - 300
    assert ExporterStats(exported=350, dropped=lost) == stats(telemetry)
    assert before + load.ids[lost:] == arrived(receiver)


def test_a_receiver_that_is_slower_than_spans_end(telemetry, receiver):
    """The spans wait."""
    receiver.otherwise = Accept(after=0.02)
    with Load(telemetry) as load:
        load.wait_for(1500)
    assert telemetry.shutdown(TIMEOUT)
    assert ExporterStats(exported=len(load.ids)) == stats(telemetry)
    assert load.ids == arrived(receiver)


def test_a_receiver_that_rejects_every_batch(unscheduled, receiver, protocol, caplog):
    """Each batch is sent once and counted as failed. The reason is logged once."""
    receiver.otherwise = Refuse(UNAUTHENTICATED[protocol], "who are you?")
    for _ in range(5):
        end_spans(unscheduled, 10)
        assert not unscheduled.flush(TIMEOUT)
    assert ExporterStats(failed=50) == stats(unscheduled)
    assert 5 == receiver.attempts
    assert [] == receiver.spans
    (message,) = caplog.messages
    assert "did not deliver 10 spans: " in message
    assert "who are you?" in message


def test_a_receiver_that_fails_every_second_time(unscheduled, receiver, protocol):
    """Every span arrives once and in order."""
    receiver.script(*[Refuse(BUSY[protocol], "busy"), Accept()] * 20)
    ids = list(itertools.chain(*(end_spans(unscheduled, 100) for _ in range(20))))
    assert unscheduled.shutdown(TIMEOUT)
    assert ExporterStats(exported=2000) == stats(unscheduled)
    assert ids == arrived(receiver)
    assert 40 == receiver.attempts


def test_a_receiver_that_accepts_batches_in_part(unscheduled, receiver):
    """The spans that it rejects are counted as failed and are not sent again."""
    receiver.script(Accept(rejected=3, message="too old"), Accept(), Accept(rejected=100))
    for _ in range(3):
        end_spans(unscheduled, 100)
        unscheduled.flush(TIMEOUT)
    unscheduled.shutdown(TIMEOUT)
    assert ExporterStats(exported=197, failed=103) == stats(unscheduled)
    assert 3 == receiver.attempts


def test_a_receiver_that_hangs(telemetry, receiver):
    """A thread that ends a span never waits for it, however many spans end."""
    receiver.script(Hang())
    ids = end_spans(telemetry, 100)
    receiver.wait_for_attempts(1, TIMEOUT)
    ids += end_spans(telemetry, 10_000)
    assert [] == receiver.spans
    assert ExporterStats(waiting=10_100) == stats(telemetry)
    receiver.release()
    assert telemetry.shutdown(TIMEOUT)
    assert ids == arrived(receiver)
    assert ExporterStats(exported=10_100) == stats(telemetry)


def test_the_timeout_of_an_export(monkeypatch, make, sizes, short_backoff, receiver, protocol):
    """`OTEL_BSP_EXPORT_TIMEOUT` ends a call that hangs, and the batch is sent again."""
    monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "1000")
    exporter = exporters.otlp(protocol=protocol, endpoint=receiver.endpoint, timeout=600.0)
    telemetry = make(exporter)
    receiver.script(Hang())
    ids = end_spans(telemetry, 5)
    assert telemetry.flush(TIMEOUT)
    assert ExporterStats(exported=5) == stats(telemetry)
    assert receiver.attempts > 1
    assert set(ids) == set(arrived(receiver))


def test_a_shutdown_in_an_outage(telemetry, receiver, caplog):
    """It keeps its deadline. The spans that still wait are dropped and counted."""
    receiver.kill()
    end_spans(telemetry, 250)
    assert not telemetry.flush(0.2)
    assert ExporterStats(waiting=250) == stats(telemetry)
    assert not telemetry.shutdown(0.2)
    assert ExporterStats(dropped=250) == stats(telemetry)
    assert [RETRIES, TIME_RAN_OUT] == messages(caplog)


@pytest.mark.parametrize("operation", ["flush", "shutdown"])
def test_a_receiver_that_starts_while_a_thread_waits(operation, telemetry, receiver):
    """A flush and a shutdown retry until their deadline."""
    receiver.kill()
    ids = end_spans(telemetry, 5)
    results = []
    wait = getattr(telemetry, operation)
    thread = threading.Thread(target=lambda: results.append(wait(TIMEOUT)))
    thread.start()
    wait_for_failures(telemetry, 3)
    receiver.start()
    thread.join(TIMEOUT)
    assert [True] == results
    assert ids == arrived(receiver)


class ReceiverProcess:
    """A receiver in a process of its own, which uses the same port after each restart."""

    def __init__(self, protocol, path):
        self._protocol, self._path = protocol, path
        self.port = "0"

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def ids(self):
        return self._path.read_text().split() if self._path.exists() else []

    def start(self):
        arguments = [self._protocol, self.port, str(self._path)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.receiver_program", *arguments],
            cwd=Path(__file__).parent.parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = self._process.stdout.readline().strip()

    def kill(self):
        self._process.kill()
        self._process.communicate()


def test_a_receiver_process_that_is_killed_repeatedly(
    make, sizes, short_backoff, protocol, tmp_path
):
    """No span is lost, whatever the process does when it is killed."""
    receiver = ReceiverProcess(protocol, tmp_path / "ids")
    receiver.start()
    telemetry = make(exporters.otlp(protocol=protocol, endpoint=receiver.endpoint))
    try:
        with Load(telemetry) as load:
            for _ in range(3):
                load.wait_for(300)
                receiver.kill()
                wait_for_failures(telemetry, 2)
                receiver.start()
        assert telemetry.shutdown(TIMEOUT)
        assert ExporterStats(exported=len(load.ids)) == stats(telemetry)
        assert set(load.ids) == set(receiver.ids)
    finally:
        receiver.kill()


# In seconds. The default is longer than the official exporters retry.
OUTAGE = float(os.environ.get("TRACEKIT_AWAY_SECONDS", "11.5"))


@pytest.mark.timeout(120 + OUTAGE)
def test_an_outage_with_default_settings(make, caplog):
    """Over both protocols at once, every span arrives once and in order after the outage."""
    caplog.set_level("INFO")
    with GrpcReceiver() as one, HttpReceiver() as other:
        receivers = [(one, "grpc"), (other, "http")]
        telemetry = make(
            [exporters.otlp(protocol=name, endpoint=where.endpoint) for where, name in receivers]
        )
        ids = end_spans(telemetry, 10)
        assert telemetry.flush(TIMEOUT)
        one.kill()
        other.kill()
        ids += end_spans(telemetry, 600)
        is_over = threading.Event()

        def work():
            while not is_over.wait(0.05):
                ids.extend(end_spans(telemetry))

        load = threading.Thread(target=work)
        load.start()
        assert not telemetry.flush(OUTAGE)
        one.start()
        other.start()
        is_over.set()
        load.join()
        assert telemetry.flush(TIMEOUT)
        exported = ExporterStats(exported=len(ids))
        assert [exported] * 2 == list(telemetry.stats.exporters.values())
        assert ids == arrived(one)
        assert ids == arrived(other)
    assert sorted([RETRIES, RECOVERS] * 2) == sorted(messages(caplog))
