"""Processors that hand ended spans to an exporter and know what became of each.

The SDK's batch processor takes an exporter's failure for a success, has no deadline for its flush
and calls the exporter from the thread that flushes. These keep their deadlines, whatever the
exporter does: who flushes or shuts down only waits for other threads, and for no longer than said.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from opentelemetry.context import attach, detach, get_current, set_value
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._code.current import SUPPRESS_KEY
from tracekit._engine import deadlines
from tracekit._engine.counts import ExporterStats
from tracekit._engine.deadlines import Wait
from tracekit._engine.views import view_of
from tracekit._ground import forks
from tracekit._ground.errors import ConfigurationError
from tracekit._ground.log import say, warn


@dataclass(frozen=True)
class BatchSettings:
    """How spans are put together for an exporter; the specification's `OTEL_BSP_*`.

    Attributes:
        max_queue_size: The most spans that wait; with one more the oldest is dropped.
        max_export_batch_size: The most spans in one call of the exporter.
        schedule_delay: Seconds between two batches that are not full.
    """

    max_queue_size: int = 2048
    max_export_batch_size: int = 512
    schedule_delay: float = 5.0

    @classmethod
    def from_environment(cls) -> BatchSettings:
        """Read `OTEL_BSP_MAX_QUEUE_SIZE`, `…_MAX_EXPORT_BATCH_SIZE` and `…_SCHEDULE_DELAY` (ms).

        Raises:
            ConfigurationError: One of them is no positive number.
        """
        queue = _positive("OTEL_BSP_MAX_QUEUE_SIZE", cls.max_queue_size)
        batch = _positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(cls.max_export_batch_size, queue))
        delay = _positive("OTEL_BSP_SCHEDULE_DELAY", int(cls.schedule_delay * 1000))
        if batch > queue:
            raise ConfigurationError(
                f"OTEL_BSP_MAX_EXPORT_BATCH_SIZE={batch} is larger than the queue "
                f"(OTEL_BSP_MAX_QUEUE_SIZE={queue}); make it at most that"
            )
        return cls(queue, batch, delay / 1000)


def _positive(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ConfigurationError(f"{variable}={text!r} is not a whole number above zero")
    return int(text)


class Delivery(SpanProcessor):
    """A span processor that accounts for what it was given.

    Attributes:
        name: What the exporter is called in messages and statistics.
        exporter: Who delivers.
        bit: Which of the filters in force is this exporter's.
        is_shared: Whether someone else goes on with the exporter, so that a shutdown only flushes
            it.
    """

    is_shared = False

    def __init__(self, exporter: SpanExporter, name: str, bit: int = 0) -> None:
        self.exporter = exporter
        self.name = name
        self.bit = bit
        self._begin_counting()
        forks.watch(self)

    def _begin_counting(self) -> None:
        self._exported = self._dropped = self._failed = 0
        self._lost_before_flush = 0
        self._failing = False
        # Reentrant: a signal handler or a finalizer may end spans while its own thread is in here.
        self._counting = threading.RLock()

    def begin_anew(self) -> None:
        """Begin anew in a child process, which counts its own spans only."""
        self._begin_counting()

    @property
    def stats(self) -> ExporterStats:
        """What became of the spans so far."""
        return ExporterStats(self._exported, self._dropped, self._failed, self._waiting)

    @property
    def _waiting(self) -> int:
        return 0

    def on_end(self, span: ReadableSpan) -> None:
        """Take a sampled span, as its exporter is to see it; the calling thread never waits."""
        if is_sampled(span):
            view = view_of(span, self.bit)
            if view is not None:
                self._take(view)

    def _take(self, span: ReadableSpan) -> None:
        raise NotImplementedError

    def begin_flush(self) -> Wait:
        """Begin to deliver what waits, and give what waits for it."""
        raise NotImplementedError

    def begin_shutdown(self) -> Wait:
        """Begin to shut down, and give what waits for it."""
        raise NotImplementedError

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """Deliver what ended before the call.

        Args:
            timeout_millis: How long to wait for it, in milliseconds.

        Returns:
            Whether it was delivered in time, and nothing was lost since the last flush.
        """
        return self.begin_flush()(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000) -> bool:  # type: ignore[override]  # tells more than the SDK asks for
        """Deliver what waits, then shut the exporter down.

        Args:
            timeout_millis: How long to wait for both, in milliseconds. What waits even then is
                dropped and counted.

        Returns:
            Whether all was done in time, and nothing was lost since the last flush.
        """
        return self.begin_shutdown()(timeout_millis / 1000)

    def _nothing_lost_since_flush(self) -> bool:
        lost = self._dropped + self._failed
        before, self._lost_before_flush = self._lost_before_flush, lost
        return lost == before

    def _export(self, batch: Sequence[ReadableSpan]) -> None:
        exported, reason = 0, None
        token = attach(set_value(SUPPRESS_KEY, True, get_current()))
        try:
            result = self.exporter.export(batch)
            reason = getattr(self.exporter, "last_error", None)
            if result is SpanExportResult.SUCCESS:
                rejected = getattr(self.exporter, "last_rejected", 0)
                exported = len(batch) - min(len(batch), rejected)
        except BaseException as error:
            reason = _text_of(error)
            if not isinstance(error, Exception):
                raise
        finally:
            detach(token)
            failed = len(batch) - exported
            if self._settle(exported, failed):
                self._tell(failed, reason)

    def _settle(self, exported: int, failed: int) -> bool:
        with self._counting:
            self._exported += exported
            self._failed += failed
        return True

    def _tell(self, rejected: int, reason: str | None) -> None:
        was_failing, self._failing = self._failing, bool(rejected)
        if rejected and not was_failing:
            warn(
                "the exporter %s did not deliver %d spans: %s; further ones are counted in silence",
                self.name,
                rejected,
                reason or "it gave no reason",
            )
        elif was_failing and not rejected:
            text = "the exporter %s delivers again; %d spans failed"
            say(logging.INFO, text, self.name, self._failed)


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

    def _take(self, span: ReadableSpan) -> None:
        entry = threading.get_ident(), next(self._number)
        self._inside.add(entry)
        try:
            self._export((span,))
        finally:
            self._leave(entry)

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


def _text_of(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def is_sampled(span: ReadableSpan) -> bool:
    """Whether a span is to be exported."""
    return bool(span.context and span.context.trace_flags.sampled)


def is_local_root(span: ReadableSpan) -> bool:
    """Whether a span is the first of its trace in this process."""
    return span.parent is None or span.parent.is_remote
