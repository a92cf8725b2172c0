"""What `tracekit show` prints of a trace."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final, TextIO

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tracekit._console.render import Page
from tracekit._viewer.api.details import describe_data, describe_log, describe_trace
from tracekit._viewer.exports.formats import export_trace
from tracekit._viewer.exports.readable import Readable
from tracekit._viewer.exports.text import render_text
from tracekit._viewer.store.reader import Reader, TraceSummary

FORMATS: Final = ("tree", "text", "json", "otlp", "chrome", "html")
_NARROWEST: Final = 40
_WIDTH_OF_FILES: Final = 100


class Output:
    """Prints traces in a form."""

    def __init__(
        self, form: str, *, verbose: bool, page: Path, stream: TextIO | None = None
    ) -> None:
        self._form = form
        self._verbose = verbose
        self._page = page
        self._stream = stream or sys.stdout

    @property
    def holds_one_trace(self) -> bool:
        """Whether a file of this form holds one trace."""
        return self._form in {"chrome", "html"}

    def print(self, reader: Reader, trace: TraceSummary, mark: str = "") -> None:
        """Print a trace.

        Args:
            reader: A view of the store.
            trace: The trace.
            mark: How what is printed stands to what was printed before.
        """
        match self._form:
            case "tree" | "text":
                readable = Readable()
                spans = [readable.span(data) for data in reader.spans(trace)]
                with_errors = self._form == "text"
                self._write(render_text(spans, self._layout(), mark=mark, errors=with_errors))
            case "json":
                self._write(json.dumps(_describe(reader, trace)) + "\n")
            case form:
                for piece in export_trace(reader, trace, form, self._page):
                    self._write(piece.decode())
        self._stream.flush()

    def _write(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def _layout(self) -> Page:
        is_terminal = self._stream.isatty()
        width = shutil.get_terminal_size().columns if is_terminal else _WIDTH_OF_FILES
        columns = os.environ.get("COLUMNS", "")
        if columns.isascii() and columns.isdigit() and int(columns):
            width = int(columns)
        colour = is_terminal and os.environ.get("TERM") != "dumb"
        if os.environ.get("NO_COLOR"):
            colour = False
        elif os.environ.get("FORCE_COLOR"):
            colour = True
        return Page(
            width=max(width, _NARROWEST),
            colour=colour,
            encoding=getattr(self._stream, "encoding", None),
            verbose=self._verbose,
        )


def _describe(reader: Reader, trace: TraceSummary) -> dict[str, Any]:
    logs: dict[bytes, list[dict[str, Any]]] = defaultdict(list)
    for log in reader.logs(trace):
        logs[LogRecord.FromString(log.raw).span_id].append(describe_log(log))
    spans = [describe_data(reader, data, logs) for data in reader.spans(trace, in_order=True)]
    return {**describe_trace(trace), "spans": spans}
