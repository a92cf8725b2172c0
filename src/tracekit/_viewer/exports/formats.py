"""The forms that a trace can be exported in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tracekit._console.render import Page
from tracekit._viewer.exports.chrome import encode_chrome_trace
from tracekit._viewer.exports.html import encode_html
from tracekit._viewer.exports.readable import Readable
from tracekit._viewer.exports.text import render_text
from tracekit._viewer.json_lines import encode_log_lines, encode_span_lines
from tracekit._viewer.store.reader import Reader, TraceSummary

FORMATS: Final = ("otlp", "chrome", "html", "text")
_TEXT_WIDTH: Final = 120


def export_trace(reader: Reader, trace: TraceSummary, form: str, page: Path) -> Iterator[bytes]:
    """Return a trace in a form, in pieces.

    Args:
        reader: A view of the store, which is used until the last piece.
        trace: The trace.
        form: One of `FORMATS`.
        page: The directory of the built page.

    Raises:
        ViewerError: The trace cannot have that form; the message says why.
    """
    match form:
        case "otlp":
            yield from encode_span_lines(reader.spans(trace))
            yield from encode_log_lines(reader.logs(trace))
        case "chrome":
            yield from encode_chrome_trace(trace, reader.spans(trace, in_order=True))
        case "html":
            yield encode_html(reader, trace, page)
        case _:
            readable = Readable()
            spans = [readable.span(data) for data in reader.spans(trace)]
            yield render_text(spans, Page(width=_TEXT_WIDTH)).encode()
