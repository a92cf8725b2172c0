"""The memory of a span that waits in the queue."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

from bench.delivery import WAYS
from bench.interleaved import Size, Turns
from bench.queued import METERS, STATM
from bench.results import Row, ratio_row

MORE_THAN_ALL = "1000000"
AN_HOUR = "3600000"
NO_BATCH_IS_DUE = {
    "OTEL_BSP_MAX_QUEUE_SIZE": MORE_THAN_ALL,
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": MORE_THAN_ALL,
    "OTEL_BSP_SCHEDULE_DELAY": AN_HOUR,
}


def queued(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A queue of 100,000, against the SDK's: what the process holds, and what Python counts."""
    wanted = size(100_000, 3)
    # A few would find room in pages that the process has already.
    spans = max(wanted.calls, 2_000)
    for meter in METERS:
        if meter == "resident" and not STATM.exists():
            continue
        taken: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(wanted.rounds):
            for name, way in WAYS.items():
                taken[name].append(_fill(way, spans, meter) / spans)
        yield ratio_row(f"memory a queued span, {meter}", Turns(taken), unit="B")


def _fill(way: str, spans: int, meter: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "bench.queued", way, str(spans), meter],
        env={**os.environ, **NO_BATCH_IS_DUE},
        capture_output=True,
        check=True,
        text=True,
    )
    return int(done.stdout)
