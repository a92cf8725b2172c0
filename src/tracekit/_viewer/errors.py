"""Errors of the viewer, each with what to do about it."""

from __future__ import annotations

from tracekit._base.errors import TracekitError


class ViewerError(TracekitError):
    """The viewer cannot start or go on; the message says what to do."""


class DatabaseError(ViewerError):
    """A database file cannot be used: of another program, of another version, or in use."""


class PortError(ViewerError):
    """A port cannot be listened on."""


class StoreError(ViewerError):
    """The database cannot be written to: the disk is full, or fails."""
