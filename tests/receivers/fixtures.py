"""Fixtures of the receivers; `tests/conftest.py` imports all of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.receivers.agent import AgentReceiver, find_command
from tests.receivers.grpc_server import GrpcReceiver
from tests.receivers.http_server import HttpReceiver
from tests.receivers.tls import TlsMaterial, make_tls_material

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "agent_receiver",
    "grpc_receiver",
    "http_receiver",
    "no_otlp_environment",
    "running_agent",
    "tls",
]


@pytest.fixture
def grpc_receiver() -> Iterator[GrpcReceiver]:
    """A receiver over gRPC, in plain text."""
    with GrpcReceiver() as receiver:
        yield receiver


@pytest.fixture
def http_receiver() -> Iterator[HttpReceiver]:
    """A receiver over HTTP, in plain text."""
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsMaterial:
    """Files of a private authority, a server and a client."""
    return make_tls_material(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def no_otlp_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables of OTLP exporters from the environment."""
    for name in tuple(os.environ):
        if name.startswith("OTEL_EXPORTER_OTLP_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def running_agent() -> Iterator[AgentReceiver]:
    """The receiver of another project, started once; skips if it cannot be started."""
    command = find_command()
    if command is None:
        pytest.skip("neither ddapm-test-agent nor uv is there")
    try:
        agent = AgentReceiver(command).__enter__()
    except RuntimeError as error:
        pytest.skip(str(error))
    yield agent
    agent.__exit__(None, None, None)


@pytest.fixture
def agent_receiver(running_agent: AgentReceiver) -> AgentReceiver:
    """The receiver of another project, without spans."""
    running_agent.clear()
    return running_agent
