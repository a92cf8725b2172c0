"""How spans are put together for an exporter."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tracekit._base.errors import ConfigurationError


@dataclass(frozen=True)
class BatchSettings:
    """How spans are put together for an exporter; the specification's `OTEL_BSP_*`.

    Attributes:
        max_queue_size: The most spans that wait; with one more the oldest is dropped.
        max_export_batch_size: The most spans in one call of the exporter.
        schedule_delay: Seconds between two batches that are not full.
        export_timeout: Seconds that one attempt at a batch may take, where the exporter can be told
            so (see `tracekit._delivery.export_outcome`) and has no shorter timeout of its own.
    """

    max_queue_size: int = 2048
    max_export_batch_size: int = 512
    schedule_delay: float = 5.0
    export_timeout: float = 30.0

    @classmethod
    def from_environment(cls) -> BatchSettings:
        """Read `OTEL_BSP_MAX_QUEUE_SIZE`, `…_MAX_EXPORT_BATCH_SIZE`, and the times in milliseconds.

        Raises:
            ConfigurationError: One of them is no positive number.
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
