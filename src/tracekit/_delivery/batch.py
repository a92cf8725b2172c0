"""Delivery in batches: what the program's threads do with it.

A span's end appends it to a line and does no more, most of the time. The batches are exported in
another thread, in `tracekit._delivery.batch_export`.
"""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan

from tracekit._delivery.batch_export import QUEUE_IS_FULL, BatchExport
from tracekit._delivery.deadlines import Wait
from tracekit._delivery.exporter_lock import call_in_background
from tracekit._delivery.flushes import Flush
from tracekit._delivery.processor import is_local_root


class BatchDelivery(BatchExport):
    """Collects ended spans and exports them in batches from a thread of its own.

    What an exporter reports to have failed for a passing reason (see `ReportsOutcome`) goes back to
    the head of the line and is tried again, until it is delivered, makes room for newer spans, or
    a shutdown runs out of time.

    Args:
        exporter: Who delivers.
        name: What it is called in messages and statistics.
        settings: The sizes and the delay.
        bit: Which of the filters in force is the exporter's.
        prompt: Whether the end of a trace's local root is exported at once, in a process that may
            end without a word.
    """

    def take(self, span: ReadableSpan) -> None:
        """Put a sampled and wanted span into the line."""
        # Whoever changes `_attend_at` looks at the line afterwards, so that either of the two sees
        # what the other did.
        self._append(span)
        if len(self._queue) >= self._attend_at or (self._prompt and is_local_root(span)):
            self._attend(span)

    def _attend(self, span: ReadableSpan) -> None:
        with self._changed:
            why = self._drop_what_is_too_much()
            if self._prompt and is_local_root(span) and not self._closed:
                self._is_prompted = True
                self._awaken()
            elif self._is_full and not (self._is_awake or self._backoff.is_repeated):
                self._awaken()
        if not self._closed:
            self._start_worker()
        self._say_dropped(why)

    def _drop_what_is_too_much(self) -> str | None:
        if self._closed_at is not None:
            late = self._line.drop_behind(self._closed_at)
            return self._worth_saying("it was shut down") if late else None
        return self._worth_saying(QUEUE_IS_FULL) if self._line.make_room() else None

    def begin_flush(self) -> Wait:
        """Begin to deliver what ended before the call, and give what waits for it."""
        with self._changed:
            if self._closed:
                return self._wait_for_flush_at_end
            if not self._line.end:
                return lambda _: self._nothing_lost_since_flush()
            flush = self._flushes.add(self._line.end)
            self._hurry()
        if not self._start_worker():
            self._work_here()
        return lambda seconds: self._wait_for_flush(flush, seconds)

    def _wait_for_flush(self, flush: Flush, seconds: float) -> bool:
        if self._exporter_lock.is_called_from_here:
            return False
        with self._changed:
            self._changed.wait_for(lambda: flush.is_over or self._finished, seconds)
            flush.is_given_up = True
            return self._nothing_lost_since_flush() and flush.is_served

    def _wait_for_flush_at_end(self, seconds: float) -> bool:
        if self._exporter_lock.is_called_from_here:
            return False
        with self._changed:
            self._changed.wait_for(self._has_ended, seconds)
            return self._nothing_lost_since_flush() and self._finished

    def _has_ended(self) -> bool:
        return self._finished or self._abandoned

    def begin_shutdown(self) -> Wait:
        """Take no more spans, begin to deliver what waits and to shut the exporter down."""
        with self._changed:
            already_closed = self._closed
            if not already_closed:
                self._closed_at = self._line.end
                self._look_out()
            self._hurry()
        if not (self._start_worker() or already_closed):
            self._work_here()
            self._drop_rest()
            self._close_exporter()
        return self._wait_for_end

    def _wait_for_end(self, seconds: float) -> bool:
        if self._exporter_lock.is_called_from_here:
            return False
        why = None
        with self._changed:
            self._patient += 1
            try:
                self._changed.wait_for(self._has_ended, seconds)
            finally:
                self._patient -= 1
            if not self._has_ended() and self._patient:
                # Someone else has more time.
                return False
            if self._answer is None:
                why = self._abandon()
                self._answer = self._nothing_lost_since_flush() and self._finished
        self._say_dropped(why)
        return self._answer

    def _abandon(self) -> str | None:
        lost = self._line.drop_all()
        if not self._finished:
            self._abandoned = True
            if self._exporter_lock.is_called and not self.is_shared:
                # The exporter hangs: it is told to stop from a thread that nobody waits for.
                call_in_background(self.exporter.shutdown, f"tracekit-shutdown-{self.name}")
        self._hurry()
        return self._worth_saying("time ran out at shutdown") if lost else None

    def _drop_rest(self) -> None:
        with self._changed:
            why = self._worth_saying("the interpreter ends") if self._line.drop_all() else None
        self._say_dropped(why)
