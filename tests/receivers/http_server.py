"""A receiver that speaks OTLP over HTTP with protobuf bodies."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.receivers.answers import Accept, Received, Receiver, Refuse

if TYPE_CHECKING:
    from tests.receivers.tls import TlsMaterial

_PROTOBUF = "application/x-protobuf"
_DECODERS = {None: bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}


class HttpReceiver(Receiver):
    """Serves `POST` on `paths`; `received[i].headers` has names in lower case."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        tls: TlsMaterial | None = None,
        client_certificate: bool = False,
        paths: tuple[str, ...] = ("/v1/traces",),
    ) -> None:
        super().__init__(api_key=api_key)
        self.paths = paths
        self._tls = tls
        self._client_certificate = client_certificate
        self.fixed_answer: tuple[int, str, bytes] | None = None
        self._port = 0
        self._server: _Server | None = None

    @property
    def endpoint(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self._port}"

    def start(self) -> None:
        self._released.clear()
        server = _Server(("127.0.0.1", self._port), self)
        self._port = server.server_port
        if self._tls is not None:
            server.socket = self._context(self._tls).wrap_socket(server.socket, server_side=True)
        server.start()
        self._server = server

    def kill(self) -> None:
        self.release()
        if self._server is not None:
            self._server.cut()
            self._server = None

    def _context(self, tls: TlsMaterial) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.server_certificate, tls.server_key)
        if self._client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(tls.authority)
        return context

    def answer_always(self, code: int, kind: str, body: bytes) -> None:
        """Accept every batch from now on and answer with this code, content type and body."""
        self.fixed_answer = (code, kind, body)

    def answer(self, received: Received) -> Accept | Refuse:
        """Return the answer to a request."""
        if received.path not in self.paths:
            return Refuse(404, "no such path")
        return self._answer(received, 401)


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], receiver: HttpReceiver) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver
        self._connections: set[socket.socket] = set()
        # A short poll makes the end of each test short too.
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about clients that disconnect, which the tests make them do."""

    def cut(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        decode = _DECODERS[self.headers.get("Content-Encoding")]
        request = ExportTraceServiceRequest.FromString(decode(body))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.receiver.answer(Received(request, headers, self.path))
        if self.server.receiver.fixed_answer is not None:
            self._send(*self.server.receiver.fixed_answer)
        elif isinstance(answer, Refuse):
            status = Status(message=answer.message)
            self._send(answer.code, _PROTOBUF, status.SerializeToString(), answer.headers)
        else:
            self._send(200, _PROTOBUF, answer.response().SerializeToString())

    def _send(
        self, code: int, kind: str, body: bytes, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Keep the output of the tests clean."""
