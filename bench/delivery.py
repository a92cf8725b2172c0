"""The CPU time of the whole process for a span that is made, encoded and sent over OTLP.

Two processes over gRPC: one that makes spans, and a receiver that counts them. The time is that of
the first, of all its threads, less what the same calls take without spans.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

from bench.interleaved import Size, Turns
from bench.pipelines import NotRecordedError
from bench.receiver import Receiver, running
from bench.results import BY_HAND, TRACEKIT, Row, ratio_row

WAYS = {BY_HAND: "sdk", TRACEKIT: "tracekit"}


def whole_process(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Against the SDK with the official exporter."""
    wanted = size(10_000, 9)
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    with running() as receiver:
        for _ in range(wanted.rounds):
            without = _send(receiver, "nothing", wanted.calls)
            for name, way in WAYS.items():
                spent = _send(receiver, way, wanted.calls) - without
                taken[name].append(spent / wanted.calls)
    yield ratio_row("whole-process CPU a span, sent over OTLP", Turns(taken))


def _send(receiver: Receiver, way: str, spans: int) -> int:
    before = receiver.count()
    done = subprocess.run(
        [sys.executable, "-m", "bench.sender", way, str(spans)],
        env={
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
        },
        capture_output=True,
        check=True,
        text=True,
    )
    # The spans that warm the process up are sent as well.
    expected = 0 if way == "nothing" else 2 * spans
    if (arrived := receiver.count() - before) != expected:
        raise NotRecordedError(f"{arrived} spans of {way} arrived, and not {expected}")
    return int(done.stdout)
