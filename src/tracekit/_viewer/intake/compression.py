"""Compressed bodies, decompressed within a bound."""

from __future__ import annotations

import zlib
from typing import Final

_GZIP: Final = 31
_ZLIB: Final = 15


class BodyTooLargeError(Exception):
    """A body is larger than the bound, before or after decompression."""


class UnknownEncodingError(Exception):
    """A body is in an encoding that is not supported, or not in the one that it names."""


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its content encoding.

    Args:
        body: The body as it came.
        encoding: The value of `Content-Encoding`.
        limit: Bytes that the result may have.

    Raises:
        BodyTooLargeError: The result would be larger than the limit. No more than the limit was
            decompressed.
        UnknownEncodingError: The encoding is not gzip, deflate or identity, or the body is not
            in it.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        if len(body) > limit:
            raise BodyTooLargeError
        return body
    if encoding not in {"gzip", "deflate"}:
        raise UnknownEncodingError(f"Content-Encoding {encoding!r} is not gzip or deflate")
    window = _GZIP if encoding == "gzip" else _ZLIB
    whole = bytearray()
    try:
        # A gzip body may consist of several members.
        while body:
            decompressor = zlib.decompressobj(window)
            whole += decompressor.decompress(body, limit + 1 - len(whole))
            if len(whole) > limit:
                raise BodyTooLargeError
            if not decompressor.eof:
                raise UnknownEncodingError(f"the {encoding} body is incomplete")
            body = decompressor.unused_data
    except zlib.error as error:
        raise UnknownEncodingError(f"the body is not {encoding}: {error}") from None
    return bytes(whole)
