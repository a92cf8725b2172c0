"""The command `tracekit`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from tracekit._viewer.errors import ViewerError
from tracekit._viewer.show.command import add_show
from tracekit._viewer.view_command import add_view

_EXTRA_MISSING: Final = (
    "tracekit: the viewer needs its extra, and {name} is missing. "
    "Install it with: pip install 'otel-tracekit[viewer]'\n"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ViewerError as error:
        sys.stderr.write(f"tracekit: {error}\n")
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in {"starlette", "uvicorn", "anyio"}:
            raise
        sys.stderr.write(_EXTRA_MISSING.format(name=package))
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tracekit", description="Look at traces.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_view(commands)
    add_show(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
