"""Ids for traces and spans, random in a row of their own.

The SDK draws its ids from the row of the module `random`, which the program may have seeded, and
which gives the program other numbers where something else draws from it.
"""

from __future__ import annotations

import random
from typing import Final

from tracekit._ground import forks


class _Source(random.Random):
    def begin_anew(self) -> None:
        """Give a forked process a row of its own."""
        self.seed()


_source: Final = forks.watch(_Source())
_draw: Final = _source.getrandbits


def random_trace_id() -> int:
    """A trace id: 128 random bits, not all of them zero."""
    return _draw(128) or random_trace_id()


def random_span_id() -> int:
    """A span id: 64 random bits, not all of them zero."""
    return _draw(64) or random_span_id()
