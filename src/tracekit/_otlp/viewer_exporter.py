"""Spans to the viewer of this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base.errors import ConfigurationError
from tracekit._delivery.exporter_calls import ExportBatch, ExportOutcome
from tracekit._filters.filter import Filter
from tracekit._otlp.grpc import OtlpGrpcExporter

ENDPOINT_VARIABLE: Final = "TRACEKIT_VIEWER_ENDPOINT"
_DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4317"
_TIMEOUT: Final = 2.0
_CONNECT_TIMEOUT: Final = 0.2


class ViewerExporter(SpanExporter):
    """Sends spans over OTLP/gRPC to `tracekit view`, if a viewer runs.

    A program can keep it in its set-up. Without a viewer, spans are dropped at once and counted as
    failed, nothing is logged, and the end of the program does not wait. A viewer that starts later
    gets the spans from then on. The `OTEL_EXPORTER_OTLP_*` variables do not apply, because they
    name another receiver.

    Args:
        endpoint: The viewer's gRPC port, as `http://host:port`. By default
            `TRACEKIT_VIEWER_ENDPOINT`, else port 4317 of this machine.

    Attributes:
        is_silent: Whether failures are counted without a log message.
        max_schedule_delay: The longest time that a span waits for its batch, in seconds.

    Raises:
        ConfigurationError: The endpoint is not an address.
    """

    is_silent: ClassVar[bool] = True
    max_schedule_delay: ClassVar[float] = 0.2
    own_filter: Filter | None = None

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = (
            endpoint or os.environ.get(ENDPOINT_VARIABLE, "").strip() or _DEFAULT_ENDPOINT
        )
        try:
            parts = urlsplit(self._endpoint)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not (host and port):
            raise ConfigurationError(
                f"{ENDPOINT_VARIABLE}={self._endpoint!r} is not an address: use "
                f"{_DEFAULT_ENDPOINT!r}"
            )
        self._address = host, port
        self._exporter = OtlpGrpcExporter(endpoint=self._endpoint, timeout=_TIMEOUT)
        self._was_reached = False

    def export_batch(self, batch: ExportBatch, timeout: float) -> ExportOutcome:
        """Send a batch, or drop it at once if no viewer listens."""
        # A working connection is not checked again. Without the check, gRPC would wait longer and
        # longer between its attempts to connect.
        if not (self._was_reached or self._is_listening()):
            return ExportOutcome(error="no viewer listens")
        outcome = self._exporter.export_batch(batch, min(timeout, _TIMEOUT))
        self._was_reached = outcome.error is None
        return ExportOutcome(outcome.exported, outcome.error)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, or drop them at once if no viewer listens."""
        outcome = self.export_batch(ExportBatch(spans), _TIMEOUT)
        return SpanExportResult.FAILURE if outcome.error else SpanExportResult.SUCCESS

    def _is_listening(self) -> bool:
        try:
            socket.create_connection(self._address, _CONNECT_TIMEOUT).close()
        except OSError:
            return False
        return True

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True. No span waits in the exporter."""
        return True

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def recreate(self) -> ViewerExporter:
        """Return an equal exporter for a forked child."""
        return type(self)(self._endpoint)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._endpoint,)
