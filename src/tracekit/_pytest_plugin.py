"""The pytest fixture `spans`, and the report of a failed comparison of spans.

The plugin imports the rest of tracekit when a test requests the fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tracekit.testing import CapturedSpans


@pytest.fixture
def spans() -> Iterator[CapturedSpans]:
    """The spans that end during the test, captured by `tracekit.testing.capture_spans`."""
    from tracekit.testing import capture_spans

    with capture_spans() as captured:
        yield captured


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show the captured spans as trees above the expected ones."""
    testing = sys.modules.get("tracekit.testing")
    if testing is None or op != "==" or not isinstance(left, testing.CapturedSpans):
        return None
    return ["the spans differ", "captured:", *str(left).splitlines(), "expected:", repr(right)]
