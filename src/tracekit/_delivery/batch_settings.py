"""The sizes and times of batches."""

from __future__ import annotations

import os
from dataclasses import dataclass

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
