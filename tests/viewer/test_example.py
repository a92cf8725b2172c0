"""`make view`: the viewer with the example service and visitors of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import partial
from typing import Any

import httpx
import pytest

from tests.pages import ROOT
from tests.viewer.clients import eventually

FREE_PORTS = ("--port", "0", "--grpc-port", "0", "--http-port", "0")


@pytest.mark.timeout(180)
def test_the_example_fills_the_viewer() -> None:
    """It prints the address; errors, slow requests and a process pool arrive; Ctrl-C ends it."""
    with subprocess.Popen(
        [sys.executable, "-m", "examples.user_service.view", *FREE_PORTS],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("OTEL_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            printed = ""
            while "Ctrl-C" not in printed:
                printed += process.stdout.readline()  # type: ignore[union-attr]
                assert process.poll() is None, process.stderr.read()  # type: ignore[union-attr]
            address, token = re.search(r"page\s+(http://\S+)/\?token=(\S+)", printed).groups()  # type: ignore[union-attr]
            with httpx.Client(
                base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30.0
            ) as client:

                def count(query: str) -> int:
                    answer: dict[str, Any] = client.get(
                        "/api/traces", params={"query": query}
                    ).json()
                    return len(answer["traces"])

                for query in (
                    "service:visitors",
                    "service:user-service error",
                    "service:user-service duration>150ms",
                    "service:primes name:count_primes",
                ):
                    eventually(partial(count, query), bool, timeout=60.0)
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (0, "") == (process.returncode, complaints)
