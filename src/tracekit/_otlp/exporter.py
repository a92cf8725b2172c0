"""What the OTLP exporters over gRPC and HTTP share: attempts, their outcome, errors of requests."""

from __future__ import annotations

import functools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base.log import log_warning_once
from tracekit._delivery.batch_schedule import backoff_delay
from tracekit._delivery.exporter_calls import ExportBatch, ExportOutcome, error_text
from tracekit._filters.filter import Filter
from tracekit._otlp.request_encoding import encode_spans
from tracekit._otlp.settings import OtlpOptions, parse_timeout

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

_MOST_ATTEMPTS: Final = 6
_SHORTEST_TIMEOUT: Final = 0.001
_LONGEST_REASON: Final = 500
# A receiver of another kind fails in a way that names neither kind: what its error contains, and
# the question that probably solves it.
_HINTS: Final = {
    "WRONG_VERSION_NUMBER": ("is that a receiver without TLS? Its endpoint begins with http://"),
    "Failed parsing HTTP/2": (
        "is that the receiver's port for gRPC (usually 4317)? OTLP over HTTP (usually 4318) is "
        "protocol='http'"
    ),
    # The first frame of HTTP/2, which a gRPC server sends.
    r"BadStatusLine('\x00\x00": (
        "is that the receiver's port for HTTP (usually 4318)? OTLP over gRPC (usually 4317) is "
        "protocol='grpc'"
    ),
}


class RequestError(Exception):
    """A request that the receiver did not accept.

    Args:
        reason: Why. The outcome has it in one line, with a hint where the endpoint is probably of
            another kind.
        is_retryable: Whether the OTLP specification lets a client send the request again.
        retry_after: Seconds after which the receiver asks for the next attempt, if it does.
    """

    def __init__(
        self, reason: str, *, is_retryable: bool = False, retry_after: float | None = None
    ) -> None:
        reason = _one_line(reason)
        hint = next((hint for symptom, hint in _HINTS.items() if symptom in reason), None)
        reason = f"{reason} ({hint})" if hint else reason
        super().__init__(reason)
        self.outcome = ExportOutcome(0, reason, is_retryable, retry_after)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "\ufffd" for c in line[:_LONGEST_REASON])


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
    """

    own_filter: Filter | None = None
    """The spans and events that it wants; None for those that the set-up wants."""

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
            return error.outcome

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
                self._last.outcome = error.outcome
                if not error.outcome.is_retryable or failures == _MOST_ATTEMPTS:
                    break
                pause = backoff_delay(failures, error.outcome.retry_after)
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
            body, skipped = batch.encoded or self._encode(batch)
            response = self._send(body, max(timeout, _SHORTEST_TIMEOUT))
        except RequestError:
            raise
        except Exception as error:
            raise RequestError(error_text(error)) from error
        rejected = max(response.partial_success.rejected_spans, 0)
        reason = _one_line(response.partial_success.error_message) or None
        if reason is None and rejected:
            reason = "the receiver gives no reason"
        elif reason is None and skipped:
            reason = f"{skipped} spans cannot be put into OTLP"
        return ExportOutcome(max(len(batch.spans) - rejected - skipped, 0), reason)

    def _check_open(self) -> None:
        if self._shutting_down.is_set():
            raise RequestError("the exporter has been shut down")

    def _encode(self, batch: ExportBatch) -> tuple[bytes, int]:
        """Return the body of a request, and the number of spans without a form in OTLP."""
        skipped: list[ReadableSpan] = []

        def on_skipped(span: ReadableSpan, error: Exception) -> None:
            skipped.append(span)
            name = getattr(span, "name", None)
            key = "a span that cannot be put into OTLP"
            log_warning_once(key, "span %r cannot be put into OTLP: %s", name, error, error=error)

        body = self._compress(encode_spans(batch.spans, on_skipped=on_skipped))
        batch.encoded = encoded = body, len(skipped)
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
