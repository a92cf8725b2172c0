"""The routes of the page and its API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from tracekit._viewer.api.details import describe_span, describe_trace
from tracekit._viewer.api.directives import DirectiveRoutes
from tracekit._viewer.api.exports import ExportRoutes
from tracekit._viewer.api.live import Changes, stream_changes
from tracekit._viewer.api.requests import (
    NO_STORE,
    read_id,
    read_number,
    respond_json,
    trace_of,
)
from tracekit._viewer.api.searches import SearchRoutes
from tracekit._viewer.api.skeleton import encode_skeleton
from tracekit._viewer.errors import ViewerError
from tracekit._viewer.intake.files import DroppedFiles
from tracekit._viewer.query.syntax import QueryError
from tracekit._viewer.store.store import Store

_IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_PART: Final = 1 << 20
PAGE: Final = Path(str(files("tracekit._viewer"))) / "page"
_NOT_BUILT: Final = (
    "The page is not built. In a checkout, `make page` builds it; wheels of a release contain it.\n"
)


class Api:
    """The handlers of the API; those that read the store run in threads."""

    def __init__(
        self,
        store: Store,
        changes: Changes,
        status: Callable[[], dict[str, Any]],
        clear: Callable[[], None],
        dropped_files: DroppedFiles,
        page: Path = PAGE,
    ) -> None:
        self._store = store
        self._page = page
        self._changes = changes
        self._status = status
        self._clear = clear
        self._dropped_files = dropped_files
        self._skeletons = ThreadPoolExecutor(1, "tracekit-viewer-skeletons")
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End the thread that encodes skeletons."""
        self._skeletons.shutdown()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/status", self._get_status),
            Route("/api/traces", self._delete_traces, methods=["DELETE"]),
            Route("/api/live", self._get_live),
            Route("/api/files", self._post_file, methods=["POST"]),
            Route("/api/traces/{trace}", self._get_trace),
            Route("/api/traces/{trace}/skeleton", self._get_skeleton),
            Route("/api/traces/{trace}/spans/{span}", self._get_span),
            *SearchRoutes(self._store).routes(),
            *ExportRoutes(self._store, self._page).routes(),
            *DirectiveRoutes(self._store).routes(),
            Route("/api/{rest:path}", self._get_nothing),
        ]

    def _get_status(self, request: Request) -> Response:
        return respond_json(self._status())

    async def _delete_traces(self, request: Request) -> Response:
        await run_in_threadpool(self._clear)
        return Response(status_code=204)

    async def _post_file(self, request: Request) -> Response:
        length = request.headers.get("content-length", "")
        name = unquote(request.headers.get("x-file-name", "")) or "dropped file"
        file = self._dropped_files.open(name, int(length) if length.isdigit() else 0)
        try:
            async for piece in request.stream():
                await run_in_threadpool(file.write, piece)
            await run_in_threadpool(file.finish)
        except ViewerError as error:
            raise HTTPException(400, str(error)) from None
        return respond_json(asdict(file.progress))

    def _get_trace(self, request: Request) -> Response:
        with self._store.reading() as reader:
            return respond_json(describe_trace(trace_of(reader, request)))

    async def _get_skeleton(self, request: Request) -> Response:
        def encode() -> list[bytes | memoryview]:
            with self._store.reading() as reader:
                return encode_skeleton(reader, trace_of(reader, request))

        # One at a time, in one thread: a million spans take about 100 MB while they are encoded,
        # and the allocator of the C library keeps memory for each thread.
        pieces = await asyncio.get_running_loop().run_in_executor(self._skeletons, encode)
        length = sum(len(piece) for piece in pieces)
        return StreamingResponse(
            _in_parts(pieces),
            media_type="application/octet-stream",
            headers={**NO_STORE, "Content-Length": str(length)},
        )

    def _get_span(self, request: Request) -> Response:
        with self._store.reading() as reader:
            trace = trace_of(reader, request)
            span_id = read_id(request.path_params["span"], "span", 8)
            span = describe_span(
                reader, trace, span_id, read_number(request.query_params.get("start"))
            )
        if span is None:
            raise HTTPException(404, "the span is not stored")
        return respond_json(span)

    async def _get_live(self, request: Request) -> Response:
        return StreamingResponse(
            stream_changes(self._changes, self._status, self.closing),
            media_type="text/event-stream",
            headers=NO_STORE,
        )

    async def _get_nothing(self, request: Request) -> Response:
        raise HTTPException(404, "the API has no such address")


def make_app(api: Api, page: Path = PAGE) -> Starlette:
    """Return the application for the port of the page.

    Args:
        api: The handlers of the API.
        page: The directory of the built page.
    """
    index = page / "index.html"

    async def get_asset(request: Request) -> Response:
        name = request.path_params["name"]
        path = page / "assets" / name
        # The route's parameter holds no slash; a name of dots alone is not a file.
        if not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, headers=_IMMUTABLE)

    async def get_page(request: Request) -> Response:
        name = request.path_params["rest"]
        if name == "THIRD_PARTY.txt" and (page / name).is_file():
            return FileResponse(page / name)
        if not index.is_file():
            return PlainTextResponse(_NOT_BUILT, 503)
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    return Starlette(
        routes=[
            *api.routes(),
            Route("/assets/{name}", get_asset),
            Route("/{rest:path}", get_page),
        ],
        exception_handlers={HTTPException: _describe_error, QueryError: _describe_query_error},
    )


async def _in_parts(pieces: list[bytes | memoryview]) -> AsyncIterator[bytes | memoryview]:
    """Yield parts of a bounded size, so that no large one is copied to wait for the network."""
    pieces.reverse()
    while pieces:
        piece = pieces.pop()
        for begin in range(0, len(piece), _PART):
            yield piece[begin : begin + _PART]


async def _describe_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    return respond_json({"error": {"message": error.detail}}, error.status_code)


async def _describe_query_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, QueryError)  # noqa: S101 - registered for this class alone
    place = {"message": error.reason, "start": error.start, "end": error.end}
    return respond_json({"error": place}, 400)
