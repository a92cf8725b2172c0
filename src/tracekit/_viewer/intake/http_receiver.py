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


async def _export(  # noqa: PLR0911 - one for each kind of refusal
    http: HttpRequest, signal: Signal, queue: RequestQueue, body_bytes: int
) -> Response:
    media_type = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = _MEDIA_TYPES.get(media_type)
    if encoding is None:
        expected = " or ".join(_MEDIA_TYPES)
        return Response(f"Content-Type must be {expected}", 415, media_type="text/plain")
    try:
        body = decompress(
            await read_body(http, body_bytes), http.headers.get("content-encoding", ""), body_bytes
        )
        request = Request(signal, encoding, body)
        queue.put(request)
        outcome = await asyncio.wait_for(asyncio.wrap_future(request.outcome), _STORE_SECONDS)
    except BodyTooLargeError:
        return Response(f"larger than {body_bytes} bytes", 413, media_type="text/plain")
    except UnknownEncodingError as error:
        return Response(str(error), 415, media_type="text/plain")
    except MalformedRequestError as error:
        return Response(str(error), 400, media_type="text/plain")
    except QueueFullError:
        return Response("the viewer's queue is full", 429, _RETRY, media_type="text/plain")
    except StoreFailedError as error:
        return Response(f"not stored: {error}", 503, _RETRY, media_type="text/plain")
    except asyncio.TimeoutError:
        return Response("the viewer is busy", 503, _RETRY, media_type="text/plain")
    return Response(encode_response(signal, outcome, encoding), media_type=media_type)


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
