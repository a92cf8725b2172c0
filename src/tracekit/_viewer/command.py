"""The command `tracekit`: its arguments, and what it prints."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tracekit._viewer.allocator import return_large_blocks
from tracekit._viewer.errors import ViewerError
from tracekit._viewer.store.limits import Limits

_EXTRA_MISSING: Final = (
    "tracekit: the viewer needs its extra, and {name} is missing. "
    "Install it with: pip install 'otel-tracekit[viewer]'"
)
_DEFAULTS: Final = Limits()
_UNITS: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ViewerError as error:
        print(f"tracekit: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in {"starlette", "uvicorn", "anyio"}:
            raise
        print(_EXTRA_MISSING.format(name=package), file=sys.stderr)  # noqa: T201 - likewise
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tracekit", description="Look at traces.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    view = commands.add_parser(
        "view",
        help="receive OTLP and show traces in the browser",
        description="Receive OTLP, read OTLP JSON-lines files, and show traces in the browser.",
    )
    view.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="OTLP JSON lines, also .gz; followed"
    )
    view.add_argument("--db", type=Path, metavar="PATH", help="keep spans in this file")
    view.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    view.add_argument("--port", type=int, default=4319, help="page (default: %(default)s)")
    view.add_argument(
        "--grpc-port", type=int, default=4317, help="OTLP/gRPC (default: %(default)s)"
    )
    view.add_argument(
        "--http-port", type=int, default=4318, help="OTLP/HTTP (default: %(default)s)"
    )
    view.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="accept this Host as well"
    )
    view.add_argument(
        "--max-spans",
        type=_number,
        default=_DEFAULTS.spans,
        metavar="N",
        help="bound on stored spans (default: 1M)",
    )
    view.add_argument(
        "--max-bytes",
        type=_number,
        default=_DEFAULTS.bytes,
        metavar="N",
        help="bound on the database's size (default: 1G)",
    )
    view.add_argument("--no-open", action="store_true", help="do not open the browser")
    view.set_defaults(run=_view)
    return parser


def _number(text: str) -> int:
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


def _view(options: argparse.Namespace) -> int:
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
    with Viewer(settings) as viewer:
        endpoints = viewer.status()["endpoints"]
        print(  # noqa: T201 - a command's output
            f"tracekit view\n"
            f"  page       {viewer.url}\n"
            f"  OTLP/gRPC  {endpoints['grpc']}\n"
            f"  OTLP/HTTP  {endpoints['http']}\n"
            "Ctrl-C ends it.",
            flush=True,
        )
        if not options.no_open:
            webbrowser.open(viewer.url)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
