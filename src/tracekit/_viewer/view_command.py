"""`tracekit view`: receive OTLP, read files, and show traces in the browser."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracekit._viewer.addresses import announced
from tracekit._viewer.allocator import return_large_blocks
from tracekit._viewer.file_progress import FileReports
from tracekit._viewer.store.limits import Limits

if TYPE_CHECKING:
    from tracekit._viewer.server import Viewer

_DEFAULTS: Final = Limits()
_UNITS: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_REPORT_SECONDS: Final = 0.5


def add_view(commands: Any) -> None:
    """Add the command to the subparsers of `tracekit`."""
    view = commands.add_parser(
        "view",
        help="receive OTLP and show traces in the browser",
        description="Receive OTLP, read OTLP JSON-lines files, and show traces in the browser.",
    )
    view.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="OTLP JSON lines, also .gz; followed"
    )
    view.add_argument("--db", type=Path, metavar="PATH", help="keep spans in this file")
    for option, default, what in (
        ("--host", "127.0.0.1", "address to listen on"),
        ("--port", 4319, "port of the page"),
        ("--grpc-port", 4317, "port of OTLP/gRPC"),
        ("--http-port", 4318, "port of OTLP/HTTP"),
    ):
        view.add_argument(
            option, default=default, type=type(default), help=f"{what} (default: %(default)s)"
        )
    view.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="accept this Host as well"
    )
    view.add_argument(
        "--max-spans",
        type=parse_number,
        default=_DEFAULTS.spans,
        metavar="N",
        help="spans that are kept at most; the oldest traces go (default: 1M)",
    )
    view.add_argument(
        "--max-bytes",
        type=parse_number,
        default=_DEFAULTS.bytes,
        metavar="N",
        help="size of the database at most; the oldest traces go (default: 1G)",
    )
    view.add_argument("--no-open", action="store_true", help="do not open the browser")
    view.set_defaults(run=_run)


def parse_number(text: str) -> int:
    """Parse a positive number with or without a unit, such as 200k or 1.5M.

    Raises:
        ArgumentTypeError: It is not one.
    """
    digits, unit = text.rstrip("kKmMgG"), text.lower()[-1:]
    try:
        number = int(float(digits) * _UNITS[unit if unit.isalpha() else ""])
    except (ValueError, KeyError, OverflowError):
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a positive number; write it like 200000, 200k, 1M or 2G"
        )
    return number


def _run(options: argparse.Namespace) -> int:
    # The extra is needed here and not for the arguments, so that --help always works.
    from tracekit._viewer.server import Settings, Viewer

    settings = Settings(
        host=options.host,
        port=options.port,
        grpc_port=options.grpc_port,
        http_port=options.http_port,
        database=options.db,
        limits=Limits(
            spans=options.max_spans,
            bytes=options.max_bytes,
            trace_spans=min(options.max_spans, _DEFAULTS.trace_spans),
        ),
        allowed_hosts=options.allow_host,
        files=options.files,
    )
    return_large_blocks()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Viewer(settings) as viewer, announced(viewer.port, viewer.url):
        sys.stdout.write(f"{_describe(viewer)}\n")
        sys.stdout.flush()
        if not options.no_open:
            webbrowser.open(viewer.url)
        reports = FileReports(viewer.files)
        while not stop.wait(_REPORT_SECONDS if reports.unfinished else None):
            reports.print_news()
        reports.print_news()
    return 0


def _describe(viewer: Viewer) -> str:
    lines = [
        "tracekit view",
        f"  page       {viewer.url}",
        f"  OTLP/gRPC  {viewer.endpoints['grpc']}",
        f"  OTLP/HTTP  {viewer.endpoints['http']}",
    ]
    if not viewer.has_page:
        lines.append("The page is not built. `make page` builds it in a checkout.")
    return "\n".join([*lines, "Ctrl-C ends it."])
