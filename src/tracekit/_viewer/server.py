"""The running viewer: receivers, writer, page."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from tracekit._viewer.api.app import PAGE, Api, make_app
from tracekit._viewer.api.live import Changes
from tracekit._viewer.api.security import GuardedHost, GuardedPage, HostRules, Token
from tracekit._viewer.api.status import describe_status
from tracekit._viewer.http_server import HttpServer
from tracekit._viewer.intake.files import DroppedFiles, FileFollower, check_file
from tracekit._viewer.intake.grpc_receiver import GrpcReceiver
from tracekit._viewer.intake.http_receiver import make_http_receiver
from tracekit._viewer.intake.lines import FileProgress
from tracekit._viewer.intake.request_queue import RequestQueue
from tracekit._viewer.intake.writer_thread import WriterThread
from tracekit._viewer.ports import listen
from tracekit._viewer.store.limits import Limits
from tracekit._viewer.store.store import Store

_BODY_BYTES: Final = 32 * 1024 * 1024
_GRACE_SECONDS: Final = 2.0
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
    """A viewer that runs in threads of this process, from entering the context to leaving it.

    Attributes:
        token: The secret of the page's address.
        store: The spans.
        queue: The requests that wait for the writer.
        port: The port of the page.
        http_port: The port of OTLP/HTTP.
        grpc_port: The port of OTLP/gRPC.
    """

    store: Store
    port: int
    http_port: int
    grpc_port: int

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self.token = Token(self._settings.token)
        self.queue = RequestQueue()
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Viewer:
        """Open the ports and the database, and start.

        Raises:
            ViewerError: A port is taken, or a file or the database cannot be used. Nothing is open.
        """
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._running = stack.pop_all()
        return self

    def _start(self, stack: contextlib.ExitStack) -> None:
        """Start everything; what is closed first is entered last."""
        settings = self._settings
        for path in settings.files:
            check_file(path)
        page = stack.enter_context(listen(settings.host, settings.port, "--port"))
        otlp = stack.enter_context(listen(settings.host, settings.http_port, "--http-port"))
        # gRPC opens its own socket; this one finds out whether it can, and says who has the port.
        listen(settings.host, settings.grpc_port, "--grpc-port").close()
        self.port, self.http_port = (each.getsockname()[1] for each in (page, otlp))
        self.store = stack.enter_context(Store(settings.database, settings.limits))
        changes = Changes()
        self._writer = WriterThread(self.store, self.queue, changes.on_commit)
        self._writer.start()
        stack.callback(self._writer.stop)
        is_open = settings.host not in _LOOPBACK
        # Another machine may call this one by its name, which no other site has.
        own_names = [socket.gethostname(), socket.getfqdn()] if is_open else []
        rules = HostRules(allowed_hosts=[*settings.allowed_hosts, *own_names], any_address=is_open)
        follower = FileFollower(settings.files, self.queue)
        self._files = [each.progress for each in follower.files]
        self._start_http(stack, page, otlp, rules, changes)
        receiver = GrpcReceiver(
            self.queue,
            rules,
            address=f"{_bracketed(settings.host)}:{settings.grpc_port}",
            body_bytes=_BODY_BYTES,
        )
        stack.callback(receiver.stop, _GRACE_SECONDS)
        self.grpc_port = receiver.port
        follower.start()
        stack.callback(follower.stop)

    def _start_http(
        self,
        stack: contextlib.ExitStack,
        page: socket.socket,
        otlp: socket.socket,
        rules: HostRules,
        changes: Changes,
    ) -> None:
        api = Api(
            self.store,
            changes,
            self.status,
            lambda: self._writer.call(self.store.writer.clear),
            DroppedFiles(self.queue, self._files),
            self._settings.page,
        )
        stack.callback(api.close)
        page_app = GuardedPage(make_app(api, self._settings.page), self.token)
        otlp_app = make_http_receiver(self.queue, body_bytes=_BODY_BYTES)
        server = HttpServer(
            {
                page: GuardedHost(page_app, rules, own_origin=True),
                otlp: GuardedHost(otlp_app, rules, own_origin=False),
            },
            on_stop=api.closing.set,
        )
        stack.callback(server.stop)

    @property
    def files(self) -> Sequence[FileProgress]:
        """How far the files are, those that a page sent as well."""
        return self._files

    @property
    def has_page(self) -> bool:
        """Whether the page is built."""
        return (self._settings.page / "index.html").is_file()

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"{self._address(self.port)}/?token={self.token.value}"

    @property
    def endpoints(self) -> dict[str, str]:
        """The addresses to send to, by protocol."""
        return {"grpc": self._address(self.grpc_port), "http": self._address(self.http_port)}

    def _address(self, port: int) -> str:
        return f"http://{_bracketed(_reachable(self._settings.host))}:{port}"

    def status(self) -> dict[str, Any]:
        """Return what the page shows of the store and the receivers."""
        return describe_status(
            self.store, self.queue, self._files, self._writer.problem, self.endpoints
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Answer what is running, commit what is in the queue, and close."""
        self._running.close()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reachable(host: str) -> str:
    """Return the loopback address for one that stands for all interfaces."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    loopback = {4: "127.0.0.1", 6: "::1"}
    return loopback[address.version] if address.is_unspecified else host
