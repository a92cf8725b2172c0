"""Delivery at once, in the thread that ends a span."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from tracekit._delivery import deadlines
from tracekit._delivery.deadlines import Wait
from tracekit._delivery.export_outcome import ExportBatch, ExportOutcome, attempt_export
from tracekit._delivery.processor import Delivery
from tracekit._sdk.views import view_of

_INTERRUPTED: Final = ExportOutcome(error="the export was interrupted")


class ImmediateDelivery(Delivery):
    """Hands each span to the exporter in the thread that ends it.

    It is for exporters that keep spans in memory, where they are to be found at once, and for those
    that someone is looking at, so that a tree stands before what the program prints next.
    """

    def _begin_counting(self) -> None:
        super()._begin_counting()
        # Which thread is at the exporter, and a number to tell one time from another.
        self._inside: set[tuple[int, int]] = set()
        self._number = count()
        self._left = threading.Condition(self._counting)
        self._awaited = 0

    @property
    def _waiting(self) -> int:
        return len(self._inside)

    def take(self, span: ReadableSpan) -> None:
        """Hand a sampled and wanted span to the exporter."""
        entry = threading.get_ident(), next(self._number)
        answer = _INTERRUPTED
        self._inside.add(entry)
        try:
            batch = ExportBatch((view_of(span, self.bit) or span,))
            answer = attempt_export(self.exporter, batch, float("inf"))
        finally:
            self._count(answer)
            self._leave(entry)
        if answer.interruption is not None:
            raise answer.interruption

    def _count(self, answer: ExportOutcome) -> None:
        failed = 1 - answer.exported
        with self._counting:
            self._tally.exported += answer.exported
            self._tally.failed += failed
        self._health.note(answer, failed, self._tally)

    def _leave(self, entry: tuple[int, int]) -> None:
        self._inside.discard(entry)
        # Whoever waits says so before it looks, so that no span pays for it otherwise.
        if self._awaited:
            with self._left:
                self._left.notify_all()

    def begin_flush(self) -> Wait:
        """Begin to flush the exporter, and give what waits for it."""
        return self._begin(self.exporter.force_flush, "flush")

    def begin_shutdown(self) -> Wait:
        """Begin to shut the exporter down, and give what waits for it."""
        if self.is_shared:
            return self.begin_flush()
        return self._begin(self.exporter.shutdown, "shut down")

    def _begin(self, function: Callable[[], object], what: str) -> Wait:
        inside = self._inside.copy()
        ended = deadlines.begin(function, what)
        answers: list[bool] = []

        def wait(seconds: float) -> bool:
            waits = (lambda left: self._wait_until_out(inside, left), ended)
            if not answers and deadlines.wait_for_all(waits, seconds):
                answers.append(self._nothing_lost_since_flush())
            return any(answers)

        return wait

    def _wait_until_out(self, inside: set[tuple[int, int]], seconds: float) -> bool:
        with self._left:
            if any(thread == threading.get_ident() for thread, _ in inside & self._inside):
                # The exporter, or a signal handler within it, would wait for itself.
                return False
            self._awaited += 1
            try:
                return self._left.wait_for(lambda: inside.isdisjoint(self._inside), seconds)
            finally:
                self._awaited -= 1
