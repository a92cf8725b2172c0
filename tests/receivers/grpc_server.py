"""A receiver that speaks OTLP over gRPC."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from tests.receivers.answers import Received, Receiver, Refuse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.receivers.tls import TlsMaterial


class GrpcReceiver(Receiver, TraceServiceServicer):
    """Serves `TraceService/Export`; `received[i].headers` is the metadata of the call."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        tls: TlsMaterial | None = None,
        client_certificate: bool = False,
        socket: Path | None = None,
    ) -> None:
        super().__init__(api_key=api_key)
        self._tls = tls
        self._client_certificate = client_certificate
        self._socket = socket
        self._port = 0
        self._server: grpc.Server | None = None

    @property
    def endpoint(self) -> str:
        if self._socket is not None:
            return f"unix:{self._socket}"
        return f"{'https' if self._tls else 'http'}://localhost:{self._port}"

    def start(self) -> None:
        self._released.clear()
        # A port that two servers may share would hide that the old one still listens.
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        add_TraceServiceServicer_to_server(self, server)
        address = f"unix:{self._socket}" if self._socket else f"127.0.0.1:{self._port}"
        if self._tls is None:
            self._port = server.add_insecure_port(address)
        else:
            self._port = server.add_secure_port(address, self._credentials(self._tls))
        server.start()
        self._server = server

    def kill(self) -> None:
        self.release()
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None

    def _credentials(self, tls: TlsMaterial) -> grpc.ServerCredentials:
        pair = (tls.server_key.read_bytes(), tls.server_certificate.read_bytes())
        authority = tls.authority.read_bytes() if self._client_certificate else None
        return grpc.ssl_server_credentials([pair], authority, self._client_certificate)

    def Export(
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        metadata = {pair.key: pair.value for pair in context.invocation_metadata()}
        answer = self._answer(Received(request, metadata), grpc.StatusCode.UNAUTHENTICATED)
        if isinstance(answer, Refuse):
            context.set_trailing_metadata(answer.headers)
            context.set_code(answer.code)
            context.set_details(answer.message)
            return ExportTraceServiceResponse()
        return answer.response()
