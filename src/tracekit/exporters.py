"""Exporters, which send ended spans to a terminal, a receiver, a file or memory.

Each function returns a `SpanExporter` of OpenTelemetry's SDK, for `init_telemetry(exporter=…)`, for
`TelemetryBuilder.with_exporter` and for any SDK span processor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TextIO, TypeVar

from tracekit._base.errors import ConfigurationError
from tracekit._filters.filter import Filter

if TYPE_CHECKING:
    from tracekit._console.exporter import ConsoleExporter
    from tracekit._delivery.memory_exporter import MemoryExporter
    from tracekit._otlp.exporter import OtlpExporter
    from tracekit._otlp.file_exporter import FileExporter

__all__ = ["console", "file", "memory", "otlp"]


def console(
    *,
    stream: TextIO | None = None,
    colour: bool | None = None,
    width: int | None = None,
    verbose: bool = False,
    filter: str | Filter | None = None,
) -> ConsoleExporter:
    r"""Make an exporter that prints each trace as a tree when its local root ends.

    The local root is the span without a parent in this process. A trace is written as one block,
    which never mixes with another. Three or more similar siblings share one line, unless one of
    them failed. After 500 lines, the block ends with the number of spans that it leaves out.

    Spans that end after their local root follow in a second block. If more than 10,000 spans or
    1,000 traces wait for their roots, the oldest trace is printed in part; flush and shutdown print
    everything that waits. Control characters are escaped (`\n`, `\x1b`), so that a value can
    neither forge a line nor control the terminal.

    Args:
        stream: The stream to print to; by default the value of `sys.stderr` at that time.
        colour: Whether to use colour. By default `NO_COLOR` turns it off, else `FORCE_COLOR` turns
            it on, else it is on if the stream is a terminal that is not `dumb`.
        width: The width of a line in columns, at least 40. By default `COLUMNS` decides, else the
            terminal; 100 if the stream is not a terminal.
        verbose: Whether to print everything: `code.*`, `thread.*` and `telemetry.*` attributes, ids
            and links, the resource, stack traces, every sibling and every line.
        filter: The spans and events that it wants; by default those that the set-up wants.

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
    protocol: Literal["grpc", "http", "http/protobuf"] | None = None,
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
        protocol: `"grpc"` or `"http"`; by default `OTEL_EXPORTER_OTLP_PROTOCOL`, else gRPC. HTTP
            needs the extra `otel-tracekit[otlp-http]`.
        endpoint: The receiver. Over gRPC `http://host:port` (plain text), `https://host[:port]`
            (TLS), `host:port` or `unix:path` (TLS unless `insecure`); by default
            `http://localhost:4317`. Over HTTP a URL, to which `/v1/traces` is added if it has no
            path; by default `http://localhost:4318`. In the environment,
            `OTEL_EXPORTER_OTLP_ENDPOINT` always gets `/v1/traces` added and
            `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` never.
        headers: The headers of every request, such as an API key: `{"x-api-key": "…"}`, or a string
            `name=value,…` as in the environment. Empty counts as None.
        certificate: A PEM file with the authorities to trust in place of the default ones.
        client_certificate: A PEM file with this client's own certificate.
        client_key: The PEM file with its key, unencrypted; by default the certificate's own file.
        compression: `"gzip"`, over HTTP also `"deflate"`, or `"none"` (default).
        timeout: Seconds that one attempt to send a batch may take; 10 by default. For a span
            processor of the SDK, the seconds for a batch with all its retries.
        insecure: Over gRPC, whether an endpoint without a scheme is reached without TLS.
        filter: The spans and events that it wants; by default those that the set-up wants.

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
    from tracekit._otlp.settings import OtlpOptions, parse_protocol

    options: OtlpOptions = {
        "endpoint": endpoint,
        "headers": headers,
        "certificate": certificate,
        "client_certificate": client_certificate,
        "client_key": client_key,
        "compression": compression,
        "timeout": timeout,
        "insecure": insecure,
    }
    if parse_protocol(protocol) == "http":
        from tracekit._otlp.http import OtlpHttpExporter

        return _filtered(lambda: OtlpHttpExporter(**options), filter)
    if compression == "deflate":
        raise ConfigurationError("compression='deflate' is for HTTP; gRPC takes 'gzip'")
    from tracekit._otlp.grpc import OtlpGrpcExporter

    return _filtered(lambda: OtlpGrpcExporter(**options), filter)


def file(path: str | os.PathLike[str], *, filter: str | Filter | None = None) -> FileExporter:
    """Make an exporter that appends spans to a file, as OTLP JSON lines.

    The format is that of OpenTelemetry's own file exporter, which a collector reads. Several
    processes may append to one file, and the file may be rotated meanwhile.

    Args:
        path: The file; its directory must exist.
        filter: The spans and events that it wants; by default those that the set-up wants.

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
        filter: The spans and events that it wants; by default those that the set-up wants.

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


class _HasOwnFilter(Protocol):
    """An exporter that can carry a filter, which the set-up reads."""

    own_filter: Filter | None


_Exporter = TypeVar("_Exporter", bound=_HasOwnFilter)


def _filtered(make: Callable[[], _Exporter], directives: str | Filter | None) -> _Exporter:
    # Parsed first, so that nothing is opened for an exporter whose filter does not parse.
    own_filter = None if directives is None else Filter(directives)
    exporter = make()
    exporter.own_filter = own_filter
    return exporter
