"""Cursors: where a page of a list ended, as text."""

from __future__ import annotations

from typing import Final

from tracekit._viewer.store.records import LARGEST
from tracekit._viewer.store.search import Position

_PARTS: Final = 3


def encode_cursor(position: Position) -> str:
    """Encode the place where a list goes on."""
    return ".".join(map(str, position))


def decode_cursor(text: str) -> Position:
    """Decode a cursor.

    Raises:
        ValueError: It is not one.
    """
    parts = [int(part) for part in text.split(".")]
    if len(parts) != _PARTS or not all(-LARGEST <= part <= LARGEST for part in parts):
        raise ValueError(text)
    return Position(*parts)
