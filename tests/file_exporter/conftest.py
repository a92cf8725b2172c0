"""Fixtures of the tests of the file exporter."""

from __future__ import annotations

import os

import pytest

from tests.file_exporter.writers import (
    HeldWrite,
)
from tracekit._otlp.file_exporter import FileExporter


@pytest.fixture
def path(tmp_path):
    """The file of the exporter."""
    return tmp_path / "traces.jsonl"


@pytest.fixture
def exporter(path):
    """An exporter to `path`, which is shut down at the end."""
    exporter = FileExporter(path)
    yield exporter
    exporter.shutdown()


@pytest.fixture
def held_write(monkeypatch):
    """A write that begins, and ends when the test releases it."""
    held = HeldWrite()
    monkeypatch.setattr(os, "write", held)
    yield held
    held.released.set()
