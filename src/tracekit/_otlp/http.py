"""Spans over OTLP/HTTP with protobuf bodies; needs the extra `otlp-http`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

from google.protobuf import json_format  # type: ignore[import-untyped] # no types in the package
from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # the same
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # the same
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracekit._base.errors import ConfigurationError
from tracekit._otlp.encoded import (
    HTTP_ENCODER,
    LastBatch,
    functions_without_encoder,
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
    parse_timeout,
    parse_tls_files,
    read,
    split_url,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult

try:
    import requests
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
except ImportError as _error:
    raise ConfigurationError(
        "OTLP over HTTP needs an extra: pip install otel-tracekit[otlp-http]"
    ) from _error

_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_PATH: Final = "v1/traces"
_COMPRESSIONS: Final = {
    "none": Compression.NoCompression,
    "gzip": Compression.Gzip,
    "deflate": Compression.Deflate,
}
_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http._common",
    "opentelemetry.exporter.otlp.common.http",
)
_SLEEPS: Final = hasattr(
    import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter"), "sleep"
)
_TRANSIENT: Final = frozenset({429, 502, 503, 504})
_NO_ANSWER: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)
# Each release sends a request from another place, and all of them make it by the same name.
_REWRITTEN: Final = functions_without_encoder(OTLPSpanExporter)
_OfficialExporter: Final[type[OTLPSpanExporter]] = type(
    "_OfficialExporter", (OTLPSpanExporter,), _REWRITTEN
)


class OtlpHttpExporter(OtlpExporter):
    """Sends spans to an OpenTelemetry receiver over HTTP.

    Where an argument is None, `OTEL_EXPORTER_OTLP_TRACES_*` and then `OTEL_EXPORTER_OTLP_*` of the
    specification count. Making one opens no connection. Proxies of the environment are used as
    everywhere in `requests`; a `certificate` counts before `REQUESTS_CA_BUNDLE`.

    Example:
        >>> exporter = OtlpHttpExporter(endpoint="http://localhost:4318", compression="gzip")
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
        compression: Literal["gzip", "deflate", "none"] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Check everything and make the exporter.

        Args:
            endpoint: `http://host:port` or `https://host[:port]`, to which `/v1/traces` is added,
                or a URL with a path of its own, which is taken as it is. In the environment,
                `OTEL_EXPORTER_OTLP_ENDPOINT` always gets `/v1/traces` added and
                `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` never. Default `http://localhost:4318`.
            headers: Headers of every request; a mapping, or `name=value,…` as in the environment.
                Empty counts as None.
            certificate: PEM file of the authorities to trust in place of the default ones.
            client_certificate: PEM file of the certificate to show to the receiver.
            client_key: PEM file of its key, unencrypted; default is the certificate's own file.
            compression: `"gzip"`, `"deflate"` or `"none"` (default).
            timeout: Seconds for one export with all its retries; default 10. The environment's
                variable is in seconds too, as in OpenTelemetry's SDK for Python.

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
        }
        target = read("endpoint", endpoint) or Setting("endpoint", _DEFAULT_ENDPOINT)
        url = _read_url(target)
        tls = {
            name: arguments[name] for name in ("certificate", "client_certificate", "client_key")
        }
        files = parse_tls_files(target, tls, plain_text=url.startswith("http:"))
        sent = parse_headers(headers, grpc=False)
        packed = _COMPRESSIONS[parse_compression(compression, known=tuple(_COMPRESSIONS))]
        seconds = parse_timeout(timeout)
        official = _OfficialExporter(
            endpoint=url,
            certificate_file=files.certificate,
            client_certificate_file=files.client_certificate,
            client_key_file=files.client_key,
            headers=sent,
            timeout=seconds,
            compression=packed,
            session=_WatchedSession(files, withheld=_foreign_headers(sent)),
        )
        tell_missing([] if _REWRITTEN else [HTTP_ENCODER])
        self._last_batch = LastBatch()
        quiet_loggers(_LOGGERS)
        super().__init__(official, arguments, timeout=seconds, sleeps=_SLEEPS)

    def _attempt(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            return self._last_batch.send(spans, super()._attempt)
        except (requests.ConnectionError, requests.Timeout) as error:
            # Versions of the official exporter below 1.35 let these through.
            raise TransientFailure from error


class _WatchedSession(requests.Session):
    """Shows every answer of the receiver to the export that waits for it."""

    def __init__(self, files: TlsFiles, *, withheld: frozenset[str]) -> None:
        super().__init__()
        self._files = files
        self._withheld = withheld

    def merge_environment_settings(self, *args: Any, **kwargs: Any) -> Any:
        """Let a certificate that was asked for count before those of the environment."""
        settings = super().merge_environment_settings(*args, **kwargs)
        if self._files.certificate is not None:
            settings["verify"] = self._files.certificate
        return settings

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send the request, follow no redirect, and note the answer."""
        outcome = current_outcome()
        for name in self._withheld:
            request.headers.pop(name, None)
        kwargs["timeout"] = min(kwargs.get("timeout") or outcome.remaining(), outcome.remaining())
        # A redirected POST arrives as a GET without the spans.
        kwargs["allow_redirects"] = False
        try:
            response = super().send(request, **kwargs)
        except Exception as error:
            is_first, is_passing = outcome.reason is None, isinstance(error, _NO_ANSWER)
            outcome.fail(f"{type(error).__name__}: {error}", is_passing=is_passing)
            if is_passing and not (outcome.is_repeated or (is_first and _may_be_stale(error))):
                raise TransientFailure from error
            raise
        _note_response(response)
        return response


def _may_be_stale(error: Exception) -> bool:
    """Whether the connection may have been closed since the last batch.

    The official exporter tries at once with another one, then. A receiver that did not answer in
    time is not to get the batch a second time.
    """
    return isinstance(error, requests.ConnectionError) and not isinstance(error, requests.Timeout)


def _note_response(response: requests.Response) -> None:
    outcome = current_outcome()
    if 200 <= response.status_code < 300:  # noqa: PLR2004 - the range that HTTP calls successful
        outcome.accept(_decode_response(response))
        return
    is_passing, pause = response.status_code in _TRANSIENT, _retry_after(response)
    reason = f"HTTP {response.status_code} {response.reason}{_explanation(response)}"
    outcome.fail(reason, is_passing=is_passing, pause=pause)
    if _SLEEPS or not outcome.is_repeated:
        raise TransientFailure(pause) if is_passing else AttemptFailed


def _is_json(response: requests.Response) -> bool:
    return "json" in response.headers.get("Content-Type", "")


def _decode_response(response: requests.Response) -> ExportTraceServiceResponse:
    """Return the answer; an empty one if a lax receiver says something else than OTLP."""
    answer = ExportTraceServiceResponse()
    try:
        if _is_json(response):
            json_format.Parse(response.content, answer, ignore_unknown_fields=True)
        else:
            answer.ParseFromString(response.content)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError):
        return ExportTraceServiceResponse()
    return answer


def _explanation(response: requests.Response) -> str:
    location = response.headers.get("Location")
    if location is not None:
        return f": redirects to {location}, which must be given as the endpoint itself"
    try:
        text = _error_message(response)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError):
        text = ""
    return f": {text}" if text else ""


def _error_message(response: requests.Response) -> str:
    kind = response.headers.get("Content-Type", "")
    if "protobuf" in kind:
        return str(Status.FromString(response.content).message)
    if _is_json(response):
        status = json_format.Parse(response.content, Status(), ignore_unknown_fields=True)
        return str(status.message)
    return response.content.decode() if kind.startswith("text/plain") else ""


def _retry_after(response: requests.Response) -> float | None:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else None


def _foreign_headers(sent: Mapping[str, str]) -> frozenset[str]:
    """Return names that the official exporter would add from the environment to an argument's."""
    return frozenset(parse_headers(None, grpc=False)) - frozenset(sent)


def _read_url(endpoint: Setting) -> str:
    """Return the URL to send to, `/v1/traces` added where it is the rule."""
    url = split_url(endpoint)
    base = endpoint.source == "OTEL_EXPORTER_OTLP_ENDPOINT"
    if base or (not endpoint.from_environment and not url.path.strip("/")):
        url = url._replace(path=f"{url.path.rstrip('/')}/{_PATH}")
    return url.geturl()
