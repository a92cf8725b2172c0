"""Spans over OTLP/gRPC, on a channel of our own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracekit._otlp.credentials import TlsFiles, load_provided, parse_tls_files
from tracekit._otlp.exporter import OtlpExporter
from tracekit._otlp.request_errors import RequestError
from tracekit._otlp.settings import (
    USER_AGENT,
    Setting,
    parse_compression,
    parse_headers,
    parse_insecure,
    parse_timeout,
    parse_url,
    read_setting,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_DEFAULT_ENDPOINT: Final = "http://localhost:4317"
_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_CHANNEL_OPTIONS: Final = (("grpc.primary_user_agent", USER_AGENT),)
_COMPRESSIONS: Final = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
}
_RETRYABLE: Final = frozenset(
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
# The status of a call on a channel that has no connection, or one to a host that is gone.
_UNANSWERED: Final = frozenset({grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE})
_RETRY_INFO: Final = "google.rpc.retryinfo-bin"


class OtlpGrpcExporter(OtlpExporter):
    """Sends spans to an OpenTelemetry receiver over gRPC.

    Where an argument is None, `OTEL_EXPORTER_OTLP_TRACES_*` and then `OTEL_EXPORTER_OTLP_*` of the
    specification count. The channel is opened by the first export.

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
        """Check all arguments and variables.

        Args:
            endpoint: `http://host:port` (plain text), `https://host[:port]` (TLS), `host:port` or
                `unix:path` (TLS unless `insecure`). Default `http://localhost:4317`.
            headers: Metadata of every request: a mapping, or `name=value,…` as in the environment.
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
        target = read_setting("endpoint", endpoint) or Setting("endpoint", _DEFAULT_ENDPOINT)
        self._address, plain_text = _parse_target(target, parse_insecure(insecure))
        tls = {
            "certificate": certificate,
            "client_certificate": client_certificate,
            "client_key": client_key,
        }
        files = parse_tls_files(target, tls, plain_text=plain_text)
        self._credentials = None if plain_text else _credentials(files)
        self._metadata = tuple(parse_headers(headers, grpc=True).items())
        name = parse_compression(compression, known=tuple(_COMPRESSIONS))
        self._compression = _COMPRESSIONS[name]
        # Reentrant: a signal handler may shut the exporter down while its own thread is in here.
        self._lock = threading.RLock()
        self._channel: grpc.Channel | None = None
        arguments = {
            "endpoint": endpoint,
            "headers": headers,
            **tls,
            "compression": compression,
            "timeout": timeout,
            "insecure": insecure,
        }
        super().__init__(arguments, timeout=parse_timeout(timeout))

    def _send(self, body: bytes, timeout: float) -> ExportTraceServiceResponse:
        channel = self._open_channel()
        # Without a serializer, gRPC sends the bytes that it gets.
        call = channel.unary_unary(
            _METHOD, response_deserializer=ExportTraceServiceResponse.FromString
        )
        try:
            response: ExportTraceServiceResponse = call(
                body, metadata=self._metadata, timeout=timeout
            )
        except grpc.RpcError as error:
            if error.code() in _UNANSWERED:
                self._discard_channel(channel)
            raise _request_error(error) from error
        return response

    def _open_channel(self) -> grpc.Channel:
        with self._lock:
            if self._shutting_down.is_set():
                raise RequestError("the exporter has been shut down")
            if self._channel is None:
                self._channel = self._make_channel()
            return self._channel

    def _make_channel(self) -> grpc.Channel:
        if self._credentials is None:
            return grpc.insecure_channel(
                self._address, options=_CHANNEL_OPTIONS, compression=self._compression
            )
        return grpc.secure_channel(
            self._address,
            self._credentials,
            options=_CHANNEL_OPTIONS,
            compression=self._compression,
        )

    def _discard_channel(self, channel: grpc.Channel) -> None:
        # A channel that could not connect tries again after its own backoff, up to two minutes. A
        # new one connects at once.
        with self._lock:
            if self._channel is channel:
                self._channel = None
        channel.close()

    def _close(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            # This also ends a call in progress.
            channel.close()


def _request_error(error: Any) -> RequestError:
    # A batch that is too large for the receiver would be too large at each attempt, and would hold
    # up all spans after it.
    is_too_large = "message larger than max" in (error.details() or "")
    return RequestError(
        f"{error.code()}: {error.details()}",
        is_retryable=error.code() in _RETRYABLE and not is_too_large,
        retry_after=_retry_delay(error),
    )


def _retry_delay(error: Any) -> float | None:
    """Return the seconds after which the receiver asks for the next attempt, if it does."""
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())
    if _RETRY_INFO not in trailers:
        return None
    delay = RetryInfo.FromString(trailers[_RETRY_INFO]).retry_delay
    return float(delay.seconds + delay.nanos / 1e9)


def _parse_target(endpoint: Setting, insecure: Setting | None) -> tuple[str, bool]:
    """Return gRPC's name of the endpoint, and whether it is reached in plain text."""
    plain_text: bool = insecure is not None and insecure.value
    if isinstance(endpoint.value, str) and endpoint.value.startswith("unix:"):
        return _unix_socket(endpoint), plain_text
    url = parse_url(endpoint, default_scheme="http" if plain_text else "https")
    if "://" in endpoint.value:
        plain_text = url.scheme == "http"
        _check_agreement(endpoint, insecure, plain_text=plain_text)
    if url.path.strip("/") or url.query or url.fragment or url.username is not None:
        raise endpoint.error(
            "gRPC takes a host and a port only; for a URL with a path use OTLP over HTTP"
        )
    if plain_text and url.port is None:
        raise endpoint.error("the port is missing, such as :4317")
    return url.netloc, plain_text


def _unix_socket(endpoint: Setting) -> str:
    if not Path(endpoint.value.removeprefix("unix:").removeprefix("//")).name:
        raise endpoint.error("the path of the socket is missing")
    return str(endpoint.value)


def _check_agreement(endpoint: Setting, insecure: Setting | None, *, plain_text: bool) -> None:
    """Refuse an argument that contradicts the scheme.

    A variable does not count against a scheme: the specification lets it apply only to endpoints
    without one.
    """
    if insecure is None or insecure.from_environment or insecure.value == plain_text:
        return
    scheme = "http" if plain_text else "https"
    raise insecure.error(f"contradicts {scheme}:// in {endpoint.source}={endpoint.value!r}")


def _credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    if not files:
        provided = load_provided("GRPC", grpc.ChannelCredentials)
        return grpc.ssl_channel_credentials() if provided is None else provided
    return grpc.ssl_channel_credentials(
        root_certificates=_content(files.certificate),
        private_key=_content(files.client_key or files.client_certificate),
        certificate_chain=_content(files.client_certificate),
    )


def _content(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
