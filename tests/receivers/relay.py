"""A relay in front of a receiver, which records the bytes that clients send."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from typing_extensions import Self

if TYPE_CHECKING:
    from types import TracebackType


class Relay:
    """A port of the loopback interface that passes every connection on to another port.

    Attributes:
        sent: What clients have sent, one entry for each connection.
    """

    def __init__(self, endpoint: str) -> None:
        self.sent: list[bytearray] = []
        self._target = ("127.0.0.1", int(endpoint.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []

    @property
    def endpoint(self) -> str:
        """URL of the relay, without a path."""
        return f"http://localhost:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Shutting a socket down wakes the thread that waits for it.
        for one in tuple(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in tuple(self._threads):
            thread.join(10)
        for one in self._sockets:
            one.close()

    def _run(self, function, *arguments) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                self.sent.append(bytearray())
                self._run(self._pass_on, client, server, self.sent[-1])
                self._run(self._pass_on, server, client, bytearray())

    def _pass_on(self, source: socket.socket, target: socket.socket, record: bytearray) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                record += chunk
                target.sendall(chunk)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
