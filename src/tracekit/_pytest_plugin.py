"""The pytest fixture `spans`. It imports nothing before a test asks for it."""

from __future__ import annotations

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
