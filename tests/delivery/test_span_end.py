"""What the thread that ends a span does: it appends the span, and seldom more."""

from __future__ import annotations

import pytest

from tests.delivery.pipelines import (
    TIMEOUT,
    ScriptedExporter,
    end_spans,
    processor_of,
    stats,
    wait_for_failures,
)
from tracekit import ExporterStats


@pytest.fixture
def record_checks(monkeypatch):
    """Record each time that the end of a span does more than to append it."""

    def record(telemetry):
        processor = processor_of(telemetry)
        check, calls = processor._check_queue, []

        def record_and_check(span):
            calls.append(span)
            check(span)

        monkeypatch.setattr(processor, "_check_queue", record_and_check)
        return calls

    return record


def test_most_ends_only_append(make, sizes, record_checks):
    """The first span, a full batch, and each span beyond the capacity need more."""
    sizes(queue=300, batch=100, delay=3_600_000)
    exporter = ScriptedExporter()
    exporter.may_continue.clear()
    telemetry = make(exporter)
    calls = record_checks(telemetry)
    found = []
    for count in (1, 98, 1):
        end_spans(telemetry, count)
        found.append(len(calls))
    exporter.wait_for_call()
    for count in (99, 1, 200, 3):
        end_spans(telemetry, count)
        found.append(len(calls))
    assert [1, 1, 2, 2, 3, 3, 6] == found
    assert ExporterStats(dropped=3, waiting=400) == stats(telemetry)
    exporter.may_continue.set()
    for _ in range(3):
        exporter.wait_for_call()


def test_ends_in_an_outage_only_append(make, sizes, record_checks):
    """Only a span beyond the capacity needs more, and it does not wake the export thread."""
    sizes(queue=300, batch=100)
    exporter = ScriptedExporter("retry")
    exporter.last_pause = 200.0
    telemetry = make(exporter)
    end_spans(telemetry)
    wait_for_failures(telemetry, 1)
    calls = record_checks(telemetry)
    end_spans(telemetry, 299)
    assert [] == calls
    end_spans(telemetry, 2)
    assert 2 == len(calls)
    assert ExporterStats(dropped=2, waiting=300) == stats(telemetry)
    assert not processor_of(telemetry)._worker._is_woken


def test_a_span_that_ends_during_a_shutdown_is_dropped(make, sizes):
    """Otherwise a steady load would keep the shutdown from its end."""
    exporter = ScriptedExporter()
    exporter.may_continue.clear()
    telemetry = make(exporter)
    ids = end_spans(telemetry, 2)
    exporter.wait_for_call()
    wait = processor_of(telemetry).begin_shutdown()
    end_spans(telemetry, 5)
    assert ExporterStats(dropped=5, waiting=2) == stats(telemetry)
    exporter.may_continue.set()
    wait(TIMEOUT)
    assert ids == exporter.accepted
    assert ExporterStats(exported=2, dropped=5) == stats(telemetry)
