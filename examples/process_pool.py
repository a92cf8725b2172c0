"""A pool of processes whose work is part of the trace: `python -m examples.process_pool`.

The workers are set up like the process that started them, and deliver their own spans.
"""

from __future__ import annotations

import multiprocessing
import sys

import tracekit
from tracekit import instrument
from tracekit.executors import ProcessPoolExecutor


@instrument(ret=True)
def count_primes(below: int) -> int:
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, below))


@instrument
def survey(limits: list[int], start_method: str) -> list[int]:
    context = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(max_workers=2, mp_context=context) as pool:
        return list(pool.map(count_primes, limits))


if __name__ == "__main__":
    with tracekit.init_telemetry("primes"):
        survey([100, 1000], sys.argv[1] if len(sys.argv) > 1 else "spawn")
