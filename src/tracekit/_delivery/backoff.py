"""The delay before the next attempt at a batch."""

from __future__ import annotations

import random
import time
from typing import Final

# Seconds. At the longest delay, an unreachable receiver gets about as many requests as one that
# works: a batch is due every 5 seconds.
INITIAL_DELAY: Final = 1.0
MAX_DELAY: Final = 5.0
# The bounds of a delay that a receiver asks for. Below, it would get requests without end; above,
# spans would wait for ever.
MIN_DELAY: Final = 0.05
MAX_RETRY_AFTER: Final = 300.0
# After so many failures the delay has long reached its maximum.
_MAX_FAILURES: Final = 10


def backoff_delay(failures: int, retry_after: float | None = None) -> float:
    """Return the seconds to wait after a number of consecutive failures.

    Args:
        failures: The number of failures, at least 1.
        retry_after: The seconds that the receiver asks for, if it does.
    """
    if retry_after is not None:
        return min(max(retry_after, MIN_DELAY), MAX_RETRY_AFTER)
    # The jitter spreads the requests of many processes. It needs no cryptography.
    return min(INITIAL_DELAY * 2.0 ** (failures - 1), MAX_DELAY) * random.uniform(0.8, 1.2)  # noqa: S311


class Backoff:
    """The delays between consecutive failed attempts. A flush can cut a delay short."""

    def __init__(self) -> None:
        self._failures = 0
        self._due = self._earliest = 0.0

    @property
    def remaining(self) -> float:
        """The seconds until the next attempt, or 0."""
        return max(0.0, self._due - time.monotonic()) if self._due else 0.0

    @property
    def is_active(self) -> bool:
        """Whether the last attempt failed, so that the next one is a retry."""
        return self._failures > 0

    def add_failure(self, retry_after: float | None) -> None:
        """Start the delay after one more failure.

        Args:
            retry_after: The seconds that the receiver asks for, if it does.
        """
        self._failures = min(self._failures + 1, _MAX_FAILURES)
        now = time.monotonic()
        self._due = now + backoff_delay(self._failures, retry_after)
        self._earliest = now + MIN_DELAY

    def cut_short(self) -> None:
        """Make the next attempt due almost at once, and the delays after it short again."""
        self._due = min(self._due, self._earliest)
        self._failures = min(self._failures, 1)

    def reset(self) -> None:
        """Forget the failures after a success."""
        self._due, self._failures = 0.0, 0
