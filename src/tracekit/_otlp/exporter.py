"""What the OTLP exporters over gRPC and HTTP share around OpenTelemetry's own.

Transport, TLS, compression and retry are the official exporters'. They say what became of a batch
only to their log, and never that a receiver took a part of it. Here the reason is read where it
arrives, in the thread that exports, and handed to whoever asked for the export.
"""

from __future__ import annotations

import functools
import logging
import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._otlp.hints import with_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
    from opentelemetry.sdk.trace import ReadableSpan
    from typing_extensions import Self

_LONGEST_REASON: Final = 500
_MOST_ATTEMPTS: Final = 6


class AttemptFailed(Exception):  # noqa: N818 - it ends an attempt and never reaches a caller
    """An attempt failed.

    It passes the official exporter by, which in some versions repeats by itself what it should not,
    and in others sleeps meanwhile.
    """


class TransientFailure(AttemptFailed):
    """One that is worth repeating after `pause` seconds (None: no advice).

    `is_unanswered` says that there may be no connection.
    """

    def __init__(self, pause: float | None = None, *, is_unanswered: bool = False) -> None:
        super().__init__(pause)
        self.pause = pause
        self.is_unanswered = is_unanswered


class Outcome:
    """What became of one export, filled in while it goes on.

    Attributes:
        is_repeated: Whether the official exporter may repeat an attempt that failed.
        delivered: Whether a receiver took the batch.
        rejected: How many of its spans the receiver turned down nonetheless.
        reason: Why not all went well.
        is_passing: Whether a failure is of a kind that passes.
        pause: Seconds after which the receiver asks to be tried again.
    """

    def __init__(self, timeout: float = 0.0, *, is_repeated: bool = True) -> None:
        self._deadline = time.monotonic() + timeout
        self.is_repeated = is_repeated
        self.delivered = self.is_passing = False
        self.rejected = 0
        self.reason: str | None = None
        self.pause: float | None = None

    def remaining(self) -> float:
        """Return the seconds that are left, never less than a moment."""
        return max(self._deadline - time.monotonic(), 0.001)

    def accept(self, response: ExportTraceServiceResponse) -> None:
        """Note that the receiver took the batch, and what it says about it."""
        partial = response.partial_success
        self.delivered, self.is_passing, self.pause = True, False, None
        self.rejected = max(partial.rejected_spans, 0)
        self.reason = _one_line(partial.error_message) or None
        if self.rejected and self.reason is None:
            self.reason = "the receiver gives no reason"

    def fail(self, reason: str, *, is_passing: bool = False, pause: float | None = None) -> None:
        """Note why an attempt failed; a later attempt may still succeed."""
        self.delivered, self.is_passing, self.pause = False, is_passing, pause
        self.reason = with_hint(_one_line(reason))

    def note(self, message: str) -> None:
        """Note what the official exporter logs, where nothing better is known."""
        if self.reason is None:
            self.fail(message)


class _Current(threading.local):
    outcome: Outcome | None = None


_current: Final = _Current()


def current_outcome() -> Outcome:
    """Return the outcome that this thread is at, or one that nobody reads."""
    return _current.outcome or Outcome()


@contextmanager
def _observed(outcome: Outcome) -> Generator[None, None, None]:
    before, _current.outcome = _current.outcome, outcome
    try:
        yield
    finally:
        _current.outcome = before


class _Quiet(logging.Filter):
    """Turns records of a thread that is at an export into its outcome; passes all others."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _current.outcome is None:
            return True
        _current.outcome.note(record.getMessage())
        return False


_quiet: Final = _Quiet()


def quiet_loggers(names: Sequence[str]) -> None:
    """Keep what these loggers say about exports of tracekit's from their handlers, for good."""
    for logger in map(logging.getLogger, names):
        if _quiet not in logger.filters:
            # First in the row: OpenTelemetry's own filter there drops a record that resembles the
            # one before, and would drop another exporter's because of one that is kept quiet.
            logger.filters.insert(0, _quiet)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "\ufffd" for c in line[:_LONGEST_REASON])


class OtlpExporter(SpanExporter):
    """An official exporter, watched.

    It is pickled, and made anew after a fork, from its arguments: a connection goes through
    neither.
    """

    def __init__(
        self,
        official: SpanExporter,
        arguments: Mapping[str, Any],
        *,
        timeout: float,
        sleeps: bool,
    ) -> None:
        """Take over an official exporter.

        Args:
            official: The exporter that does the work.
            arguments: What an equal exporter is made from.
            timeout: Seconds that one export may take.
            sleeps: Whether it waits between attempts with `time.sleep`, as versions below 1.36 do
                for up to a minute. It must then raise `TransientFailure` instead.
        """
        self._official = official
        self._arguments = dict(arguments)
        self._timeout = timeout
        self._sleeps = sleeps
        self._closing = threading.Event()
        self._last = _Current()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch and wait for the answer, at most for the timeout.

        Args:
            spans: Finished spans.

        Returns:
            `SUCCESS` if a receiver took the batch, be it in part (see `last_rejected`), else
            `FAILURE` (see `last_error`). Nothing is raised or logged.
        """
        return self._export(spans, Outcome(self._timeout))

    def export_once(self, spans: Sequence[ReadableSpan], timeout: float) -> SpanExportResult:
        """Send a batch as `export` does, but give up at the first failure.

        Args:
            spans: Finished spans.
            timeout: Seconds that it may take, where the exporter's own timeout is not shorter.
        """
        return self._export(spans, Outcome(min(timeout, self._timeout), is_repeated=False))

    def _export(self, spans: Sequence[ReadableSpan], outcome: Outcome) -> SpanExportResult:
        self._last.outcome = outcome
        if self._closing.is_set():
            outcome.fail("the exporter has been shut down")
            return SpanExportResult.FAILURE
        with _observed(outcome):
            result = self._deliver(spans, outcome)
        if result is SpanExportResult.SUCCESS and outcome.delivered:
            return SpanExportResult.SUCCESS
        return SpanExportResult.FAILURE

    def _deliver(self, spans: Sequence[ReadableSpan], outcome: Outcome) -> SpanExportResult:
        attempt = functools.partial(self._attempt, spans)
        try:
            if self._sleeps and outcome.is_repeated:
                return self._repeat(attempt, outcome)
            return attempt()
        except Exception as error:
            outcome.note(f"{type(error).__name__}: {error}")
            return SpanExportResult.FAILURE

    def _attempt(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._official.export(spans)

    def _repeat(
        self, attempt: Callable[[], SpanExportResult], outcome: Outcome
    ) -> SpanExportResult:
        for number in range(_MOST_ATTEMPTS):
            try:
                return attempt()
            except TransientFailure as failure:
                # A jitter needs no cryptography. Receivers are not to be hit by all at once.
                backoff = 2**number * random.uniform(0.8, 1.2)  # noqa: S311
                pause = backoff if failure.pause is None else failure.pause
            if pause > outcome.remaining() or self._closing.wait(pause):
                break
        return SpanExportResult.FAILURE

    @property
    def last_rejected(self) -> int:
        """Number of spans that the receiver turned down in this thread's last export."""
        return self._last.outcome.rejected if self._last.outcome else 0

    @property
    def last_error(self) -> str | None:
        """Why this thread's last export failed or was taken in part; None if all went well."""
        return self._last.outcome.reason if self._last.outcome else None

    @property
    def last_is_passing(self) -> bool:
        """Whether this thread's last export failed for a reason that may pass."""
        return self._last.outcome.is_passing if self._last.outcome else False

    @property
    def last_pause(self) -> float | None:
        """Seconds after which the receiver asked to be tried again, if it did."""
        return self._last.outcome.pause if self._last.outcome else None

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Close the connection; an export that waits for its next attempt gives up at once.

        Args:
            timeout_millis: Taken for the SDK's sake; nothing here waits.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        with _observed(Outcome()):
            self._close()

    def _close(self) -> None:
        self._official.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing is kept here."""
        return True

    def fresh(self) -> Self:
        """Return an exporter made from the same arguments, for a child process after a fork.

        Variables of the environment are read again.
        """
        return type(self)(**self._arguments)

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        said = {name: value for name, value in self._arguments.items() if value is not None}
        return functools.partial(type(self), **said), ()
