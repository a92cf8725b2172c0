"""What `import tracekit` takes, in fresh processes that find their bytecode.

Python keeps the bytecode of every module that it has once imported, unless the environment forbids
it, as it does in many containers. So the processes here run without `PYTHONDONTWRITEBYTECODE`, and
keep their bytecode in a folder of their own, which is filled before anything is counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

from bench.interleaved import Size, Turns
from bench.results import Row, ratio_row

THEIRS = "import opentelemetry.trace"
OURS = ("import tracekit", "from tracekit import instrument, span")
# The start of the interpreter is not counted: it would make any two imports alike.
PROGRAM = """\
import time
begun = time.process_time_ns()
{statement}
print(time.process_time_ns() - begun)
"""


def import_time(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """The CPU time of the import, against that of OpenTelemetry's API, which it includes."""
    taken: dict[str, list[float]] = {statement: [] for statement in (THEIRS, *OURS)}
    with tempfile.TemporaryDirectory() as bytecode:
        for statement in taken:
            _run(statement, bytecode)
        for _ in range(size(1, 21).rounds):
            for statement, times in taken.items():
                times.append(_run(statement, bytecode))
    turns = Turns(taken)
    for statement in OURS:
        yield ratio_row(statement, turns, statement, to=THEIRS, unit="ms")


def _run(statement: str, bytecode: str) -> float:
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return int(done.stdout) / 1e6
