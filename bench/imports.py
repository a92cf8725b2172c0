"""What `import tracekit` takes, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

from bench.interleaved import Size, Turns
from bench.results import Row, ratio_row

THEIRS, OURS = "opentelemetry.trace", "tracekit"
# The start of the interpreter is not counted: it would make any two imports alike.
PROGRAM = """\
import time
begun = time.process_time_ns()
import {module}
print(time.process_time_ns() - begun)
"""


def import_time(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """The CPU time of the import, against that of OpenTelemetry's API, which it includes."""
    taken: dict[str, list[float]] = {THEIRS: [], OURS: []}
    for module in taken:
        _import(module)
    for _ in range(size(1, 21).rounds):
        for module, times in taken.items():
            times.append(_import(module))
    yield ratio_row("import tracekit", Turns(taken), OURS, to=THEIRS, unit="ms")


def _import(module: str) -> float:
    program = PROGRAM.format(module=module)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return int(done.stdout) / 1e6
