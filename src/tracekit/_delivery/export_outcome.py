"""One attempt to export a batch, and its outcome.

An exporter of the SDK returns success or failure, and has retried by itself by then: the spans that
it could not deliver are lost. tracekit's own exporters implement `BatchExporter`: they make one
attempt and return an `ExportOutcome`, and their caller retries. Any other exporter can have some of
the attributes of `ReportsOutcome`, which say more about its last export.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from opentelemetry.context import attach, detach, get_current, set_value
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._recording.current_context import SUPPRESS_KEY


@dataclass(eq=False)
class ExportBatch:
    """Spans that are exported together.

    Attributes:
        spans: The ended spans, as the exporter is to see them.
        encoded: The encoded form of the spans, in whatever type the exporter uses. The exporter
            sets it at the first attempt and reuses it at the next ones; None until then.
    """

    spans: Sequence[ReadableSpan]
    encoded: Any = None


@dataclass(frozen=True)
class ExportOutcome:
    """The outcome of one attempt to export a batch.

    Attributes:
        exported: The number of spans that were delivered.
        error: Why the others were not delivered, in one line; None if the exporter gives no reason.
        is_retryable: Whether no span was delivered, for a reason that may be temporary.
        retry_after: Seconds after which the receiver asks for the next attempt; None if it does
            not.
        interruption: The exception that the exporter raised, if it is not an `Exception`.
    """

    exported: int = 0
    error: str | None = None
    is_retryable: bool = False
    retry_after: float | None = None
    interruption: BaseException | None = None


class BatchExporter(Protocol):
    """An exporter that makes one attempt at a batch and leaves retries to its caller."""

    def export_batch(self, batch: ExportBatch, timeout: float) -> ExportOutcome:
        """Make one attempt to export a batch.

        The batch is the same object at each attempt.

        Args:
            batch: The spans, and their encoded form from an earlier attempt.
            timeout: Seconds that the attempt may take.
        """
        ...


class ReportsOutcome(Protocol):
    """An exporter that can say more about an export than success or failure.

    Each attribute is about the last export of the thread that reads it. Each may be missing.
    """

    @property
    def last_rejected(self) -> int:
        """The number of spans that the receiver rejected although it accepted the batch."""
        ...

    @property
    def last_error(self) -> str | None:
        """Why the batch failed or was accepted in part, in one line; None after a success."""
        ...

    @property
    def last_is_passing(self) -> bool:
        """Whether the failure may be temporary, such as an unreachable receiver."""
        ...

    @property
    def last_pause(self) -> float | None:
        """Seconds after which the receiver asks for the next attempt; None if it does not."""
        ...


def attempt_export(exporter: SpanExporter, batch: ExportBatch, timeout: float) -> ExportOutcome:
    """Call an exporter, with instrumentation suppressed in its thread.

    Args:
        exporter: Any exporter.
        batch: The spans to export.
        timeout: Seconds that the attempt may take; only a `BatchExporter` respects it.
    """
    token = attach(set_value(SUPPRESS_KEY, True, get_current()))
    try:
        if is_batch_exporter(exporter):
            return exporter.export_batch(batch, timeout)
        return _reported_outcome(exporter, exporter.export(batch.spans), len(batch.spans))
    except Exception as error:
        return ExportOutcome(error=error_text(error))
    except BaseException as error:
        return ExportOutcome(error=error_text(error), interruption=error)
    finally:
        detach(token)


def is_batch_exporter(exporter: object) -> TypeGuard[BatchExporter]:
    """Whether `export_batch` is to be called, and not `export`.

    A user's class can have an `export` of its own and pass other attributes on to the exporter that
    it wraps. So the method is looked up on the class, and an `export` of a subclass comes first.
    """
    if "export" in getattr(exporter, "__dict__", ()):
        return False
    for cls in type(exporter).__mro__:
        if "export_batch" in vars(cls):
            return True
        if "export" in vars(cls):
            return False
    return False


def _reported_outcome(
    exporter: SpanExporter, result: SpanExportResult, spans: int
) -> ExportOutcome:
    error: str | None = getattr(exporter, "last_error", None)
    if result is SpanExportResult.SUCCESS:
        rejected: int = getattr(exporter, "last_rejected", 0)
        return ExportOutcome(spans - min(spans, rejected), error)
    # Only a plain True counts: a batch that is retried by mistake holds up all others.
    is_retryable = getattr(exporter, "last_is_passing", False) is True
    return ExportOutcome(0, error, is_retryable, getattr(exporter, "last_pause", None))


def error_text(error: BaseException) -> str:
    """Return the type of an error, and its text unless the error cannot make one."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
