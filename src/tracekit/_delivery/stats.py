"""What became of the spans of an exporter, as counts and as log messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tracekit._base.log import log, log_warning
from tracekit._delivery.exporter_calls import ExportOutcome


@dataclass(frozen=True)
class ExporterStats:
    """The counts of the spans that were ended for one exporter.

    Attributes:
        exported: Spans that the exporter delivered.
        dropped: Spans that never reached the exporter, because its queue was full or the shutdown
            ran out of time.
        failed: Spans that the exporter, or the receiver behind it, did not accept.
        waiting: Spans that are in the queue or are being exported. Spans that an unreachable
            receiver could not take are in the queue again.
    """

    exported: int = 0
    dropped: int = 0
    failed: int = 0
    waiting: int = 0


class SpanCounts:
    """The counts of the spans that have left the queue of an exporter. The caller holds a lock."""

    # The lock is reentrant, so a signal handler or a finalizer can run under it. It cannot run in
    # the middle of a `+=` on a slot: the interpreter runs them at calls and jumps only.
    __slots__ = ("dropped", "exported", "failed")

    def __init__(self) -> None:
        self.exported = self.dropped = self.failed = 0

    @property
    def lost(self) -> int:
        """Spans that will never be delivered."""
        return self.dropped + self.failed

    def stats(self, waiting: int) -> ExporterStats:
        """Return the counts as a value, with those that have not left the queue."""
        return ExporterStats(self.exported, self.dropped, self.failed, waiting)


@dataclass(frozen=True)
class Stats:
    """The counts of the spans of a set-up.

    A span that ends counts once for each exporter. With one exporter,
    `exported + dropped + failed + waiting` is the number of sampled spans that ended.

    Attributes:
        started: Spans that were started and recorded.
        exporters: The counts of each exporter by its name in the set-up. A second exporter with
            the same name has a number after it (`otlp-2`).
    """

    started: int = 0
    exporters: Mapping[str, ExporterStats] = field(default_factory=dict)

    @property
    def exported(self) -> int:
        """Spans that were delivered, summed over the exporters."""
        return sum(one.exported for one in self.exporters.values())

    @property
    def dropped(self) -> int:
        """Spans that never reached their exporter, summed over the exporters."""
        return sum(one.dropped for one in self.exporters.values())

    @property
    def failed(self) -> int:
        """Spans that their exporter or receiver did not accept, summed over the exporters."""
        return sum(one.failed for one in self.exporters.values())


# A receiver that fails now and then is not worth two messages each time. Within so many seconds
# after a message it has to fail so many times consecutively for the next one.
QUIET_SECONDS: Final = 60.0
MANY_FAILURES: Final = 3
_FAILURE: Final = (
    "the exporter %s did not deliver %d spans: %s; further ones are counted in silence"
)
_RETRY: Final = "the exporter %s cannot deliver for now: %s; spans wait and are tried again"
_RECOVERY: Final = "the exporter %s delivers again; meanwhile %d spans failed and %d were dropped"
# Reasons to drop spans.
QUEUE_IS_FULL: Final = "its queue is full (OTEL_BSP_MAX_QUEUE_SIZE)"
IS_SHUT_DOWN: Final = "it was shut down"
NO_TIME_LEFT: Final = "time ran out at shutdown"
INTERPRETER_ENDS: Final = "the interpreter ends"


class ExporterHealth:
    """Logs when an exporter begins to fail, when it recovers, and why spans are dropped.

    Its methods are called without any lock that the end of a span needs: the handler of a message
    can end spans itself.

    Args:
        name: The exporter's name in the messages.
        is_silent: Whether failures are counted without a message.
    """

    def __init__(self, name: str, *, is_silent: bool = False) -> None:
        self._name = name
        self._is_silent = is_silent
        self._retries_are_logged = self._failures_are_logged = False
        self._failures = 0
        self._failed_before = self._dropped_before = 0
        self._quiet_until = 0.0
        self._drops_logged: dict[str, object] = {}

    def record(self, outcome: ExportOutcome, failed: int, counts: SpanCounts) -> None:
        """Log what is new in the outcome of an attempt.

        Args:
            outcome: The outcome.
            failed: The number of spans that failed in the attempt and are not retried.
            counts: The exporter's counts, which include these.
        """
        if self._is_silent:
            return
        if not (failed or outcome.is_retryable):
            self._recover(counts)
            return
        if not self._failures:
            self._failed_before = counts.failed - failed
            self._dropped_before = counts.dropped
        self._failures += 1
        error = outcome.error or "it gave no reason"
        if failed:
            if not self._failures_are_logged:
                self._failures_are_logged = True
                log_warning(_FAILURE, self._name, failed, error)
        elif not self._retries_are_logged and (
            self._failures >= MANY_FAILURES or time.monotonic() >= self._quiet_until
        ):
            self._retries_are_logged = True
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            log_warning(_RETRY, self._name, error)

    def _recover(self, counts: SpanCounts) -> None:
        self._failures = 0
        if self._retries_are_logged or self._failures_are_logged:
            self._retries_are_logged = self._failures_are_logged = False
            failed = counts.failed - self._failed_before
            log(logging.INFO, _RECOVERY, self._name, failed, counts.dropped - self._dropped_before)

    def log_drop(self, reason: str) -> None:
        """Log that spans are dropped, the first time for each reason of this module."""
        # `setdefault` is atomic: of several threads, one finds its own object.
        own = object()
        if self._drops_logged.setdefault(reason, own) is own:
            log_warning("spans for the exporter %s are dropped and counted: %s", self._name, reason)
