"""An exporter's trouble, said once when it begins and once when it is over."""

from __future__ import annotations

import logging
import time
from typing import Final

from tracekit._base.log import log, log_warning
from tracekit._delivery.counts import Tally
from tracekit._delivery.export_outcome import ExportOutcome

# A receiver that fails now and then is not worth two lines each time. So many seconds after the
# last one it must have failed so often in a row.
QUIET: Final = 60.0
OFTEN: Final = 3


class ExporterHealth:
    """What was said of the trouble that an exporter is in."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_waiting = self._is_failing = False
        self._failed = self._dropped = 0
        self._in_a_row = 0
        self._quiet_until = 0.0

    def note(self, answer: ExportOutcome, failed: int, tally: Tally) -> None:
        """Say what is new about it; called with no lock held that the end of a span needs.

        Args:
            answer: What came of an attempt.
            failed: How many spans failed for good in it.
            tally: The counts, these included.
        """
        if not (failed or answer.is_retryable):
            self._end(tally)
            return
        if not self._in_a_row:
            self._failed, self._dropped = tally.failed - failed, tally.dropped
        self._in_a_row += 1
        if failed:
            self._say_failing(failed, answer.error)
        else:
            self._say_waiting(answer.error)

    def _say_failing(self, failed: int, reason: str | None) -> None:
        if self._is_failing:
            return
        self._is_failing = True
        log_warning(
            "the exporter %s did not deliver %d spans: %s; further ones are counted in silence",
            self._name,
            failed,
            reason or "it gave no reason",
        )

    def _say_waiting(self, reason: str | None) -> None:
        is_rare = self._in_a_row < OFTEN and time.monotonic() < self._quiet_until
        if is_rare or self._is_waiting:
            return
        self._is_waiting = True
        self._quiet_until = time.monotonic() + QUIET
        log_warning(
            "the exporter %s cannot deliver for now: %s; spans wait and are tried again",
            self._name,
            reason or "it gave no reason",
        )

    def _end(self, tally: Tally) -> None:
        self._in_a_row = 0
        if self._is_waiting or self._is_failing:
            self._is_waiting = self._is_failing = False
            log(
                logging.INFO,
                "the exporter %s delivers again; meanwhile %d spans failed and %d were dropped",
                self._name,
                tally.failed - self._failed,
                tally.dropped - self._dropped,
            )
