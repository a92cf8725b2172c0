"""What the page shows of the store and the receivers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import tracekit

if TYPE_CHECKING:
    from tracekit._viewer.intake.lines import FileProgress
    from tracekit._viewer.intake.request_queue import RequestQueue
    from tracekit._viewer.store.store import Store


def describe_status(
    store: Store,
    queue: RequestQueue,
    files: Iterable[FileProgress],
    problem: str | None,
    endpoints: dict[str, str],
) -> dict[str, Any]:
    """Return the status.

    Args:
        store: The store.
        queue: The requests that wait.
        files: The files that are read.
        problem: Why the last commit failed, or None if it did not.
        endpoints: The addresses to send to, by protocol.
    """
    counts, limits = store.writer.counts, store.limits
    return {
        "version": tracekit.__version__,
        "spans": counts.spans,
        "traces": counts.traces,
        "logs": counts.logs,
        "bytes": store.bytes(),
        "limits": asdict(limits),
        "dropped": {
            "spans": counts.dropped_spans,
            "traces": counts.dropped_traces,
            "logs": counts.dropped_logs,
            "before": str(counts.dropped_before) if counts.dropped_before else None,
        },
        "duplicates": counts.duplicates,
        "malformed": counts.malformed,
        "cut_values": counts.cut_values,
        "metrics_not_kept": counts.metrics,
        "logs_not_kept": counts.logs_without_trace,
        "queue": {"bytes": queue.bytes, "limit": queue.limit},
        "problem": problem,
        "files": [asdict(each) for each in files],
        "database": str(store.path),
        "endpoints": endpoints,
    }
