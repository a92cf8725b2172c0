"""The import rules that import-linter cannot check: those about parts of OpenTelemetry."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tracekit

SOURCE = Path(tracekit.__file__).parent
TOO_HEAVY = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "grpc")
LIGHT = sorted(
    path
    for pattern in (
        "_base/*.py",
        "_filters/*.py",
        "_values/*.py",
        "_recording/*.py",
        "_instrument/*.py",
        "_context/*.py",
        "executors.py",
        "propagation.py",
        "logs.py",
    )
    for path in SOURCE.glob(pattern)
)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_instrumented_code_does_not_import_the_sdk(path):
    """The lower rooms import OpenTelemetry's API at most."""
    assert [] == [name for name in imported(path) if name.startswith(TOO_HEAVY)]


def test_the_checked_files_exist():
    """The patterns above match the source."""
    assert len(LIGHT) > 20
