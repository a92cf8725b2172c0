"""Fixtures around the receivers; `tests/conftest.py` takes them in with one import."""

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
    """Take away the variables of OTLP exporters that the machine may have."""
    for name in tuple(os.environ):
        if name.startswith("OTEL_EXPORTER_OTLP_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def running_agent() -> Iterator[AgentReceiver]:
    """The receiver that others wrote, started once; skips where it cannot be had."""
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
    """The receiver that others wrote, empty."""
    running_agent.clear()
    return running_agent
