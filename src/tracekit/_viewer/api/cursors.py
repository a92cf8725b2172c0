"""Cursors: where a page of a list ended, as text."""

from __future__ import annotations

from tracekit._viewer.store.records import LARGEST


def encode_cursor(value: int, number: int) -> str:
    """Encode the value that a list is sorted by and the number of its last trace."""
    return f"{value}.{number}"


def decode_cursor(text: str) -> tuple[int, int]:
    """Decode a cursor.

    Raises:
        ValueError: It is not one.
    """
    value, _, number = text.partition(".")
    pair = int(value), int(number)
    if not all(-LARGEST <= each <= LARGEST for each in pair):
        raise ValueError(text)
    return pair
