"""A program that starts another, in one trace: `python -m examples.subprocess_child`."""

from __future__ import annotations

import subprocess
import sys

import tracekit
from tracekit import instrument, propagation


@instrument
def convert(document: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "examples.subprocess_child", document],
        env=propagation.environ(),
        check=True,
    )


@instrument
def render(document: str) -> str:
    return document.upper()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with tracekit.init_telemetry("renderer"):
            render(sys.argv[1])
    else:
        with tracekit.init_telemetry("converter"):
            convert("letter.txt")
