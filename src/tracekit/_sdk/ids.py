"""Ids for traces and spans, random in a row of their own.

The SDK draws its ids from the row of the module `random`, which the program may have seeded, and
which gives the program other numbers where something else draws from it.
"""

from __future__ import annotations

import random
from typing import Final

from tracekit._base import forks


class _Source(random.Random):
    def after_fork_in_child(self) -> None:
        """Give a forked process a row of its own."""
        self.seed()


_source: Final = forks.register(_Source())
# Gives so many random bits; all of them are zero once in the life of a star, and never for an id.
draw: Final = _source.getrandbits
