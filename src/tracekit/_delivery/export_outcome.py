"""One attempt to export a batch, and what came of it.

An exporter of the SDK's says success or failure, and has made its own repetitions by then: what it
fails to deliver is lost. One that knows more may say so by the attributes of `ReportsOutcome`, and
leave the repetitions to its caller by `ExportsOnce`. tracekit's OTLP exporters do both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.context import attach, detach, get_current, set_value
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._recording.current_context import SUPPRESS_KEY


class ReportsOutcome(Protocol):
    """An exporter that can say more about an export than success or failure.

    All attributes speak of the last export that the asking thread made. Each may be missing.
    """

    @property
    def last_rejected(self) -> int:
        """Number of spans that the receiver turned down although it took the batch."""
        ...

    @property
    def last_error(self) -> str | None:
        """Why the batch failed or was taken in part, in one line; None if all went well."""
        ...

    @property
    def last_is_passing(self) -> bool:
        """Whether a batch that failed may be taken later, such as when a receiver is away."""
        ...

    @property
    def last_pause(self) -> float | None:
        """Seconds after which the receiver asks to be tried again; None if it does not say."""
        ...


class ExportsOnce(Protocol):
    """An exporter that leaves it to its caller to repeat."""

    def export_once(self, spans: Sequence[ReadableSpan], timeout: float) -> SpanExportResult:
        """Export like `export()`, but give up at the first failure.

        Args:
            spans: Finished spans.
            timeout: Seconds that it may take at most.
        """
        ...


@dataclass(frozen=True)
class ExportOutcome:
    """What came of an attempt.

    Attributes:
        delivered: How many spans were delivered.
        reason: Why the others were not, or None if nobody says.
        is_passing: Whether none was, for a reason that may pass.
        pause: Seconds after which to try again, or None if the receiver does not say.
        interruption: What the exporter raised that is no `Exception`.
    """

    delivered: int = 0
    reason: str | None = None
    is_passing: bool = False
    pause: float | None = None
    interruption: BaseException | None = None


def attempt(exporter: SpanExporter, spans: Sequence[ReadableSpan], timeout: float) -> ExportOutcome:
    """Call an exporter, with instrumentation off in its thread.

    Args:
        exporter: Any exporter.
        spans: The spans, as it is to see them.
        timeout: Seconds that it may take, if it can be told so.
    """
    token = attach(set_value(SUPPRESS_KEY, True, get_current()))
    try:
        return _read(exporter, _call(exporter, spans, timeout), len(spans))
    except Exception as error:
        return ExportOutcome(reason=text_of(error))
    except BaseException as error:
        return ExportOutcome(reason=text_of(error), interruption=error)
    finally:
        detach(token)


def _call(
    exporter: SpanExporter, spans: Sequence[ReadableSpan], timeout: float
) -> SpanExportResult:
    once = getattr(exporter, "export_once", None)
    if once is None:
        return exporter.export(spans)
    result: SpanExportResult = once(spans, timeout)
    return result


def _read(exporter: SpanExporter, result: SpanExportResult, spans: int) -> ExportOutcome:
    reason: str | None = getattr(exporter, "last_error", None)
    if result is SpanExportResult.SUCCESS:
        rejected: int = getattr(exporter, "last_rejected", 0)
        return ExportOutcome(spans - min(spans, rejected), reason)
    # Nothing but a plain True: a batch that is tried again by mistake holds up all others.
    is_passing = getattr(exporter, "last_is_passing", False) is True
    return ExportOutcome(0, reason, is_passing, getattr(exporter, "last_pause", None))


def text_of(error: BaseException) -> str:
    """The type of an error, and its text if it can be had."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
