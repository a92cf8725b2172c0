"""Texts in the quotes of the filter language."""

from __future__ import annotations


def quote(text: str) -> str:
    """A text in quotes, as the language reads it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
