"""What the viewer's server takes: CPU for a span that it receives, memory, time for large traces.

Each row is compared with its budget. The server runs in a process of its own; its CPU time and its
memory are read from /proc.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from bench.interleaved import Figure, Size
from bench.results import Row

SPANS_PER_REQUEST = 512
SPANS_PER_TRACE = 50
MEGABYTE = 1_000_000
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A viewer in a process of its own."""

    process: int
    url: str
    token: str
    endpoint: str

    def cpu(self) -> float:
        """Return the CPU seconds of the process."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, of: str = "VmRSS") -> int:
        """Return the bytes in memory: now, or with "VmHWM" the most so far."""
        for line in Path(f"/proc/{self.process}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == of:
                return int(value.split()[0]) * 1024
        raise RuntimeError(of)

    def get(self, path: str) -> bytes:
        request = urllib.request.Request(
            f"{self.url}{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request) as response:
            return bytes(response.read())

    def get_json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def send(self, requests: Iterator[bytes]) -> int:
        """Send requests over four calls at a time; return how many spans were stored by them."""
        before = self.get_json("/api/status")["spans"]
        with grpc.insecure_channel(self.endpoint) as channel:
            export = channel.unary_unary(EXPORT)
            waiting: list[grpc.Future] = []
            for request in requests:
                waiting.append(export.future(request))
                if len(waiting) == 4:
                    waiting.pop(0).result()
            for each in waiting:
                each.result()
        return int(self.get_json("/api/status")["spans"]) - before


@contextmanager
def running() -> Iterator[Server]:
    """Start a viewer with a database on disk, and stop it afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        ports = ("--port", "0", "--grpc-port", "0", "--http-port", "0")
        database = ("--db", f"{directory}/spans.db", "--max-spans", "3M", "--max-bytes", "3G")
        command = [sys.executable, "-m", "tracekit._viewer.command", "view", "--no-open"]
        with subprocess.Popen(
            [*command, *ports, *database], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            addresses: list[str] = []
            while len(addresses) < 3:
                addresses += [w for w in process.stdout.readline().split() if "://" in w]
            url, _, token = addresses[0].partition("/?token=")
            try:
                yield Server(process.pid, url, token, addresses[1].removeprefix("http://"))
            finally:
                process.terminate()


def requests_of(count: int, per_trace: int) -> Iterator[bytes]:
    """Encode requests as SDKs send them: 512 spans of six attributes, children first."""
    made = random.Random(per_trace)
    left: list[bytes] = []
    trace = parent = b""
    keys = ("code.function.name", "code.file.path", "thread.name", "http.route")
    texts = ("shop.orders.place", "/app/shop/orders.py", "MainThread", "/orders/{id}")
    common = [
        KeyValue(key=key, value=AnyValue(string_value=text))
        for key, text in zip(keys, texts, strict=True)
    ]
    now = 1_790_000_000_000_000_000
    for number in range(count):
        request = ExportTraceServiceRequest()
        of_resource = request.resource_spans.add()
        of_resource.resource.attributes.add(key="service.name").value.string_value = "shop"
        spans = of_resource.scope_spans.add().spans
        for place in range(SPANS_PER_REQUEST):
            if not left:
                trace = made.randbytes(16)
                left = [made.randbytes(8) for _ in range(per_trace)]
                parents = list(left)
            depth = len(left) - 1
            span_id = left.pop()
            parent = parents[(depth - 1) // 4] if depth else b""
            now += 1_000
            span = spans.add(
                trace_id=trace,
                span_id=span_id,
                parent_span_id=parent,
                name=f"operation {depth % 40}",
                kind=1,
                start_time_unix_nano=now - 20_000 * (1 + depth % 7),
                end_time_unix_nano=now,
                attributes=common,
            )
            span.attributes.add(key="code.line.number").value.int_value = 42
            span.attributes.add(key="order.id").value.int_value = number * 512 + place
        yield request.SerializeToString()


def received(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """One million spans in traces of fifty, over gRPC: CPU a span, and memory.

    The lowest of twenty turns is what it takes where nothing else runs: on a shared machine, a CPU
    second of one program does less while another uses the same core's other thread.
    """
    wanted = size(2_000, 1)
    turns = 20
    what = "viewer, CPU a span, received over gRPC and stored"
    with running() as server:
        # Encoded before, and the first of them not counted: the process has just started.
        requests = list(requests_of(wanted.calls + 20, SPANS_PER_TRACE))
        server.send(iter(requests[:20]))
        taken = []
        count = max(1, wanted.calls // turns)
        for begin in range(20, len(requests), count):
            turn = requests[begin : begin + count]
            before = server.cpu()
            stored = server.send(iter(turn))
            taken.append((server.cpu() - before) / stored * 1e9)
            assert stored == len(turn) * SPANS_PER_REQUEST
        figure = Figure.of(taken)
        budget = 1e9 / 60_000
        yield Row(
            what,
            "its budget",
            budget,
            figure.middle,
            figure.middle / budget,
            figure.spread / budget,
        )
        yield against(f"{what}, lowest", budget, min(taken))
        yield against(
            "viewer, memory with a million spans stored", 200 * MEGABYTE, server.memory(), "B"
        )


def large_traces(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Traces of 100,000 and a million spans: the time until the page has the skeleton."""
    wanted = size(1_000_000, 1)
    for spans, budget in ((100_000, 500), (1_000_000, 3_000)):
        count = max(1, min(spans, wanted.calls) // SPANS_PER_REQUEST)
        with running() as server:
            server.send(requests_of(count, count * SPANS_PER_REQUEST))
            (trace,) = server.get_json("/api/traces")["traces"]
            assert trace["spans"] == count * SPANS_PER_REQUEST
            begin, cpu = time.perf_counter(), server.cpu()
            server.get(f"/api/traces/{trace['id']}/skeleton")
            wall, cpu = time.perf_counter() - begin, server.cpu() - cpu
            what = f"viewer, skeleton of {spans:,} spans"
            yield against(f"{what}, time", budget * 1e6, wall * 1e9)
            yield against(f"{what}, CPU", budget * 1e6, cpu * 1e9)
            most = server.memory("VmHWM")
            yield against(f"{what}, most memory", 200 * MEGABYTE, most, "B")


def against(what: str, budget: float, value: float, unit: str = "ns") -> Row:
    """Compare with a budget: a ratio below one meets it."""
    return Row(what, "its budget", budget, value, value / budget, 0.0, unit=unit)
