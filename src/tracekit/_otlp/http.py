"""Spans over OTLP/HTTP with protobuf bodies, on a session of our own.

It needs the extra `otlp-http`.
"""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracekit._base.errors import ConfigurationError
from tracekit._otlp.credentials import load_provided, parse_tls_files
from tracekit._otlp.exporter import OtlpExporter, RequestError
from tracekit._otlp.settings import (
    USER_AGENT,
    OtlpOptions,
    Setting,
    parse_compression,
    parse_headers,
    parse_url,
    read_setting,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

try:
    import requests
except ImportError as _error:
    raise ConfigurationError(
        "OTLP over HTTP needs an extra: pip install otel-tracekit[otlp-http]"
    ) from _error

_Message = TypeVar("_Message", bound=Message)

_DEFAULT_ENDPOINT: Final = Setting("endpoint", "http://localhost:4318")
_PATH: Final = "v1/traces"
_COMPRESSIONS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
# The bound of OpenTelemetry's own exporter, before compression. A receiver refuses more.
_LARGEST_REQUEST: Final = 64 * 1024 * 1024
_SUCCESSFUL: Final = range(200, 300)
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_UNANSWERED: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)
_UNREADABLE: Final = (DecodeError, json_format.ParseError, UnicodeDecodeError)


class OtlpHttpExporter(OtlpExporter):
    """Sends spans to an OpenTelemetry receiver over HTTP.

    The first export opens a connection. Proxies of the environment are used as everywhere in
    `requests`; a `certificate` counts before `REQUESTS_CA_BUNDLE`.

    Args:
        **options: The fields of `OtlpOptions`; `insecure` has no effect.

    Example:
        >>> exporter = OtlpHttpExporter(endpoint="http://localhost:4318", compression="gzip")
        >>> exporter.shutdown()
    """

    def __init__(self, **options: Unpack[OtlpOptions]) -> None:
        """Check all options and variables.

        Raises:
            ConfigurationError: An option or a variable cannot be used.
        """
        super().__init__(**options)
        endpoint = read_setting("endpoint", options.get("endpoint")) or _DEFAULT_ENDPOINT
        self._url = _parse_url(endpoint)
        plain_text = self._url.startswith("http:")
        self._tls_files = parse_tls_files(endpoint, options, plain_text=plain_text)
        compression = parse_compression(options.get("compression"), known=tuple(_COMPRESSIONS))
        self._pack = _COMPRESSIONS[compression]
        encoding = {} if compression == "none" else {"content-encoding": compression}
        self._headers = {
            "content-type": "application/x-protobuf",
            "user-agent": USER_AGENT,
            **encoding,
            **parse_headers(options.get("headers"), grpc=False),
        }
        self._session = load_provided("HTTP", requests.Session) or requests.Session()

    def _compress(self, request: bytes) -> bytes:
        if len(request) > _LARGEST_REQUEST:
            raise RequestError(f"the batch has {len(request)} bytes; 64 MiB is the most")
        return self._pack(request)

    def _send(self, body: bytes, timeout: float) -> ExportTraceServiceResponse:
        deadline = time.monotonic() + timeout
        try:
            try:
                response = self._post(body, timeout)
            except requests.Timeout:
                raise
            except requests.ConnectionError:
                # The receiver may have closed the connection since the last batch; a new one may
                # succeed. After a timeout it may still be at work on the batch.
                response = self._post(body, max(deadline - time.monotonic(), 0.001))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise RequestError(reason, is_retryable=isinstance(error, _UNANSWERED)) from error
        if response.status_code in _SUCCESSFUL:
            try:
                return _decode(response, ExportTraceServiceResponse())
            except _UNREADABLE:
                # A lax receiver sends something else than OTLP.
                return ExportTraceServiceResponse()
        seconds = response.headers.get("Retry-After", "")
        raise RequestError(
            f"HTTP {response.status_code} {response.reason}{_explanation(response)}",
            is_retryable=response.status_code in _RETRYABLE,
            retry_after=float(seconds) if seconds.isdecimal() else None,
        )

    def _post(self, body: bytes, timeout: float) -> requests.Response:
        return self._session.post(
            self._url,
            data=body,
            headers=self._headers,
            timeout=timeout,
            verify=self._tls_files.certificate,
            cert=self._tls_files.identity,
            # A redirected POST would arrive as a GET without the spans.
            allow_redirects=False,
        )

    def _close(self) -> None:
        self._session.close()


def _is_json(response: requests.Response) -> bool:
    return "json" in response.headers.get("Content-Type", "")


def _decode(response: requests.Response, message: _Message) -> _Message:
    if _is_json(response):
        json_format.Parse(response.content, message, ignore_unknown_fields=True)
    else:
        message.ParseFromString(response.content)
    return message


def _explanation(response: requests.Response) -> str:
    location = response.headers.get("Location")
    if location is not None:
        return f": redirects to {location}, which must be given as the endpoint itself"
    kind = response.headers.get("Content-Type", "")
    try:
        if "protobuf" in kind or _is_json(response):
            text = _decode(response, Status()).message
        else:
            text = response.content.decode() if kind.startswith("text/plain") else ""
    except _UNREADABLE:
        text = ""
    return f": {text}" if text else ""


def _parse_url(endpoint: Setting) -> str:
    """Return the URL to send to, with `/v1/traces` added where the specification wants it."""
    url = parse_url(endpoint)
    is_base = endpoint.source == "OTEL_EXPORTER_OTLP_ENDPOINT"
    if is_base or (not endpoint.from_environment and not url.path.strip("/")):
        url = url._replace(path=f"{url.path.rstrip('/')}/{_PATH}")
    return url.geturl()
