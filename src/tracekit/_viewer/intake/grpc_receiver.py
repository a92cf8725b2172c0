"""OTLP over gRPC."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import grpc

from tracekit._viewer.errors import PortError
from tracekit._viewer.intake.compression import BodyTooLargeError, UnknownEncodingError, decompress
from tracekit._viewer.intake.decode import MalformedRequestError
from tracekit._viewer.intake.request_queue import (
    QueueFullError,
    Request,
    RequestQueue,
    Signal,
    StoreFailedError,
)
from tracekit._viewer.intake.responses import encode_response
from tracekit._viewer.untraced import suppress_tracing

if TYPE_CHECKING:
    from tracekit._viewer.api.security import HostRules

_SERVICES: Final[dict[str, Signal]] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}
# Threads only wait for commits; a request that finds none free waits within gRPC.
_THREADS: Final = 16
_ZLIB_CHECK: Final = 31
_STORE_SECONDS: Final = 30.0


class GrpcReceiver:
    """Serves the three OTLP services on one port, with requests as bytes."""

    def __init__(
        self, queue: RequestQueue, rules: HostRules, *, address: str, body_bytes: int
    ) -> None:
        """Listen on an address, `host:port`; port 0 takes a free one.

        Raises:
            PortError: The port cannot be listened on.
        """
        self._server = grpc.server(
            ThreadPoolExecutor(
                _THREADS, thread_name_prefix="tracekit-viewer-grpc", initializer=suppress_tracing
            ),
            handlers=_Services(queue, rules, body_bytes).handlers(),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", body_bytes),
                # Decompressed here, so that the bound holds for what comes out.
                ("grpc.per_message_decompression", 0),
            ],
        )
        try:
            self.port: int = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise PortError(str(error)) from None
        self._server.start()

    def stop(self, grace: float) -> None:
        """Accept no more requests, and give those that run some seconds."""
        self._server.stop(grace).wait()


class _Services:
    def __init__(self, queue: RequestQueue, rules: HostRules, body_bytes: int) -> None:
        self._queue = queue
        self._rules = rules
        self._body_bytes = body_bytes

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return a handler for each service; without a deserializer, requests stay bytes."""
        return [
            grpc.method_handlers_generic_handler(
                service, {"Export": grpc.unary_unary_rpc_method_handler(self._handler(signal))}
            )
            for service, signal in _SERVICES.items()
        ]

    def _handler(self, signal: Signal) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            if any(key == "origin" for key, _ in context.invocation_metadata()):
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "requests of pages are refused")
            host = _find_host(context)
            if host is not None and not self._rules.allows_host(host):
                text = f"the host {host!r} is not this viewer's; allow it with --allow-host"
                context.abort(grpc.StatusCode.PERMISSION_DENIED, text)
            return self._export(signal, body, context)

        return export

    def _export(self, signal: Signal, body: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            body = decompress(body, _find_compression(body), self._body_bytes)
            request = Request(signal, "protobuf", body)
            self._queue.put(request)
            outcome = request.outcome.result(_STORE_SECONDS)
        except BodyTooLargeError:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"larger than {self._body_bytes} bytes")
        except (MalformedRequestError, UnknownEncodingError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except QueueFullError:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the viewer's queue is full; try again")
        except StoreFailedError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"not stored: {error}; try again")
        except TimeoutError:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the viewer is busy; try again")
        return encode_response(signal, outcome)


def _find_host(context: grpc.ServicerContext) -> str | None:
    """Return the host that a call is for (`:authority`), or None where gRPC hides it.

    gRPC has no public way to it. No page can send what this port understands, HTTP/2 without TLS,
    so that the check is a second line of defence.
    """
    event = getattr(context, "_rpc_event", None)
    host = getattr(getattr(event, "call_details", None), "host", None)
    return host.decode("ascii", "replace") if isinstance(host, bytes) else None


def _find_compression(body: bytes) -> str:
    """Return how a message is compressed, which gRPC does not tell its handlers.

    OTLP's requests have one field, 1, whose tag is 0x0A. The two bytes with which gzip begins are
    no tag that exists, and 0x78, of zlib, would be field 15.
    """
    if body.startswith(b"\x1f\x8b"):
        return "gzip"
    if body.startswith(b"\x78") and int.from_bytes(body[:2], "big") % _ZLIB_CHECK == 0:
        return "deflate"
    return ""
