"""The requests for flushes that the export worker keeps."""

from __future__ import annotations

import threading

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tracekit._delivery.batch_schedule import BatchSettings
from tracekit._delivery.export_worker import ExportWorker
from tracekit._delivery.exporter_calls import ExclusiveExporter
from tracekit._delivery.span_queue import SpanQueue
from tracekit._delivery.stats import ExporterHealth, SpanCounts


@pytest.fixture
def queue():
    return SpanQueue(2, SpanCounts())


@pytest.fixture
def worker(queue):
    """A worker whose thread does not run."""
    exporter = ExclusiveExporter(InMemorySpanExporter(), "memory")
    health = ExporterHealth("memory")
    return ExportWorker(exporter, queue, BatchSettings(), health, threading.RLock())


def request_flush(worker):
    with worker.changed:
        return worker.request_flush()


def test_a_flush_is_due_when_all_spans_before_it_have_left(worker, queue):
    """Younger spans that were dropped meanwhile do not count for it."""
    queue.waiting.extend("ab")
    batch = queue.take(2)
    position = request_flush(worker)
    queue.waiting.extend("cdef")
    queue.drop_excess()
    worker._flush_if_due()
    assert [position] == list(worker._flushes)
    queue.settle(batch, 2)
    worker._flush_if_due()
    assert worker.wait_for_flush(position, 0)


def test_a_flush_replaces_those_that_no_thread_waits_for(worker, queue):
    """So they do not accumulate during an outage."""
    positions = []
    for span in "abc":
        queue.waiting.append(span)
        positions.append(request_flush(worker))
        if span == "b":
            assert not worker.wait_for_flush(positions[-1], 0)
    assert [positions[0], positions[2]] == list(worker._flushes)


def test_a_flush_for_which_no_thread_can_be_started_is_not_done(worker, queue):
    """`export_here` answers all requests, also those that it could not fulfil."""
    queue.waiting.append("a")
    queue.take(1)
    position = request_flush(worker)
    worker.export_here()
    assert not worker.wait_for_flush(position, 10)
