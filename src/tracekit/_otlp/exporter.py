"""What the OTLP exporters over gRPC and HTTP share: batches, attempts and their outcome."""

from __future__ import annotations

import functools
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base.log import log_warning_once
from tracekit._delivery.backoff import backoff_delay
from tracekit._delivery.export_outcome import ExportBatch, ExportOutcome, error_text
from tracekit._otlp.request_encoding import encode_spans
from tracekit._otlp.request_errors import RequestError, one_line
from tracekit._otlp.settings import OtlpOptions, parse_timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
    from opentelemetry.sdk.trace import ReadableSpan
    from typing_extensions import Self, Unpack

    from tracekit._filters.filter import Filter

_MOST_ATTEMPTS: Final = 6
_SHORTEST_TIMEOUT: Final = 0.001


@dataclass(frozen=True)
class _EncodedBatch:
    """The body of a request, and the number of spans in its batch without a form in OTLP."""

    body: bytes
    skipped: int


class _LastExport(threading.local):
    """The report on the last `export` of each thread."""

    outcome = ExportOutcome()
    rejected = 0


class OtlpExporter(SpanExporter, ABC):
    """Sends batches of spans to an OpenTelemetry receiver; a subclass sends the bytes.

    A delivery of tracekit calls `export_batch`, which makes one attempt, and retries by itself. A
    span processor of the SDK calls `export`, which retries until the timeout.

    An exporter is pickled, and recreated after a fork, from its options: a connection survives
    neither.

    Args:
        **options: The options that an equal exporter is made from.

    Attributes:
        own_filter: The spans and events that it wants; None for those that the set-up wants.
    """

    own_filter: Filter | None = None

    def __init__(self, **options: Unpack[OtlpOptions]) -> None:
        self._options = options
        self._timeout = parse_timeout(options.get("timeout"))
        self._shutting_down = threading.Event()
        self._last = _LastExport()

    @abstractmethod
    def _send(self, body: bytes, timeout: float) -> ExportTraceServiceResponse:
        """Send a request once.

        Args:
            body: The request, as `_compress` returned it.
            timeout: Seconds that it may take.

        Returns:
            The answer of a receiver that accepted the batch.

        Raises:
            RequestError: No receiver accepted it.
        """

    @abstractmethod
    def _close(self) -> None:
        """Close the connection."""

    def _compress(self, request: bytes) -> bytes:
        """Return the body that `_send` gets for a request: by default the request itself."""
        return request

    def export_batch(self, batch: ExportBatch, timeout: float) -> ExportOutcome:
        """Make one attempt to export a batch, which is encoded at the first attempt only.

        Args:
            batch: The spans.
            timeout: Seconds that it may take, unless the exporter's own timeout is shorter.
        """
        try:
            return self._attempt(batch, min(timeout, self._timeout))
        except RequestError as error:
            return _failure(error)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans and wait for the answer, with retries, until the exporter's timeout.

        Args:
            spans: Ended spans.

        Returns:
            `SUCCESS` if a receiver accepted the batch, at least in part (see `last_rejected`), else
            `FAILURE` (see `last_error`). Nothing is raised or logged.
        """
        batch = ExportBatch(spans)
        deadline = time.monotonic() + self._timeout
        self._last.rejected = 0
        for failures in range(1, _MOST_ATTEMPTS + 1):
            try:
                outcome = self._attempt(batch, deadline - time.monotonic())
            except RequestError as error:
                self._last.outcome = _failure(error)
                if not error.is_retryable or failures == _MOST_ATTEMPTS:
                    break
                pause = backoff_delay(failures, error.retry_after)
                if pause > deadline - time.monotonic() or self._shutting_down.wait(pause):
                    break
            else:
                self._last.outcome = outcome
                self._last.rejected = len(spans) - outcome.exported
                return SpanExportResult.SUCCESS
        return SpanExportResult.FAILURE

    def _attempt(self, batch: ExportBatch, timeout: float) -> ExportOutcome:
        self._check_open()
        try:
            encoded: _EncodedBatch = batch.encoded or self._encode(batch)
            response = self._send(encoded.body, max(timeout, _SHORTEST_TIMEOUT))
        except RequestError:
            raise
        except Exception as error:
            raise RequestError(error_text(error)) from error
        return _accepted(batch, encoded.skipped, response)

    def _check_open(self) -> None:
        if self._shutting_down.is_set():
            raise RequestError("the exporter has been shut down")

    def _encode(self, batch: ExportBatch) -> _EncodedBatch:
        skipped: list[ReadableSpan] = []

        def on_skipped(span: ReadableSpan, error: Exception) -> None:
            skipped.append(span)
            name = getattr(span, "name", None)
            key = "a span that cannot be put into OTLP"
            log_warning_once(key, "span %r cannot be put into OTLP: %s", name, error, error=error)

        body = self._compress(encode_spans(batch.spans, on_skipped=on_skipped))
        batch.encoded = encoded = _EncodedBatch(body, len(skipped))
        return encoded

    @property
    def last_rejected(self) -> int:
        """The number of spans that the receiver rejected in this thread's last `export`."""
        return self._last.rejected

    @property
    def last_error(self) -> str | None:
        """Why this thread's last `export` failed, or succeeded in part; None if it did neither."""
        return self._last.outcome.error

    @property
    def last_is_passing(self) -> bool:
        """Whether this thread's last `export` failed for a reason that may be temporary."""
        return self._last.outcome.is_retryable

    @property
    def last_pause(self) -> float | None:
        """Seconds after which the receiver asked for the next attempt; None if it did not."""
        return self._last.outcome.retry_after

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Close the connection and end the pause between two attempts of an export.

        Args:
            timeout_millis: Without effect: this method does not wait.
        """
        if not self._shutting_down.is_set():
            self._shutting_down.set()
            self._close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: the exporter keeps no spans."""
        return True

    def recreate(self) -> Self:
        """Return an exporter made from the same options, for a child process after a fork.

        Variables of the environment are read again.
        """
        return type(self)(**self._options)

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        given: dict[str, Any] = {
            name: value for name, value in self._options.items() if value is not None
        }
        # Worker processes receive it with each task, so it is kept small.
        return functools.partial(type(self), **given), ()


def _accepted(
    batch: ExportBatch, skipped: int, response: ExportTraceServiceResponse
) -> ExportOutcome:
    partial = response.partial_success
    rejected = max(partial.rejected_spans, 0)
    error = one_line(partial.error_message) or None
    if rejected and error is None:
        error = "the receiver gives no reason"
    if skipped and error is None:
        error = f"{skipped} spans cannot be put into OTLP"
    return ExportOutcome(max(len(batch.spans) - rejected - skipped, 0), error)


def _failure(error: RequestError) -> ExportOutcome:
    return ExportOutcome(0, error.reason, error.is_retryable, error.retry_after)
