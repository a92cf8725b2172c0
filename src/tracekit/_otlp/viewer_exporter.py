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
from tracekit._otlp.grpc import OtlpGrpcExporter

ENDPOINT_VARIABLE: Final = "TRACEKIT_VIEWER_ENDPOINT"
_DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4317"
_TIMEOUT: Final = 2.0
_CONNECT_SECONDS: Final = 0.2


class ViewerExporter(SpanExporter):
    """Sends spans to `tracekit view` over OTLP/gRPC, where one runs.

    A program may keep it in its set-up: without a viewer, spans are dropped at once and counted as
    failed, nothing is logged, and the end of the program does not wait. A viewer that starts later
    gets the spans from then on. The `OTEL_EXPORTER_OTLP_*` variables are another receiver's.

    Attributes:
        is_silent: Whether failures are counted without a log message.
        most_delay: Seconds that a span waits for others at most.
    """

    is_silent: ClassVar[bool] = True
    most_delay: ClassVar[float] = 0.2

    def __init__(self, endpoint: str | None = None) -> None:
        """Make the exporter; nothing is sent yet.

        Args:
            endpoint: `http://host:port` of the viewer's gRPC port; by default what
                `TRACEKIT_VIEWER_ENDPOINT` says, else port 4317 of this machine.

        Raises:
            ConfigurationError: It is not an address.
        """
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
                f"{ENDPOINT_VARIABLE}={self._endpoint!r} is not an address: "
                f"write {_DEFAULT_ENDPOINT}"
            )
        self._address = host, port
        self._exporter = OtlpGrpcExporter(endpoint=self._endpoint, timeout=_TIMEOUT)
        self._was_reached = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, or drop it at once where no viewer listens."""
        # A connection that works is not asked for again. gRPC would wait for longer and longer
        # between its attempts to connect.
        if not (self._was_reached or self._is_there()):
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        self._was_reached = result is SpanExportResult.SUCCESS
        return result

    def _is_there(self) -> bool:
        try:
            socket.create_connection(self._address, _CONNECT_SECONDS).close()
        except OSError:
            return False
        return True

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing is kept here."""
        return True

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def fresh(self) -> ViewerExporter:
        """Return an exporter for a child process after a fork."""
        return type(self)(self._endpoint)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._endpoint,)
