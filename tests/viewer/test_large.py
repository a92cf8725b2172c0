"""Large traces and many traces, within the bound on memory.

TRACEKIT_VIEWER_SPANS=1000000 makes them as large as the viewer promises.
"""

from __future__ import annotations

import math
import os

import pytest

from bench.viewer import SPANS_PER_REQUEST, requests_of, running
from tests.viewer.clients import read_skeleton

SPANS = int(os.environ.get("TRACEKIT_VIEWER_SPANS", "50000"))
REQUESTS = SPANS // SPANS_PER_REQUEST
MOST_MEMORY = 200_000_000


@pytest.mark.timeout(600)
def test_one_large_trace():
    """A trace of a million spans is served whole, in bounded memory, and its last span too."""
    count = REQUESTS * SPANS_PER_REQUEST
    with running() as server:
        assert server.send(requests_of(REQUESTS, count)) == count
        (trace,) = server.get_json("/api/traces")["traces"]
        path = f"/api/traces/{trace['id']}"
        header, columns = read_skeleton(server.get(f"{path}/skeleton"))
        assert header["spans"] == trace["spans"] == count
        assert columns["start"] == sorted(columns["start"])
        assert columns["parent"].count(-1) == 1
        assert min(columns["parent"]) == -1
        span = server.get_json(f"{path}/spans/{columns['id'][-1]:016x}")
        assert span["id"] == f"{columns['id'][-1]:016x}"
        assert server.memory("VmHWM") < MOST_MEMORY


@pytest.mark.timeout(600)
def test_many_traces():
    """A million spans in traces of fifty take bounded memory, and every page can be got."""
    count = REQUESTS * SPANS_PER_REQUEST
    with running() as server:
        assert server.send(requests_of(REQUESTS, 50)) == count
        seen: set[str] = set()
        spans, cursor = 0, ""
        while cursor is not None:
            page = server.get_json(f"/api/traces?limit=1000&sort=duration&cursor={cursor}")
            seen.update(trace["id"] for trace in page["traces"])
            spans += sum(trace["spans"] for trace in page["traces"])
            cursor = page["cursor"]
        assert len(seen) == math.ceil(count / 50)
        assert spans == count
        assert server.memory("VmHWM") < MOST_MEMORY
