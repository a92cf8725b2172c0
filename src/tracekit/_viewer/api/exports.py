"""Exports of a trace over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tracekit._viewer.api.requests import NO_STORE, read_id
from tracekit._viewer.errors import ViewerError
from tracekit._viewer.exports.formats import FORMATS, export_trace
from tracekit._viewer.store.reader import Reader, TraceSummary
from tracekit._viewer.store.store import Store

_TYPES: Final = {
    "otlp": ("application/x-ndjson", "jsonl"),
    "chrome": ("application/json", "json"),
    "html": ("text/html; charset=utf-8", "html"),
    "text": ("text/plain; charset=utf-8", "txt"),
}


class ExportRoutes:
    """The handler of exports."""

    def __init__(self, store: Store, page: Path) -> None:
        self._store = store
        self._page = page

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/api/traces/{trace}/export", self._get_export)]

    def _get_export(self, request: Request) -> Response:
        form = request.query_params.get("format") or "otlp"
        if form not in FORMATS:
            raise HTTPException(400, f"format must be one of {', '.join(FORMATS)}")
        trace_id = read_id(request.path_params["trace"], "trace", 16)
        pieces = self._pieces(trace_id, form)
        try:
            # What is wrong shows before the first piece, while the status can still tell it.
            first = next(pieces)
        except ViewerError as error:
            raise HTTPException(409, str(error)) from None
        media_type, suffix = _TYPES[form]
        name = f"trace-{trace_id.hex()}.{suffix}"
        headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(_with(first, pieces), media_type=media_type, headers=headers)

    def _pieces(self, trace_id: bytes, form: str) -> Iterator[bytes]:
        with self._store.reading() as reader:
            yield from export_trace(reader, _find(reader, trace_id), form, self._page)


def _find(reader: Reader, trace_id: bytes) -> TraceSummary:
    trace = reader.trace(trace_id)
    if trace is None:
        raise HTTPException(404, "the trace is not stored")
    return trace


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
