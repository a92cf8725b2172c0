"""Spans over OTLP/gRPC, on a channel of our own."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracekit._otlp.credentials import TlsFiles, load_provided, parse_tls_files
from tracekit._otlp.exporter import OtlpExporter, RequestError
from tracekit._otlp.settings import (
    USER_AGENT,
    OtlpOptions,
    Setting,
    parse_compression,
    parse_headers,
    parse_insecure,
    parse_url,
    read_setting,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

_DEFAULT_ENDPOINT: Final = Setting("endpoint", "http://localhost:4317")
_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_CHANNEL_OPTIONS: Final = (("grpc.primary_user_agent", USER_AGENT),)
_COMPRESSIONS: Final = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
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

    The first export opens the channel.

    Args:
        **options: The fields of `OtlpOptions`.

    Example:
        >>> exporter = OtlpGrpcExporter(endpoint="http://localhost:4317", timeout=5.0)
        >>> exporter.shutdown()
    """

    def __init__(self, **options: Unpack[OtlpOptions]) -> None:
        """Check all options and variables.

        Raises:
            ConfigurationError: An option or a variable cannot be used.
        """
        super().__init__(**options)
        endpoint = read_setting("endpoint", options.get("endpoint")) or _DEFAULT_ENDPOINT
        insecure = parse_insecure(options.get("insecure"))
        address, plain_text = _parse_target(endpoint, insecure)
        files = parse_tls_files(endpoint, options, plain_text=plain_text)
        self._metadata = tuple(parse_headers(options.get("headers"), grpc=True).items())
        compression = parse_compression(options.get("compression"), known=tuple(_COMPRESSIONS))
        self._make_channel = partial(
            grpc.insecure_channel
            if plain_text
            else partial(grpc.secure_channel, credentials=_credentials(files)),
            address,
            options=_CHANNEL_OPTIONS,
            compression=_COMPRESSIONS[compression],
        )
        # Reentrant: a signal handler may shut the exporter down while its own thread is in here.
        self._lock = threading.RLock()
        self._channel: grpc.Channel | None = None

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
            # A shutdown since the attempt began found no channel to close.
            self._check_open()
            if self._channel is None:
                self._channel = self._make_channel()
            return self._channel

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
        if not Path(endpoint.value.removeprefix("unix:").removeprefix("//")).name:
            raise endpoint.error("the path of the socket is missing")
        return endpoint.value, plain_text
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
