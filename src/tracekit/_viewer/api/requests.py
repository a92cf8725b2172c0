"""What handlers read from requests, and how they answer."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from tracekit._viewer.store.reader import Reader, TraceSummary

NO_STORE: Final = {"Cache-Control": "no-store"}


def respond_json(data: Any, status: int = 200) -> JSONResponse:
    """Return a response in JSON that no cache keeps."""
    return JSONResponse(data, status, headers=NO_STORE)


def read_number(text: str | None) -> int | None:
    """Return a parameter's number within 64 bits, or None if there is none.

    Raises:
        HTTPException: It is not a number.
    """
    if not text:
        return None
    try:
        return max(-(1 << 63), min(int(text), (1 << 63) - 1))
    except ValueError:
        raise HTTPException(400, f"not a number: {text!r}") from None


def read_limit(text: str | None, default: int, most: int) -> int:
    """Return the number of items that are asked for.

    Raises:
        HTTPException: It is not a number, or less than 1.
    """
    number = read_number(text)
    if number is None:
        return default
    if number < 1:
        raise HTTPException(400, "a limit must be at least 1")
    return min(number, most)


def read_id(text: str, name: str, length: int) -> bytes:
    """Return an id of so many bytes.

    Raises:
        HTTPException: It is not one.
    """
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != length:
        raise HTTPException(400, f"a {name} id has {2 * length} hexadecimal digits")
    return value


def find_trace(reader: Reader, text: str) -> TraceSummary:
    """Return the trace with an id in hexadecimal.

    Raises:
        HTTPException: It is not stored, or not an id.
    """
    trace = reader.trace(read_id(text, "trace", 16))
    if trace is None:
        raise HTTPException(404, "the trace is not stored")
    return trace


def trace_of(reader: Reader, request: Request) -> TraceSummary:
    """Return the trace that a request's path names."""
    return find_trace(reader, request.path_params["trace"])
