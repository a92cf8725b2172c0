"""A program that fills a queue with spans: the one whose memory is measured.

`python -m bench.queued WAY SPANS METER` prints how many bytes more the process holds with the spans
in the queue. The queue is large enough, and no batch is due, as the environment says.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from bench import by_hand
from bench.pipelines import Pipeline, ours, sdk
from bench.subjects import work
from tracekit import instrument

STATM = Path("/proc/self/statm")


def resident() -> int:
    """The memory of the process that is in RAM; known on Linux."""
    pages = int(STATM.read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def traced() -> int:
    """What Python's allocators have given out."""
    return tracemalloc.get_traced_memory()[0]


METERS = {"resident": resident, "traced": traced}


def fill(pipeline: Pipeline, call: Callable[[int, str], object], spans: int) -> None:
    for number in range(spans):
        call(number, f"customer-{number}")
    if pipeline.exporters[0].count:
        raise RuntimeError("spans have left the queue before they were counted")


def measure(
    pipeline: Pipeline, call: Callable[[int, str], object], spans: int, meter: Callable[[], int]
) -> int:
    settle = pipeline.settle(1)
    fill(pipeline, call, 1_000)
    settle(1_000)
    gc.collect()
    before = meter()
    fill(pipeline, call, spans)
    gc.collect()
    held = meter() - before
    settle(spans)
    return held


def main() -> None:
    way, spans, meter = sys.argv[1], int(sys.argv[2]), METERS[sys.argv[3]]
    if meter is traced:
        tracemalloc.start()
    with sdk() if way == "sdk" else ours() as pipeline:
        call = by_hand.function(pipeline.tracer) if way == "sdk" else instrument(work)
        print(measure(pipeline, call, spans, meter))


if __name__ == "__main__":
    main()
