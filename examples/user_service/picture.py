"""Draw what the demo prints as a picture: `python -m examples.user_service.picture FILE.svg`.

The demo runs with colours, as on a terminal of 92 columns, and the traces of some of its requests
are drawn as text with their styles. The picture is light or dark as its reader's system is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

COLUMNS = 92
# The libraries' own spans but the queries are left out, so that the picture is of one screen.
FILTER = "info,opentelemetry.instrumentation.fastapi=off,[connect]=off"
SHOWN = ("read_user  (continues", "✗ create_user")

CELL, LINE, MARGIN = 8.4, 20, 16
STYLES = {"1": "bold", "2": "dim", "31": "red", "36": "cyan"}
SHEET = """
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
white-space: pre; fill: #24292f }
.page { fill: #ffffff; stroke: #d0d7de }
.bold { font-weight: 600 } .dim { fill: #6e7781 } .red { fill: #cf222e } .cyan { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #d1d7e0 } .page { fill: #151b23; stroke: #3d444d }
  .dim { fill: #8d96a0 } .red { fill: #ff7b72 } .cyan { fill: #79c0ff }
}
"""


def run_demo() -> str:
    """Return what the demo prints on a terminal with colours."""
    with TemporaryDirectory() as directory:
        done = subprocess.run(
            [sys.executable, "-m", "examples.user_service.demo"],
            env={
                **os.environ,
                "COLUMNS": str(COLUMNS),
                "DATABASE_URL": f"sqlite:///{directory}/users.db",
                "FORCE_COLOR": "1",
                "TRACEKIT_FILTER": FILTER,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.replace(directory, "/srv")


def pick_traces(output: str) -> list[str]:
    """Return the lines of the traces whose root is in `SHOWN`, in that order."""
    blocks = [block.strip("\n") for block in output.split("\n\n")]
    lines: list[str] = []
    for root in SHOWN:
        found = next(block for block in blocks if root in plain(block))
        # A heading of the demo may stand above the trace.
        trace = found[found.index("\x1b[1muser-service") :] if "\x1b[1muser-s" in found else found
        lines += ["", *trace.splitlines()] if lines else trace.splitlines()
    return lines


def plain(text: str) -> str:
    """Return a text without its styles."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def count_cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def draw_line(line: str, y: float) -> str:
    """Return a line as SVG text; each styled piece starts at its column and has its width."""
    pieces, column, style = [], 0, ""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b["):
            codes = part[2:-1].split(";")
            style = " ".join(STYLES[code] for code in codes if code in STYLES)
        elif part:
            cells = count_cells(part)
            attributes = f'x="{MARGIN + column * CELL:.1f}" y="{y:.0f}"'
            attributes += f' textLength="{cells * CELL:.1f}"'
            attributes += f' class="{style}"' if style else ""
            if part.strip():
                pieces.append(f"<text {attributes}>{escape(part)}</text>")
            column += cells
    return "".join(pieces)


def draw(lines: list[str]) -> str:
    """Return the picture as an SVG document."""
    width = 2 * MARGIN + COLUMNS * CELL
    height = 2 * MARGIN + len(lines) * LINE
    body = "\n".join(draw_line(line, MARGIN + 14 + i * LINE) for i, line in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" role="img">\n'
        "<title>Two traces of the example service, as tracekit's console shows them</title>\n"
        f"<style>{SHEET}</style>\n"
        f'<rect class="page" x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1}" rx="8"/>\n'
        f"{body}\n</svg>\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(pick_traces(run_demo())), encoding="utf-8")
