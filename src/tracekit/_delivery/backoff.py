"""How long to wait before a batch is tried again."""

from __future__ import annotations

import random
import time
from typing import Final

# Seconds. A receiver that is away gets no more requests than one that is there, in the long run:
# a batch is due about as often.
FIRST: Final = 1.0
LONGEST: Final = 5.0
# However great the hurry is, and whatever a receiver asks for: it is not to be hit without end, nor
# to be left alone for ever.
LEAST: Final = 0.05
MOST_ASKED: Final = 300.0


def pause_after(failures: int, asked: float | None = None) -> float:
    """The seconds to wait after so many failures in a row.

    Args:
        failures: How many, from 1 on.
        asked: What the receiver asks for, which counts within bounds.
    """
    if asked is not None:
        return min(max(asked, LEAST), MOST_ASKED)
    # A jitter needs no cryptography. Receivers are not to be hit by all at once.
    return min(FIRST * 2.0 ** (failures - 1), LONGEST) * random.uniform(0.8, 1.2)  # noqa: S311


class Backoff:
    """The time between two attempts, which is over at once when someone is in a hurry."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = self._earliest = 0.0

    @property
    def remaining(self) -> float:
        """The seconds that are left, or 0."""
        return max(0.0, self._until - time.monotonic()) if self._until else 0.0

    @property
    def is_repeated(self) -> bool:
        """Whether the next attempt is not the first one at what stands at the head."""
        return self._failures > 0

    def begin(self, asked: float | None) -> None:
        """Begin after one more failure.

        Args:
            asked: The seconds that the receiver asks for, if it does.
        """
        self._failures += 1
        # Beyond ten it is the longest one all the same.
        now = time.monotonic()
        self._until = now + pause_after(min(self._failures, 10), asked)
        self._earliest = now + LEAST

    def cut_short(self) -> None:
        """Let the next attempt come at once, as good as, and short pauses after it."""
        self._until = min(self._until, self._earliest)
        self._failures = min(self._failures, 1)

    def forget(self) -> None:
        """Begin anew after a success."""
        self._until, self._failures = 0.0, 0
