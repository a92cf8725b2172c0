"""The running viewer: receivers, writer, page."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import anyio.to_thread
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

import tracekit
from tracekit._viewer.api.app import PAGE, Api, make_app
from tracekit._viewer.api.live import Changes
from tracekit._viewer.api.security import GuardedHost, GuardedPage, HostRules, Token
from tracekit._viewer.intake.files import DroppedFiles, FileFollower, check_file
from tracekit._viewer.intake.grpc_receiver import GrpcReceiver
from tracekit._viewer.intake.http_receiver import make_http_receiver
from tracekit._viewer.intake.request_queue import RequestQueue
from tracekit._viewer.intake.writer_thread import WriterThread
from tracekit._viewer.ports import listen
from tracekit._viewer.store.limits import Limits
from tracekit._viewer.store.store import Store

_BODY_BYTES: Final = 32 * 1024 * 1024
_THREADS: Final = 8
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a viewer runs. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 4319
    grpc_port: int = 4317
    http_port: int = 4318
    database: Path | None = None
    limits: Limits = field(default_factory=Limits)
    allowed_hosts: Sequence[str] = ()
    token: str | None = None
    files: Sequence[Path] = ()
    page: Path = PAGE


class Viewer:
    """A viewer that runs in threads of this process, from entering the context to leaving it."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self.token = Token(self._settings.token)
        self.changes = Changes()
        self.queue = RequestQueue()

    def __enter__(self) -> Viewer:
        """Open the database and the ports, and start.

        Raises:
            ViewerError: A port is taken, or the database cannot be used.
        """
        settings = self._settings
        for path in settings.files:
            check_file(path)
        rules = HostRules(
            allowed_hosts=settings.allowed_hosts, any_address=settings.host not in _LOOPBACK
        )
        page = listen(settings.host, settings.port, "--port")
        otlp = listen(settings.host, settings.http_port, "--http-port")
        # gRPC opens its own socket; this one finds out whether it can, and says who has the port.
        listen(settings.host, settings.grpc_port, "--grpc-port").close()
        self.store = Store(settings.database, settings.limits)
        self._writer = WriterThread(self.store, self.queue, self.changes.on_commit)
        self._writer.start()
        self._follower = FileFollower(settings.files, self.queue)
        self._files = [each.progress for each in self._follower.files]
        self._grpc = GrpcReceiver(
            self.queue,
            rules,
            address=f"{_bracketed(settings.host)}:{settings.grpc_port}",
            body_bytes=_BODY_BYTES,
        )
        self.port, self.http_port = (each.getsockname()[1] for each in (page, otlp))
        self.grpc_port = self._grpc.port
        self._api = Api(
            self.store,
            self.changes,
            self.status,
            self._clear,
            DroppedFiles(self.queue, self._files),
        )
        apps: dict[int, ASGIApp] = {
            self.port: GuardedHost(
                GuardedPage(make_app(self._api, settings.page), self.token), rules, own_origin=True
            ),
            self.http_port: GuardedHost(
                make_http_receiver(self.queue, body_bytes=_BODY_BYTES), rules, own_origin=False
            ),
        }
        self._server = uvicorn.Server(
            uvicorn.Config(
                _ByPort(apps),
                log_level="warning",
                lifespan="off",
                timeout_graceful_shutdown=2,
                server_header=False,
                access_log=False,
            )
        )
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=self._serve, args=([page, otlp],), name="tracekit-viewer-http", daemon=True
        )
        self._thread.start()
        self._loop = self._started.result()
        self._follower.start()
        return self

    def _serve(self, sockets: list[socket.socket]) -> None:
        async def serve() -> None:
            # Each thread that reads the store has a connection with its own cache.
            anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
            self._started.set_result(asyncio.get_running_loop())
            await self._server.serve(sockets)

        asyncio.run(serve())

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"http://{_bracketed(self._shown_host)}:{self.port}/?token={self.token.value}"

    @property
    def _shown_host(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._settings.host, self._settings.host)  # noqa: S104 - compared

    def status(self) -> dict[str, Any]:
        """Return what the page shows of the store and the receivers."""
        counts, limits = self.store.writer.counts, self.store.limits
        return {
            "version": tracekit.__version__,
            "spans": counts.spans,
            "traces": counts.traces,
            "logs": counts.logs,
            "bytes": self.store.bytes(),
            "limits": {
                "spans": limits.spans,
                "bytes": limits.bytes,
                "value_bytes": limits.value_bytes,
                "trace_spans": limits.trace_spans,
            },
            "dropped": {
                "spans": counts.dropped_spans,
                "traces": counts.dropped_traces,
                "logs": counts.dropped_logs,
                "before": str(counts.dropped_before) if counts.dropped_before else None,
            },
            "duplicates": counts.duplicates,
            "malformed": counts.malformed,
            "cut_values": counts.cut_values,
            "metrics_not_kept": counts.metrics,
            "logs_not_kept": counts.logs_without_trace,
            "queue": {"bytes": self.queue.bytes, "limit": self.queue.limit},
            "problem": self._writer.problem,
            "files": [asdict(each) for each in self._files],
            "database": str(self.store.path),
            "endpoints": {
                "grpc": f"http://{_bracketed(self._shown_host)}:{self.grpc_port}",
                "http": f"http://{_bracketed(self._shown_host)}:{self.http_port}",
            },
        }

    def _clear(self) -> None:
        self._writer.call(self.store.writer.clear)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Answer what is running, commit what is in the queue, and close."""
        self._follower.stop()
        self._grpc.stop(2.0)
        self._loop.call_soon_threadsafe(self._api.closing.set)
        self._server.should_exit = True
        self._thread.join(10.0)
        self.queue.close()
        self._writer.join(30.0)
        self.store.close()


class _ByPort:
    """One server on several ports, with an application for each."""

    def __init__(self, apps: dict[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._apps[scope["server"][1]](scope, receive, send)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
