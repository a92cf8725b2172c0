"""A running viewer on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.viewer.clients import client_of
from tracekit._viewer.server import Settings, Viewer
from tracekit._viewer.store.store import Store


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    with Viewer(Settings(port=0, grpc_port=0, http_port=0)) as running:
        yield running


@pytest.fixture
def client(viewer: Viewer) -> Iterator[httpx.Client]:
    with client_of(viewer) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "spans.db") as opened:
        yield opened
