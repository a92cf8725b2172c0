"""A real browser on the page of a running viewer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tracekit._viewer.api.app import PAGE
from tracekit._viewer.server import Viewer

playwright = pytest.importorskip("playwright.sync_api", reason="the extra of tests is missing")

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
_SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def launch() -> Iterator[Any]:
    """Start a browser, or skip the test where there is none, or no page to show in it."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    if not (PAGE / "index.html").is_file():
        pytest.skip("the page is not built: make page")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=_SWITCHES)
        yield browser
        browser.close()


class Window:
    """A window on the page that remembers what must not happen.

    Attributes:
        page: Playwright's page.
        problems: Errors on the console, and exceptions that nothing caught.
        foreign: Requests to another origin than the viewer's.
    """

    def __init__(self, browser: Any, viewer: Viewer, **options: Any) -> None:
        self.origin = f"http://127.0.0.1:{viewer.port}"
        self.problems: list[str] = []
        self.foreign: list[str] = []
        options.setdefault("viewport", {"width": 1440, "height": 900})
        self.context = browser.new_context(**options)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.origin)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._on_console)
        self.page.on("request", self._on_request)
        self.page.goto(viewer.url)

    def _on_console(self, message: Any) -> None:
        url = message.location.get("url") or ""
        if message.type in {"error", "warning"}:
            self.problems.append(f"{message.text} ({url})")

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.foreign.append(request.url)

    def open(self, path: str) -> None:
        """Go to a path of the page."""
        self.page.goto(self.origin + path)

    def open_trace(self, trace: str, state: str = "") -> None:
        """Go to a trace, and wait until its rows are there."""
        self.open(f"/trace/{trace}{state}")
        self.page.wait_for_selector("[role=treegrid] [role=row]:not([hidden])")

    def wait_for(self, expression: str, argument: Any = None) -> None:
        """Wait until an expression of JavaScript is true."""
        self.page.wait_for_function(expression, arg=argument)

    def axe(self) -> list[str]:
        """Return what axe finds wrong with the page."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("async () => (await axe.run()).violations")
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]}"
            for each in found
            for node in each["nodes"]
        ]

    def close(self) -> None:
        """Close the window."""
        self.context.close()
