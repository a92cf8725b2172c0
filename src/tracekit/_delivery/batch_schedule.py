"""When a batch is exported: sizes and delays of batches, and the backoff after a failure."""

from __future__ import annotations

import math
import os
import random
import time
from dataclasses import dataclass
from typing import Final

from tracekit._base.errors import ConfigurationError


@dataclass(frozen=True)
class BatchSettings:
    """The sizes and times of batches, which the specification calls `OTEL_BSP_*`.

    Attributes:
        max_queue_size: The largest number of spans that wait. One more drops the oldest.
        max_export_batch_size: The largest number of spans in one call of the exporter.
        schedule_delay: Seconds between two batches that are not full.
        export_timeout: Seconds that one attempt at a batch may take. It applies to exporters that
            take a timeout (`BatchExporter`), unless their own timeout is shorter.
    """

    max_queue_size: int = 2048
    max_export_batch_size: int = 512
    schedule_delay: float = 5.0
    export_timeout: float = 30.0

    @classmethod
    def from_environment(cls) -> BatchSettings:
        """Parse the variables `OTEL_BSP_*` of the specification. Times are in milliseconds.

        Raises:
            ConfigurationError: A value is not a positive whole number, or a batch is larger than
                the queue.
        """
        queue = _positive("OTEL_BSP_MAX_QUEUE_SIZE", cls.max_queue_size)
        batch = _positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(cls.max_export_batch_size, queue))
        delay = _positive("OTEL_BSP_SCHEDULE_DELAY", int(cls.schedule_delay * 1000))
        timeout = _positive("OTEL_BSP_EXPORT_TIMEOUT", int(cls.export_timeout * 1000))
        if batch > queue:
            raise ConfigurationError(
                f"OTEL_BSP_MAX_EXPORT_BATCH_SIZE={batch} is larger than the queue "
                f"(OTEL_BSP_MAX_QUEUE_SIZE={queue}); make it at most that"
            )
        return cls(queue, batch, delay / 1000, timeout / 1000)


def _positive(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ConfigurationError(f"{variable}={text!r} is not a whole number above zero")
    return int(text)


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
    """Return the seconds to wait after so many consecutive failures, at least 1.

    `retry_after` is the number of seconds that the receiver asks for, if it does.
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
        """Start the delay after one more failure; `retry_after` as for `backoff_delay`."""
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


# Seconds. See `LocalRoots`.
_ROOT_INTERVAL: Final = 0.1
_ROOT_PAUSE: Final = 0.025


class LocalRoots:
    """When the local roots of a process are exported that may end without running any code.

    A local root is exported at once if nothing was exported for 100 ms. Later ones wait until these
    100 ms are over, or until no local root has ended for 25 ms. So a process with many traces does
    not pay for a request for each.
    """

    def __init__(self) -> None:
        self._last_batch_at = 0.0
        self._last_root_at = math.inf

    @property
    def due_at(self) -> float:
        """The monotonic time of the next export, or infinity if no local root waits."""
        if self._last_root_at == math.inf:
            return math.inf
        return min(self._last_batch_at + _ROOT_INTERVAL, self._last_root_at + _ROOT_PAUSE)

    def add(self) -> bool:
        """Add a local root, and return whether it is the first one that waits."""
        is_first = self._last_root_at == math.inf
        self._last_root_at = time.monotonic()
        return is_first

    def begin_batch(self, *, is_last: bool) -> None:
        """Note the time of a batch, after which local roots wait only if it is not the last."""
        self._last_batch_at = time.monotonic()
        if is_last:
            self._last_root_at = math.inf
