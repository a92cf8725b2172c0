"""The page of a trace, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.viewer.browser import AXE, Window
from tests.viewer.clients import eventually, post
from tests.viewer.traffic import CLIENT, MS, SERVER, Trace
from tracekit._viewer.server import Viewer

OpenWindow = Callable[..., Window]
QUERIES = 40
STACK = 'Traceback\n  File "/app/shop.py", line 3, in charge\nPaymentRefused: no'


def make_trace() -> tuple[Trace, dict[str, Span]]:
    """A request with repeated queries, a failed call, an orphan, and a child that ends late."""
    trace = Trace(time.time_ns() - 10_000 * MS, seed=7)
    root = trace.span("POST /orders", 0, 1000, kind=SERVER, http__route="/orders")
    place = trace.span("place_order", 10, 900, root, sku="tea", note="<b>bold</b>")
    for n in range(QUERIES):
        trace.span("SELECT users", 20 + n * 10, 5 + n * 0.1, place, kind=CLIENT)
    call = trace.span("POST", 450, 300, place, kind=CLIENT, error="402")
    charge = trace.span(
        "POST /charge", 455, 280, call, service="payments", kind=SERVER, error="card declined"
    )
    trace.event(
        charge,
        "exception",
        700,
        exception__type="PaymentRefused",
        exception__message="card declined",
        exception__stacktrace=STACK,
    )
    late = trace.span("write_log", 850, 400, place)
    lost = trace.span("send_mail", 500, 90, service="mailer")
    lost.parent_span_id = b"\x01" * 8
    trace.log(charge, "payments", 600, "WARN", "the card was declined")
    spans = {"root": root, "place": place, "call": call, "charge": charge}
    return trace, {**spans, "late": late, "lost": lost}


@pytest.fixture
def trace(viewer: Viewer, client: httpx.Client) -> tuple[str, dict[str, str]]:
    """A stored trace: its id, and the ids of its named spans."""
    made, spans = make_trace()
    for service in ("shop", "payments", "mailer"):
        of = [span for owner, span in made.spans if owner == service]
        assert post(viewer, *of, service=service).status_code == 200
    identity = made.id.hex()
    count = len(made.spans)
    eventually(
        lambda: client.get(f"/api/traces/{identity}").json(),
        lambda answer: answer.get("spans") == count,
    )
    return identity, {name: span.span_id.hex() for name, span in spans.items()}


def names(window: Window) -> list[str]:
    """The names of the rows on the screen, from the top."""
    return window.page.evaluate(
        """() => [...document.querySelectorAll("[role=treegrid] [role=row]:not([hidden])")]
            .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
            .map((row) => row.querySelector(".row-text").textContent)"""
    )


def selected(window: Window) -> str | None:
    """The name of the row under the cursor."""
    return window.page.evaluate(
        """() => document.querySelector("[role=row][aria-selected=true]:not([hidden]) .row-text")
            ?.textContent ?? null"""
    )


def wait_selected(window: Window, name: str) -> None:
    window.wait_for(
        """(name) => document.querySelector(
            "[role=row][aria-selected=true]:not([hidden]) .row-text")?.textContent === name""",
        name,
    )


def wait_parameter(window: Window, key: str, value: str | None) -> None:
    window.wait_for(
        "([key, value]) => new URLSearchParams(location.search).get(key) === value", [key, value]
    )


def test_rows(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """The tree has its rows by start, repeated siblings as one, and orphans at the end."""
    window = open_window()
    window.open_trace(trace[0])
    expected = ["POST /orders", "place_order", "SELECT users", "POST", "POST /charge", "write_log"]
    assert names(window) == [*expected, "send_mail"]
    row = window.page.locator("[role=row]", has_text="SELECT users")
    assert row.locator(".row-count").text_content() == f"× {QUERIES}"
    assert row.get_attribute("aria-expanded") == "false"


def test_header(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """The header has the root, the number of spans and errors, and what is missing."""
    window = open_window()
    window.open_trace(trace[0])
    text = window.page.locator("header.top-bar").inner_text()
    assert "POST /orders" in text
    assert f"{QUERIES + 6} spans" in text
    assert "2 errors" in text
    assert "1 without parent" in text


def test_keys_move_and_fold(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """Keys move through the rows, fold and unfold."""
    window = open_window()
    window.open_trace(trace[0])
    wait_selected(window, "POST /orders")
    window.page.keyboard.press("j")
    wait_selected(window, "place_order")
    window.page.keyboard.press("h")
    window.wait_for("() => document.querySelectorAll('[role=row]:not([hidden])').length === 3")
    window.page.keyboard.press("l")
    window.wait_for("() => document.querySelectorAll('[role=row]:not([hidden])').length === 7")
    window.page.keyboard.press("l")
    wait_selected(window, "SELECT users")
    window.page.keyboard.press("h")
    wait_selected(window, "place_order")
    window.page.keyboard.press("G")
    wait_selected(window, "send_mail")
    window.page.keyboard.press("g")
    wait_selected(window, "POST /orders")


def test_depth_and_repeats(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """A digit unfolds to its depth, and x shows each of repeated siblings."""
    window = open_window()
    window.open_trace(trace[0])
    window.page.keyboard.press("1")
    window.wait_for("() => document.querySelectorAll('[role=row]:not([hidden])').length === 3")
    window.page.keyboard.press("9")
    window.page.keyboard.press("x")
    window.wait_for(
        "(rows) => document.querySelector('[role=treegrid]').ariaRowCount == rows", QUERIES + 6
    )


def test_next_error_unfolds(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """E goes to the next error, also where it is folded away."""
    window = open_window()
    window.open_trace(trace[0], "?depth=1")
    window.page.keyboard.press("e")
    wait_selected(window, "POST")
    window.page.keyboard.press("e")
    wait_selected(window, "POST /charge")
    window.page.keyboard.press("E")
    wait_selected(window, "POST")


def test_panel(open_window: OpenWindow, trace: tuple[str, dict[str, str]]) -> None:
    """The panel has attributes with types, markup as text, and the events of the span."""
    identity, spans = trace
    window = open_window()
    window.open_trace(identity, f"?span={spans['place']}")
    panel = window.page.locator("aside.panel")
    panel.locator("dt", has_text="note").wait_for()
    assert panel.locator(".attribute", has_text="note").locator(".value").inner_text() == (
        "<b>bold</b>"
    )
    assert panel.locator(".value b").count() == 0
    window.open_trace(identity, f"?span={spans['charge']}")
    panel.locator(".event-name", has_text="PaymentRefused").wait_for()
    assert "line 3, in charge" in panel.locator(".stack pre").inner_text()
    assert (
        panel.locator("a[href^='vscode://']")
        .first.get_attribute("href")
        .startswith("vscode://file/")
    )


def test_copies(open_window: OpenWindow, trace: tuple[str, dict[str, str]]) -> None:
    """A value is copied as it is, with its key, and as JSON."""
    identity, spans = trace
    window = open_window()
    window.open_trace(identity, f"?span={spans['place']}")
    window.page.locator("dt", has_text="sku").wait_for()
    expected = {
        "Copy value": "tea",
        "Copy key=value": "sku=tea",
        "Copy as JSON": '{\n  "sku": "tea"\n}',
    }
    for entry, text in expected.items():
        window.page.get_by_label("Copy sku").click()
        window.page.get_by_role("menuitem", name=entry).click()
        window.page.locator(".toast[data-shown=true]").wait_for()
        assert window.page.evaluate("navigator.clipboard.readText()") == text


def test_deep_link(open_window: OpenWindow, trace: tuple[str, dict[str, str]]) -> None:
    """The address holds span, time range, folds and figure; another window shows the same."""
    window = open_window()
    window.open_trace(trace[0])
    for key in "jjlsz":
        window.page.keyboard.press(key)
    wait_parameter(window, "figure", "self")
    window.wait_for("() => new URLSearchParams(location.search).has('t')")
    before = names(window)
    address = re.sub(r"^https?://[^/]+", "", window.page.url)
    wait_selected(window, "SELECT users")
    other = open_window()
    other.open(address)
    wait_selected(other, "SELECT users")
    other.wait_for(
        "(rows) => document.querySelectorAll('[role=row]:not([hidden])').length === rows",
        len(before),
    )
    assert names(other) == before
    assert other.page.locator(".column-figure").inner_text() == "Self"
    assert re.sub(r"^https?://[^/]+", "", other.page.url) == address
    window.page.reload()
    wait_selected(window, "SELECT users")


def test_lanes_and_names(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """Lanes are named for threads, and the table of names counts and sums."""
    window = open_window()
    window.open_trace(trace[0])
    window.page.get_by_role("button", name="Lanes").click()
    window.page.locator(".lane-label:visible").first.wait_for()
    assert "MainThread" in window.page.locator(".lane-label:visible").first.inner_text()
    window.page.get_by_role("button", name="Names").click()
    row = window.page.locator("tbody tr", has_text="SELECT users")
    row.wait_for()
    assert row.locator("td.figure").first.inner_text() == str(QUERIES)
    wait_parameter(window, "mode", "names")


def test_mouse(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """A click selects, the triangle folds, the wheel with Ctrl zooms, a double click fits."""
    window = open_window()
    window.open_trace(trace[0])
    box = window.page.locator(".viewport").bounding_box()
    left, top = box["x"], box["y"]
    window.page.mouse.click(left + 120, top + 24 + 12)
    wait_selected(window, "place_order")
    window.page.mouse.click(left + 15, top + 12)
    window.wait_for("() => document.querySelectorAll('[role=row]:not([hidden])').length === 2")
    window.page.mouse.click(left + 15, top + 12)
    window.wait_for("() => document.querySelectorAll('[role=row]:not([hidden])').length === 7")
    window.page.mouse.move(left + 700, top + 60)
    window.page.keyboard.down("Control")
    window.page.mouse.wheel(0, -400)
    window.page.keyboard.up("Control")
    window.wait_for("() => new URLSearchParams(location.search).has('t')")
    window.page.keyboard.press("0")
    wait_parameter(window, "t", None)


def test_unknown_trace(open_window: OpenWindow) -> None:
    """A trace that is not stored is explained."""
    window = open_window()
    window.open("/trace/" + "ab" * 16)
    window.page.get_by_text("This trace is not stored").wait_for()
    # Chromium writes a line on the console for every answer with an error.
    window.problems = [each for each in window.problems if "404" not in each]


def test_keys_page(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """? shows every key, and Escape closes the page."""
    window = open_window()
    window.open_trace(trace[0])
    window.page.keyboard.press("?")
    window.page.get_by_role("dialog").wait_for()
    assert "Critical path" in window.page.get_by_role("dialog").inner_text()
    window.page.keyboard.press("Escape")
    window.page.get_by_role("dialog").wait_for(state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1000])
@pytest.mark.parametrize("mode", ["tree", "lanes", "names"])
def test_axe(
    open_window: OpenWindow,
    trace: tuple[str, dict[str, str]],
    scheme: str,
    width: int,
    mode: str,
) -> None:
    """Axe finds nothing wrong, in both themes, wide and narrow."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in web")
    identity, spans = trace
    window = open_window(color_scheme=scheme, viewport={"width": width, "height": 800})
    window.open(f"/trace/{identity}?span={spans['charge']}&mode={mode}")
    window.page.locator(".event-name", has_text="PaymentRefused").wait_for()
    assert window.page.evaluate("document.documentElement.dataset.theme") == scheme
    assert window.axe() == []


def test_search(open_window: OpenWindow, trace: tuple[str, Any]) -> None:
    """A search marks rows, goes from one to the next, and shows them alone."""
    window = open_window()
    window.open_trace(trace[0], "?depth=1")
    window.page.keyboard.press("/")
    window.page.keyboard.type("service:payments")
    window.page.get_by_role("status").get_by_text("1", exact=True).wait_for()
    window.page.keyboard.press("Enter")
    wait_selected(window, "POST /charge")
    window.page.locator(".viewport").click(position={"x": 120, "y": 12})
    wait_selected(window, "POST /orders")
    window.page.keyboard.press("n")
    wait_selected(window, "POST /charge")
    window.page.get_by_label("only matches").check()
    window.wait_for("() => document.querySelectorAll('[role=row]:not([hidden])').length === 4")
    assert names(window) == ["POST /orders", "place_order", "POST", "POST /charge"]
    wait_parameter(window, "only", "1")
    window.page.reload()
    window.wait_for("() => document.querySelectorAll('[role=row]:not([hidden])').length === 4")


def test_new_spans(
    open_window: OpenWindow, viewer: Viewer, trace: tuple[str, dict[str, str]]
) -> None:
    """Spans that arrive are announced, and taken in where the reader asks for them."""
    identity, spans = trace
    window = open_window()
    window.open_trace(identity, f"?span={spans['charge']}")
    wait_selected(window, "POST /charge")
    late = Span(
        trace_id=bytes.fromhex(identity),
        span_id=b"\x07" * 8,
        parent_span_id=bytes.fromhex(spans["root"]),
        name="arrived late",
        start_time_unix_nano=time.time_ns(),
        end_time_unix_nano=time.time_ns() + MS,
    )
    assert post(viewer, late).status_code == 200
    window.page.get_by_role("button", name="new spans").click()
    window.page.locator(".row-text", has_text="arrived late").wait_for()
    wait_selected(window, "POST /charge")


def test_directive(open_window: OpenWindow, trace: tuple[str, dict[str, str]]) -> None:
    """A span's panel makes the directive that turns it off, and copies it."""
    identity, spans = trace
    window = open_window()
    window.open_trace(identity, f"?span={spans['place']}")
    window.page.locator("dt", has_text="sku").wait_for()
    window.page.keyboard.press("t")
    line = window.page.locator(".directive-line", has_text="TRACEKIT_FILTER=")
    line.wait_for()
    assert "place_order" in line.inner_text()
    line.get_by_role("button").click()
    window.page.locator(".toast[data-shown=true]").wait_for()
    assert window.page.evaluate("navigator.clipboard.readText()") == line.inner_text().strip()


def test_one_file(
    browser: Any, client: httpx.Client, trace: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    """The exported file opens from disk, with details and search, and asks for nothing."""
    identity, spans = trace
    path = tmp_path / "trace.html"
    path.write_bytes(client.get(f"/api/traces/{identity}/export?format=html").content)
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{path.as_uri()}#span={spans['charge']}")
    page.locator(".event-name", has_text="PaymentRefused").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("payments")
    page.get_by_role("status").get_by_text("1 of 1", exact=True).wait_for()
    page.reload()
    page.locator(".event-name", has_text="PaymentRefused").wait_for()
    context.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "blob:", "data:"))] == []
