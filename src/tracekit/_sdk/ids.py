"""Random ids for traces and spans, from a generator of tracekit's own.

The SDK takes its ids from the generator of the module `random`. A program that seeds that one, for
numbers that it can reproduce, would get other numbers whenever a span starts.
"""

from __future__ import annotations

import random
from typing import Final

from tracekit._base import forks


class _Generator(random.Random):
    def after_fork_in_child(self) -> None:
        """Seed the generator of a forked child, which would repeat the ids of its parent."""
        self.seed()


_generator: Final = forks.register(_Generator())
# Returns an integer of so many random bits.
random_bits: Final = _generator.getrandbits
