"""Pictures of the viewer for the documentation: `python -m tests.viewer.pictures`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.viewer.browser import Window, launch
from tests.viewer.clients import client_of, eventually
from tests.viewer.traffic import (
    CLIENT,
    CONSUMER,
    MS,
    SERVER,
    STACK,
    Trace,
    batch,
    gather,
    listing,
    order,
    send_trace,
)
from tracekit._viewer.server import Settings, Viewer

_OUT = Path(__file__).parents[2] / "docs" / "images"
_TRACES = 420
_KINDS = (order, listing, listing, listing, order, listing, listing)
_DECLINED = "card declined: insufficient funds"


def picture_trace(start: int) -> Trace:
    """An order with something of all: queries, concurrent calls, retries, late and lost spans."""
    trace = Trace(start, seed=4242)
    root = trace.span("POST /orders", 0, 1420, kind=SERVER, http__route="/orders", error=_DECLINED)
    trace.span("authenticate", 2, 19, root, user__id=7)
    place = trace.span(
        "place_order", 22, 1390, root, sku="tea", quantity=3, express=True, weight=1.25
    )
    trace.event(place, "half way", 400, left=3)
    load = trace.span("load_basket", 24, 536, place)
    begin = 27.0
    while begin < 550:
        length = 0.4 + trace.random.random() * 1.2 + 9 * (trace.random.random() < 0.02)
        trace.span(
            "SELECT items",
            begin,
            length,
            load,
            kind=CLIENT,
            db__system__name="postgresql",
            db__query__text="SELECT id, sku, price FROM items WHERE id = %(id)s",
        )
        begin += length + 0.5
    check = trace.span("check_all", 566, 276, place, idle_ns=236 * MS, busy_ns=40 * MS)
    for n, (what, service, length) in enumerate(
        [("tax", "taxes", 120), ("stock", "warehouse", 262), ("fraud", "fraud-check", 198)]
    ):
        at, skew = 568 + 2 * n, 9 if what == "fraud" else 0
        call = trace.span(f"GET /{what}", at, length, check, kind=CLIENT, thread=f"task {what}")
        server = trace.span(
            f"GET /{what}",
            at + 4 - skew,
            length - 7 + 2 * skew,
            call,
            service=service,
            kind=SERVER,
            http__route=f"/{what}",
        )
        trace.span(f"compute_{what}", at + 12, length - 20, server, service=service)
    charge = trace.span("charge", 850, 554, place, error=_DECLINED, amount=12.5, currency="EUR")
    for n in range(3):
        at = 856 + 184 * n
        post = trace.span("POST /payments", at, 168, charge, kind=CLIENT, error="402")
        server = trace.span(
            "POST /payments", at + 3, 161, post, service="payments", kind=SERVER, error=_DECLINED
        )
        network = trace.span(
            "card_network.authorise",
            at + 10,
            145,
            server,
            service="payments",
            error=_DECLINED,
            idle_ns=131 * MS,
        )
        trace.event(
            network,
            "exception",
            at + 150,
            exception__type="shop.errors.PaymentRefused",
            exception__message=f"(402, '{_DECLINED}')",
            exception__stacktrace=STACK,
        )
        trace.log(server, "payments", at + 152, "WARN", "the card network declined")
    audit = trace.span("write_audit_log", 1290, 270, place, thread="pool-1")
    trace.span("fsync", 1500, 56, audit, thread="pool-1")
    mail = trace.span("send_mail", 1300, 109, service="mailer", kind=CONSUMER)
    mail.parent_span_id = b"\x01" * 8
    trace.span("render_template", 1304, 48, mail, service="mailer")
    return trace


@contextmanager
def filled_viewer() -> Iterator[tuple[Viewer, str]]:
    """A viewer with traces, and the id of the one to look at."""
    with Viewer(Settings(port=0, grpc_port=0, http_port=0)) as viewer, client_of(viewer) as client:
        endpoint = f"http://127.0.0.1:{viewer.http_port}"
        now = time.time_ns()
        for n in range(_TRACES):
            # One of a fixed series of moments: the picture is much the same every time.
            age = n * 7919 % 900_000 + 5_000
            trace = Trace(now - age * MS, n)
            kind = _KINDS[n % len(_KINDS)]
            if n % 31 == 0:
                kind = batch if n % 2 else gather
            kind(trace)
            send_trace(endpoint, trace)
        shown = picture_trace(now - 2000 * MS)
        send_trace(endpoint, shown)
        identity, count = shown.id.hex(), len(shown.spans)
        eventually(lambda: _spans(client, identity), lambda spans: spans == count)
        yield viewer, identity


def _spans(client: httpx.Client, trace: str) -> int:
    return int(client.get(f"/api/traces/{trace}").json().get("spans", 0))


def take_pictures(browser: Any, viewer: Viewer, trace: str, out: Path) -> None:
    """Write every picture, light and dark."""
    out.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        window = Window(browser, viewer, color_scheme=scheme, timezone_id="UTC")
        window.open("/")
        window.page.locator(f"a[href*='{trace}'], [data-trace='{trace}']").first.wait_for()
        _take(window, out / f"viewer-list-{scheme}.png")
        window.open_trace(trace)
        window.page.keyboard.press("j")
        window.page.keyboard.press("j")
        window.page.locator(".section-title", has_text="Attributes").wait_for()
        _take(window, out / f"viewer-trace-{scheme}.png")
        for _ in range(4):
            window.page.keyboard.press("e")
        window.page.locator(".stack").wait_for()
        panel = window.page.locator("aside.panel")
        panel.screenshot(path=out / f"viewer-panel-{scheme}.png")
        window.open_trace(trace, "?mode=tree")
        window.page.keyboard.press("w")
        window.page.locator(".lane-label:visible").first.wait_for()
        _take(window, out / f"viewer-lanes-{scheme}.png")
        assert window.problems == []
        window.close()


def _take(window: Window, path: Path) -> None:
    window.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    window.page.screenshot(path=path)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=_OUT)
    options = parser.parse_args()
    with launch() as browser, filled_viewer() as (viewer, trace):
        take_pictures(browser, viewer, trace, options.out)


if __name__ == "__main__":
    main()
