"""A running viewer on free ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


# Playwright keeps an event loop running in this thread. The tests of other files must not find it.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.viewer.browser import launch

    with launch() as running:
        yield running


@pytest.fixture
def open_window(browser: Any, viewer: Viewer) -> Iterator[Callable[..., Any]]:
    """Open windows on the viewer; none may report an error or ask another origin."""
    from tests.viewer.browser import Window

    windows: list[Window] = []

    def open_one(**options: Any) -> Window:
        windows.append(Window(browser, viewer, **options))
        return windows[-1]

    yield open_one
    for window in windows:
        problems, foreign = window.problems, window.foreign
        window.close()
        assert problems == []
        assert foreign == []
