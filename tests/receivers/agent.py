"""A receiver of another project, Datadog's `ddapm-test-agent`, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from typing_extensions import Self

from tests.receivers.answers import deadline
from tests.receivers.spans import SpanView, view_spans

if TYPE_CHECKING:
    from types import TracebackType

# Its requirement opentelemetry-proto<1.37 keeps it out of the environment of the tests.
REQUIREMENT = "ddapm-test-agent==1.69.1"
_SECONDS_TO_START = 60


def find_command() -> list[str] | None:
    """Return the command that starts the agent; None if this machine has none.

    `TRACEKIT_TEST_AGENT` names the executable; else one on the path counts, else `uv` fetches it
    into an environment apart.
    """
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    named = os.environ.get("TRACEKIT_TEST_AGENT")
    if found := shutil.which(named or "ddapm-test-agent", path=beside):
        return [found]
    if uv := shutil.which("uv", path=beside):
        return [uv, "tool", "run", "--quiet", "--from", REQUIREMENT, "ddapm-test-agent"]
    return None


class AgentReceiver:
    """The agent with three ports of the loopback interface."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._ports = _free_ports(3)
        self._files = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def grpc_endpoint(self) -> str:
        """URL for OTLP over gRPC."""
        return f"http://127.0.0.1:{self._ports[1]}"

    @property
    def http_endpoint(self) -> str:
        """URL for OTLP over HTTP, without a path."""
        return f"http://127.0.0.1:{self._ports[2]}"

    @property
    def spans(self) -> list[SpanView]:
        """The spans that have arrived since the last `clear()`, over either protocol."""
        requests = json.loads(self._get("/test/session/traces"))
        messages = [json_format.ParseDict(request, TracesData()) for request in requests]
        return [span for message in messages for span in view_spans(message.resource_spans)]

    def clear(self) -> None:
        """Forget the spans that have arrived."""
        self._get("/test/session/clear")

    def __enter__(self) -> Self:
        directory = self._files.enter_context(tempfile.TemporaryDirectory())
        log = self._files.enter_context((Path(directory) / "log").open("w+b"))
        main, grpc_port, http_port = map(str, self._ports)
        ports = ["-p", main, "--otlp-grpc-port", grpc_port, "--otlp-http-port", http_port]
        self._process = subprocess.Popen(
            [*self._command, *ports, "--snapshot-dir", directory], stdout=log, stderr=log
        )
        try:
            self._wait_until_ready()
        except BaseException as error:
            self.__exit__(None, None, None)
            if isinstance(error, OSError):
                raise RuntimeError("the test agent does not start") from error
            raise
        return self

    def _wait_until_ready(self) -> None:
        left = deadline(_SECONDS_TO_START)
        while True:
            try:
                self.clear()
                break
            except OSError:
                if left() < 0 or not self._runs_on():
                    raise
        with grpc.insecure_channel(self.grpc_endpoint.removeprefix("http://")) as channel:
            grpc.channel_ready_future(channel).result(timeout=max(left(), 1))

    def _runs_on(self) -> bool:
        assert self._process is not None
        try:
            self._process.wait(0.1)
        except subprocess.TimeoutExpired:
            return True
        return False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._files.close()

    def _get(self, path: str) -> bytes:
        # Straight to the loopback interface, whatever proxy the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.http_endpoint + path, timeout=5) as response:
            content: bytes = response.read()
        return content


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
