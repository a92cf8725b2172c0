"""Spans over OTLP/gRPC."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import grpc  # type: ignore[import-untyped] # grpcio ships no types
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped] # nor does this
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracekit._base.errors import ConfigurationError
from tracekit._otlp.encoded import (
    GRPC_NAMES,
    LastBatch,
    serialize,
    tell_missing,
)
from tracekit._otlp.exporter import (
    AttemptFailed,
    OtlpExporter,
    TransientFailure,
    current_outcome,
    quiet_loggers,
)
from tracekit._otlp.settings import (
    Setting,
    TlsFiles,
    parse_compression,
    parse_headers,
    parse_insecure,
    parse_timeout,
    parse_tls_files,
    read,
    split_url,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult

_DEFAULT_ENDPOINT: Final = "http://localhost:4317"
_COMPRESSIONS: Final = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
}
_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
)
_SLEEPS: Final = hasattr(import_module("opentelemetry.exporter.otlp.proto.grpc.exporter"), "sleep")
_TRANSIENT: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
# What a channel says by itself when it has no connection, or one that leads nowhere.
_UNANSWERED: Final = frozenset({grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE})
_RETRY_INFO: Final = "google.rpc.retryinfo-bin"
_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class OtlpGrpcExporter(OtlpExporter):
    """Sends spans to an OpenTelemetry receiver over gRPC.

    Where an argument is None, `OTEL_EXPORTER_OTLP_TRACES_*` and then `OTEL_EXPORTER_OTLP_*` of the
    specification count. Making one opens no connection.

    Example:
        >>> exporter = OtlpGrpcExporter(endpoint="http://localhost:4317", timeout=5.0)
        >>> exporter.shutdown()
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        headers: Mapping[str, str] | str | None = None,
        certificate: str | os.PathLike[str] | None = None,
        client_certificate: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        compression: Literal["gzip", "none"] | None = None,
        timeout: float | None = None,
        insecure: bool | None = None,
    ) -> None:
        """Check everything and make the exporter.

        Args:
            endpoint: `http://host:port` (plain text), `https://host[:port]` (TLS), `host:port` or
                `unix:path` (TLS unless `insecure`). Default `http://localhost:4317`.
            headers: Metadata of every request; a mapping, or `name=value,…` as in the environment.
                Names are sent in lower case. Empty counts as None.
            certificate: PEM file of the authorities to trust in place of the default ones.
            client_certificate: PEM file of the certificate to show to the receiver.
            client_key: PEM file of its key, unencrypted; default is the certificate's own file.
            compression: `"gzip"` or `"none"` (default).
            timeout: Seconds for one export with all its retries; default 10. The environment's
                variable is in seconds too, as in OpenTelemetry's SDK for Python.
            insecure: Whether an endpoint without http:// or https:// is reached in plain text.

        Raises:
            ConfigurationError: An argument or a variable cannot be used.
        """
        arguments: dict[str, Any] = {
            "endpoint": endpoint,
            "headers": headers,
            "certificate": certificate,
            "client_certificate": client_certificate,
            "client_key": client_key,
            "compression": compression,
            "timeout": timeout,
            "insecure": insecure,
        }
        target = read("endpoint", endpoint) or Setting("endpoint", _DEFAULT_ENDPOINT)
        address, plain_text = _read_target(target, parse_insecure(insecure))
        tls = {
            name: arguments[name] for name in ("certificate", "client_certificate", "client_key")
        }
        files = parse_tls_files(target, tls, plain_text=plain_text)
        seconds = parse_timeout(timeout)
        self._settings: dict[str, Any] = {
            "endpoint": address,
            "insecure": plain_text,
            "credentials": _credentials(files),
            "headers": tuple(parse_headers(headers, grpc=True).items()),
            "timeout": seconds,
            "compression": _COMPRESSIONS[
                parse_compression(compression, known=tuple(_COMPRESSIONS))
            ],
        }
        self._watched = _make_official(**self._settings)
        tell_missing(self._watched.missing_names())
        self._last_batch = LastBatch()
        quiet_loggers(_LOGGERS)
        super().__init__(self._watched, arguments, timeout=seconds, sleeps=_SLEEPS)

    def _attempt(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            return self._last_batch.send(spans, super()._attempt)
        except TransientFailure as failure:
            if failure.is_unanswered:
                self._connect_anew()
            raise

    def _connect_anew(self) -> None:
        # A channel that could not connect tries again in its own time, up to two minutes later.
        before, self._watched = self._watched, _make_official(**self._settings)
        self._official = self._watched
        before.close_channel()
        if self._closing.is_set():
            self._watched.close_channel()

    def _close(self) -> None:
        # Closing the channel ends a call in progress, which an older official exporter would sit
        # out under a lock.
        self._watched.close_channel()
        super()._close()


class _WatchedExporter(OTLPSpanExporter):
    """Shows every answer of the receiver, and sends batches as they are encoded already."""

    _watched_client: _WatchedStub | None = None
    _sends_batches = False

    @property
    def _client(self) -> Any:
        return self._watched_client

    @_client.setter
    def _client(self, stub: TraceServiceStub | None) -> None:
        self._watched_client = None if stub is None else _WatchedStub(self._choose_call(stub))

    def _choose_call(self, stub: TraceServiceStub) -> Any:
        channel = getattr(self, "_channel", None)
        self._sends_batches = channel is not None
        if channel is None:
            return stub.Export
        return channel.unary_unary(
            _METHOD,
            request_serializer=serialize,
            response_deserializer=ExportTraceServiceResponse.FromString,
        )

    def _translate_data(self, data: Sequence[ReadableSpan]) -> Any:
        return data if self._sends_batches else super()._translate_data(data)

    def missing_names(self) -> list[str]:
        """Return what this relies on and the official exporter does not have."""
        theirs = {*vars(self), *dir(OTLPSpanExporter)}
        if self._watched_client is not None:
            theirs.add("_client")
        return [name for name in GRPC_NAMES if name not in theirs]

    def close_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()


class _WatchedStub:
    def __init__(self, call: Any) -> None:
        self._call = call

    def Export(  # noqa: N802 - the name of the remote procedure
        self, request: Any, metadata: Any, timeout: float
    ) -> ExportTraceServiceResponse:
        outcome = current_outcome()
        limit = min(timeout, outcome.remaining())
        try:
            response: ExportTraceServiceResponse = self._call(
                request, metadata=metadata, timeout=limit
            )
        except grpc.RpcError as error:
            failure = _failure(error)
            outcome.fail(
                f"{error.code()}: {error.details()}",
                is_passing=isinstance(failure, TransientFailure),
                pause=_retry_delay(error),
            )
            if _SLEEPS or not outcome.is_repeated:
                raise failure from error
            raise
        outcome.accept(response)
        return response


def _failure(error: Any) -> AttemptFailed:
    # A batch that is too large for the receiver is so the next time, and would block the line.
    is_too_large = "message larger than max" in (error.details() or "")
    if error.code() not in _TRANSIENT or is_too_large:
        return AttemptFailed()
    return TransientFailure(_retry_delay(error), is_unanswered=error.code() in _UNANSWERED)


def _retry_delay(error: Any) -> float | None:
    """Return the seconds that the receiver asks to wait, if it does."""
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())
    if _RETRY_INFO not in trailers:
        return None
    delay = RetryInfo.FromString(trailers[_RETRY_INFO]).retry_delay
    return float(delay.seconds + delay.nanos / 1e9)


def _make_official(**settings: Any) -> _WatchedExporter:
    try:
        return _WatchedExporter(**settings)
    except Exception as error:
        # The official exporter reads variables of its own, and versions below 1.35 take only whole
        # seconds in OTEL_EXPORTER_OTLP_TRACES_TIMEOUT.
        raise ConfigurationError(
            f"OpenTelemetry's exporter refuses a variable OTEL_* of the environment: {error}"
        ) from error


def _read_target(endpoint: Setting, insecure: Setting | None) -> tuple[str, bool]:
    """Return gRPC's name of the endpoint and whether it is reached in plain text."""
    plain_text: bool = insecure is not None and insecure.value
    if isinstance(endpoint.value, str) and endpoint.value.startswith("unix:"):
        return _unix_socket(endpoint), plain_text
    url = split_url(endpoint, default_scheme="http" if plain_text else "https")
    if "://" in endpoint.value:
        plain_text = url.scheme == "http"
        _check_agreement(endpoint, insecure, plain_text=plain_text)
    if url.path.strip("/") or url.query or url.fragment or url.username is not None:
        raise endpoint.wrong(
            "gRPC takes a host and a port only; for a URL with a path use OTLP over HTTP"
        )
    if plain_text and url.port is None:
        raise endpoint.wrong("the port is missing, such as :4317")
    return url.netloc, plain_text


def _unix_socket(endpoint: Setting) -> str:
    if not Path(endpoint.value.removeprefix("unix:").removeprefix("//")).name:
        raise endpoint.wrong("the path of the socket is missing")
    return str(endpoint.value)


def _check_agreement(endpoint: Setting, insecure: Setting | None, *, plain_text: bool) -> None:
    """Refuse an argument against the scheme; a variable yields to it, says the specification."""
    if insecure is None or insecure.from_environment or insecure.value == plain_text:
        return
    scheme = "http" if plain_text else "https"
    raise insecure.wrong(f"contradicts {scheme}:// in {endpoint.source}={endpoint.value!r}")


def _credentials(files: TlsFiles) -> grpc.ChannelCredentials | None:
    """Return credentials from the files; None leaves it to the official exporter."""
    if not files:
        return None
    key = files.client_key or files.client_certificate
    return grpc.ssl_channel_credentials(
        root_certificates=_content(files.certificate),
        private_key=_content(key),
        certificate_chain=_content(files.client_certificate),
    )


def _content(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
