"""Print how long the viewer's page takes for large traces: `python -m bench.viewer_page`.

A trace is opened from the list in headless Chromium, with the server on the same machine. Wall time
is what a user waits for. The figures of frames are the CPU time of the page's main thread, so that
they mean something on a machine that does other work as well.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Iterator
from typing import Any

from bench.machine import describe
from tests.viewer.browser import Window, launch
from tests.viewer.clients import client_of, eventually
from tests.viewer.traffic import MS, Trace, large, send_trace
from tracekit._viewer.server import Settings, Viewer
from tracekit._viewer.store.limits import Limits

BUDGET_SECONDS = {100_000: 0.5, 1_000_000: 3.0}
FRAME_BUDGET = 16.0
_FRAMES = 100
_OPEN = """(trace) => {
    performance.clearMarks();
    performance.mark("click");
    const link = document.createElement("a");
    link.href = "/trace/" + trace;
    document.body.append(link);
    link.click();
    link.remove();
}"""
_MARK = "(name) => performance.getEntriesByName(name)[0]?.startTime"
_SCROLL = """async ({ frames, zoom }) => {
    const element = document.querySelector(".viewport");
    const { left, top } = element.getBoundingClientRect();
    for (let frame = 0; frame < frames; frame++) {
        const deltaY = zoom ? (frame % 30 < 15 ? -120 : 120) : 300;
        const where = { clientX: left + 700, clientY: top + 200, ctrlKey: zoom };
        const more = { bubbles: true, cancelable: true };
        element.dispatchEvent(new WheelEvent("wheel", { deltaY, ...where, ...more }));
        await new Promise(requestAnimationFrame);
    }
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spans", type=int, nargs="*", default=[100_000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(*describe(), "", sep="\n")
    with launch() as browser:
        for spans in options.spans:
            for line in measure(browser, spans, options.rounds):
                print(line, flush=True)


def measure(browser: Any, spans: int, rounds: int) -> Iterator[str]:
    limits = Limits(spans=max(2 * spans, 1_000_000), trace_spans=max(spans, 1_000_000))
    settings = Settings(port=0, grpc_port=0, http_port=0, limits=limits)
    with Viewer(settings) as viewer, client_of(viewer) as client:
        trace = Trace(time.time_ns() - 600_000 * MS, seed=1)
        large(trace, spans)
        send_trace(f"http://127.0.0.1:{viewer.http_port}", trace)
        identity = trace.id.hex()
        eventually(
            lambda: client.get(f"/api/traces/{identity}").json().get("spans"),
            lambda stored: stored == spans,
            timeout=600.0,
        )
        del trace
        with contextlib.closing(Window(browser, viewer)) as window:
            taken = [open_trace(window, identity) for _ in range(rounds)]
            budget = BUDGET_SECONDS.get(spans)
            yield (
                f"{spans:,} spans, from click to waterfall: "
                f"{statistics.median(taken) / 1000:.2f} s (best {min(taken) / 1000:.2f} s"
                + (f", budget {budget} s)" if budget else ")")
            )
            for what, zoom in (("scrolling", False), ("zooming", True)):
                cpu = frame_cpu(window, zoom=zoom)
                yield f"{spans:,} spans, {what}: {cpu:.1f} ms a frame (budget {FRAME_BUDGET} ms)"


def open_trace(window: Window, identity: str) -> float:
    """Open a trace from the list, and return the milliseconds until its rows are painted."""
    window.open("/")
    window.page.locator(".list-row").first.wait_for()
    window.page.evaluate(_OPEN, identity)
    window.wait_for(_MARK, "trace-painted")
    begun, done = (window.page.evaluate(_MARK, name) for name in ("click", "trace-painted"))
    return float(done - begun)


def frame_cpu(window: Window, *, zoom: bool) -> float:
    """Return the CPU milliseconds of the main thread for a frame."""
    session = window.context.new_cdp_session(window.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    before = spent()
    window.page.evaluate(_SCROLL, {"frames": _FRAMES, "zoom": zoom})
    return (spent() - before) * 1000 / _FRAMES


if __name__ == "__main__":
    main()
