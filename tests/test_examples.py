"""The short examples, run as their users run them, with their spans sent to a receiver."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.pages import ROOT
from tests.receivers import GrpcReceiver

EXAMPLES = {
    "thread_pool": ("upload", {"resize": 2}, ""),
    "process_pool": ("survey", {"count_primes": 2}, ""),
    "process_pool fork": ("survey", {"count_primes": 2}, ""),
    "process_pool forkserver": ("survey", {"count_primes": 2}, ""),
    "subprocess_child": ("convert", {"render": 1}, ""),
    "dask_cluster": ("compute", {"square": 3}, "distributed"),
}


@pytest.mark.parametrize(("name", "expected"), EXAMPLES.items(), ids=EXAMPLES)
def test_an_example_is_one_trace(name, expected):
    """Its spans all arrive, below the one that began the trace, and nothing is complained about."""
    root_name, children, needs = expected
    if needs:
        pytest.importorskip(needs, reason=f"{needs} is not installed")
    module, *arguments = name.split()
    with GrpcReceiver() as receiver:
        done = subprocess.run(
            [sys.executable, "-m", f"examples.{module}", *arguments],
            cwd=ROOT,
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        spans = receiver.spans
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    (root,) = [span for span in spans if span.parent_id is None]
    below = [span.name for span in spans if span.parent_id == root.span_id]
    assert root_name == root.name
    assert children == {one: below.count(one) for one in below}
    assert 1 + len(below) == len(spans)
    assert {root.trace_id} == {span.trace_id for span in spans}
