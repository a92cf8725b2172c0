"""OTLP over HTTP: protocol buffers and JSON, gzip."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from tracekit._viewer.intake.compression import (
    BodyTooLargeError,
    UnknownEncodingError,
    decompress,
)
from tracekit._viewer.intake.decode import MalformedRequestError
from tracekit._viewer.intake.request_queue import (
    Encoding,
    QueueFullError,
    Request,
    RequestQueue,
    Signal,
    StoreFailedError,
)
from tracekit._viewer.intake.responses import encode_response

_MEDIA_TYPES: Final[dict[str, Encoding]] = {
    "application/x-protobuf": "protobuf",
    "application/json": "json",
}
_REFUSALS: Final[dict[type[Exception], tuple[int, str]]] = {
    BodyTooLargeError: (413, "larger than {limit} bytes"),
    UnknownEncodingError: (415, "{error}"),
    MalformedRequestError: (400, "{error}"),
    QueueFullError: (429, "the viewer's queue is full"),
    StoreFailedError: (503, "not stored: {error}"),
    asyncio.TimeoutError: (503, "the viewer is busy"),
}
_TRY_AGAIN: Final = {429, 503}
_RETRY: Final = {"Retry-After": "1"}
_STORE_SECONDS: Final = 30.0


def make_http_receiver(queue: RequestQueue, *, body_bytes: int) -> Starlette:
    """Return the application for the port of OTLP/HTTP.

    Only the media types of OTLP are accepted: a page of another origin cannot send them without a
    preflight request, which is not answered.
    """

    def route(signal: Signal) -> Route:
        async def export(request: HttpRequest) -> Response:
            return await _export(request, signal, queue, body_bytes)

        return Route(f"/v1/{signal}", export, methods=["POST"])

    return Starlette(routes=[route("traces"), route("logs"), route("metrics")])


async def _export(
    http: HttpRequest, signal: Signal, queue: RequestQueue, body_bytes: int
) -> Response:
    media_type = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = _MEDIA_TYPES.get(media_type)
    if encoding is None:
        return _refuse(415, f"Content-Type must be {' or '.join(_MEDIA_TYPES)}")
    try:
        body = decompress(
            await read_body(http, body_bytes), http.headers.get("content-encoding", ""), body_bytes
        )
        request = Request(signal, encoding, body)
        queue.put(request)
        outcome = await asyncio.wait_for(asyncio.wrap_future(request.outcome), _STORE_SECONDS)
    except tuple(_REFUSALS) as error:
        status, text = _REFUSALS[type(error)]
        return _refuse(status, text.format(error=error, limit=body_bytes))
    return Response(encode_response(signal, outcome, encoding), media_type=media_type)


def _refuse(status: int, text: str) -> Response:
    headers = _RETRY if status in _TRY_AGAIN else None
    return Response(text, status, headers, media_type="text/plain")


async def read_body(http: HttpRequest, limit: int) -> bytes:
    """Read a request's body.

    Raises:
        BodyTooLargeError: It is longer than the limit; the rest is not read.
    """
    length = http.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise BodyTooLargeError
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLargeError
    return bytes(body)
