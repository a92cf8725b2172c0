"""How far files have been read, on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from tracekit._viewer.intake.lines import FileProgress

# A smaller file is read before anybody waits for it.
_LARGE: Final = 20_000_000


class FileReports:
    """Prints how far large files are, and once for each file what was found in it."""

    def __init__(self, files: Sequence[FileProgress], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.unfinished = list(files)
        self._unended = False

    def print_news(self) -> None:
        """Print what files have been read to their end, and how far the others are."""
        for file in [file for file in self.unfinished if file.state != "reading"]:
            if file.state in {"following", "read", "failed"}:
                self.unfinished.remove(file)
                self._print(describe_end(file))
        if self._stream.isatty():
            for file in self.unfinished:
                if file.size > _LARGE:
                    self._print(describe_progress(file), end="")
                    break

    def _print(self, text: str, end: str = "\n") -> None:
        # Progress stands on a line that the next print replaces.
        begin = "\r\x1b[K" if self._unended else ""
        self._unended = not end
        self._stream.write(f"{begin}  {text}{end}")
        self._stream.flush()


def describe_progress(file: FileProgress) -> str:
    """Return how far a file is."""
    share = 100 * file.read // max(file.size, 1)
    return f"{quote(file.path)}: {share} % read, {file.spans:,} spans"


def describe_end(file: FileProgress) -> str:
    """Return what was found in a file."""
    if file.state == "failed":
        return quote(file.error)
    found = f"{quote(file.path)}: {file.spans:,} spans"
    if file.bad_lines:
        lines = "line" if file.bad_lines == 1 else "lines"
        found += (
            f"; {file.bad_lines:,} {lines} skipped, the first is line {file.first_bad_line}: "
            f"{quote(file.error)}"
        )
    return found


def quote(text: str) -> str:
    """Return text without what would control a terminal, and not longer than it is read."""
    shown = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text[:300])
    return shown + ("…" if len(text) > len(shown) else "")
