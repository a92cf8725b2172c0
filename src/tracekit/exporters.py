"""Exporters: where the spans go.

Each function makes an exporter that is a `SpanExporter` of OpenTelemetry's SDK, for
`init_telemetry(exporter=…)`, for `TelemetryBuilder.with_exporter` and for any SDK span processor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, TypeVar

from tracekit._base.errors import ConfigurationError
from tracekit._filters.filter import Filter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from tracekit._console.exporter import ConsoleExporter
    from tracekit._delivery.memory_exporter import MemoryExporter
    from tracekit._otlp.exporter import OtlpExporter
    from tracekit._otlp.file_exporter import FileExporter

__all__ = ["console", "file", "memory", "otlp"]

_PROTOCOL_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOLS: Final = {"grpc": "grpc", "http": "http", "http/protobuf": "http"}


def console(
    *,
    stream: TextIO | None = None,
    colour: bool | None = None,
    width: int | None = None,
    verbose: bool = False,
    filter: str | Filter | None = None,
) -> ConsoleExporter:
    """Make an exporter that prints each trace as a tree when its local root ends.

    Args:
        stream: Where to print; by default what `sys.stderr` is at the time.
        colour: Whether to use colour; by default on a terminal only, as `NO_COLOR` and
            `FORCE_COLOR` say.
        width: The width in columns; by default the terminal's.
        verbose: Show the standard attributes, the resource and stack traces too.
        filter: Which spans and events it wants; by default those that the set-up wants.

    Raises:
        ConfigurationError: An argument is of the wrong kind, or the filter does not parse.

    Example:
        ```python
        import sys
        import tracekit
        from tracekit import exporters

        tracekit.init_telemetry("demo", exporter=exporters.console(stream=sys.stdout, width=80))
        ```
    """
    from tracekit._console.exporter import ConsoleExporter

    return _filtered(
        lambda: ConsoleExporter(stream=stream, colour=colour, width=width, verbose=verbose), filter
    )


def otlp(
    *,
    protocol: Literal["grpc", "http"] | None = None,
    endpoint: str | None = None,
    headers: Mapping[str, str] | str | None = None,
    certificate: str | os.PathLike[str] | None = None,
    client_certificate: str | os.PathLike[str] | None = None,
    client_key: str | os.PathLike[str] | None = None,
    compression: Literal["gzip", "deflate", "none"] | None = None,
    timeout: float | None = None,
    insecure: bool | None = None,
    filter: str | Filter | None = None,
) -> OtlpExporter:
    """Make an exporter that sends spans to an OpenTelemetry receiver.

    Where an argument is None, `OTEL_EXPORTER_OTLP_TRACES_*` and then `OTEL_EXPORTER_OTLP_*` of the
    OpenTelemetry specification count.

    Args:
        protocol: `"grpc"` or `"http"`; by default what `OTEL_EXPORTER_OTLP_PROTOCOL` says, else
            gRPC. HTTP needs the extra `otel-tracekit[otlp-http]`.
        endpoint: Where the receiver is: `http://localhost:4317`, `https://collector.example`. By
            default port 4317 of this machine for gRPC and 4318 for HTTP.
        headers: Sent with every request, such as an API key: `{"x-api-key": "…"}`.
        certificate: A PEM file with the authorities that the receiver's certificate is checked
            against.
        client_certificate: A PEM file with this client's own certificate.
        client_key: The PEM file with its key.
        compression: `"gzip"`, over HTTP also `"deflate"`, or `"none"`.
        timeout: How long one attempt to send a batch may take, in seconds; 10 by default.
        insecure: Over gRPC, whether to do without TLS where the endpoint has no scheme.
        filter: Which spans and events it wants; by default those that the set-up wants.

    Raises:
        ConfigurationError: An argument, or the variable in its place, is malformed; a file cannot
            be read; or the package for HTTP is not installed.

    Example:
        ```python
        import tracekit
        from tracekit import exporters

        backend = exporters.otlp(endpoint="https://otlp.example:4317", headers={"api-key": "k"})
        telemetry = tracekit.TelemetryBuilder("demo").with_exporter(backend).build()
        telemetry.shutdown()
        ```
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
    if (protocol or _protocol_of_environment()) == "http":
        return _filtered(lambda: _otlp_http(**arguments), filter)
    if protocol not in (None, "grpc"):
        raise ConfigurationError(f"protocol={protocol!r}: say 'grpc' or 'http'")
    if compression == "deflate":
        raise ConfigurationError("compression='deflate' is for HTTP; over gRPC say 'gzip'")
    from tracekit._otlp.grpc import OtlpGrpcExporter

    return _filtered(lambda: OtlpGrpcExporter(**arguments, insecure=insecure), filter)


def _otlp_http(**arguments: object) -> OtlpExporter:
    try:
        from tracekit._otlp.http import OtlpHttpExporter
    except ImportError as error:
        raise ConfigurationError(
            f"OTLP over HTTP needs a package that is not installed ({error.name}); "
            f"run: pip install 'otel-tracekit[otlp-http]'"
        ) from error
    return OtlpHttpExporter(**arguments)  # type: ignore[arg-type]  # as checked by the caller's signature


def _protocol_of_environment() -> str:
    for variable in _PROTOCOL_VARIABLES:
        value = os.environ.get(variable, "").strip()
        if value:
            protocol = _PROTOCOLS.get(value.lower())
            if protocol is None:
                raise ConfigurationError(f"{variable}={value!r}: say 'grpc' or 'http/protobuf'")
            return protocol
    return "grpc"


def file(path: str | os.PathLike[str], *, filter: str | Filter | None = None) -> FileExporter:
    """Make an exporter that appends spans to a file, as OTLP JSON lines.

    The format is that of OpenTelemetry's own file exporter, so that a collector can read it. Many
    processes may append to one file, and it may be rotated under them.

    Args:
        path: The file; its directory must exist.
        filter: Which spans and events it wants; by default those that the set-up wants.

    Raises:
        ConfigurationError: The file cannot be opened for appending, or the filter does not parse.

    Example:
        ```python
        import tempfile
        import tracekit
        from tracekit import exporters

        with tempfile.TemporaryDirectory() as folder:
            tracekit.init_telemetry("demo", exporter=exporters.file(f"{folder}/spans.jsonl"))
        ```
    """
    from tracekit._otlp.file_exporter import FileExporter

    return _filtered(lambda: FileExporter(path), filter)


def memory(*, filter: str | Filter | None = None) -> MemoryExporter:
    """Make an exporter that keeps the spans, for tests and notebooks.

    Args:
        filter: Which spans and events it wants; by default those that the set-up wants.

    Raises:
        FilterSyntaxError: The filter does not parse.

    Example:
        ```python
        import tracekit
        from tracekit import exporters, span

        memory = exporters.memory()
        with tracekit.init_telemetry("demo", exporter=memory), span("work"):
            pass
        assert [one.name for one in memory.spans] == ["work"]
        ```
    """
    from tracekit._delivery.memory_exporter import MemoryExporter

    return _filtered(MemoryExporter, filter)


E = TypeVar("E", bound="SpanExporter")


def _filtered(make: Callable[[], E], directives: str | Filter | None) -> E:
    # Read first, so that nothing is opened for an exporter whose filter does not parse.
    own = None if directives is None else Filter(directives)
    made = make()
    # Read by the set-up; an exporter of the SDK's kind has no room for it otherwise.
    made.own_filter = own  # type: ignore[attr-defined]  # see above
    return made
