"""An OTLP receiver over gRPC in a process of its own, which counts the spans that arrive.

`python -m bench.receiver` prints its port, and the number of spans for each line that it reads.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


class Receiver:
    """The receiver, as seen from the process that measures."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.endpoint = f"http://127.0.0.1:{self._answer()}"

    def count(self) -> int:
        """Return how many spans have arrived since the start."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def running() -> Iterator[Receiver]:
    """Start a receiver, and stop it afterwards."""
    command = [sys.executable, "-m", "bench.receiver"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        # Leaving closes its standard input, which ends it.
        yield Receiver(process)


class Counting(TraceServiceServicer):
    count = 0

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> Any:  # noqa: N802 - gRPC's name
        for resource_spans in request.resource_spans:
            self.count += sum(len(scope_spans.spans) for scope_spans in resource_spans.scope_spans)
        return ExportTraceServiceResponse()


def main() -> None:
    servicer = Counting()
    # One thread, so that the count needs no lock.
    server = grpc.server(ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(servicer, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    for _ in sys.stdin:
        print(servicer.count, flush=True)
    server.stop(0).wait()


if __name__ == "__main__":
    main()
