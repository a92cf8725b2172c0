"""One HTTP server in a thread, with an application for each of its ports."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final

import anyio.to_thread
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tracekit._viewer.untraced import suppress_tracing

_THREADS: Final = 8
_GRACE_SECONDS: Final = 2


class HttpServer:
    """Serves applications on sockets that listen already."""

    def __init__(self, apps: Mapping[socket.socket, ASGIApp], on_stop: Callable[[], None]) -> None:
        """Start.

        Args:
            apps: The application of each socket.
            on_stop: Called in the server's loop when it is about to end, to end streams.
        """
        by_port = {each.getsockname()[1]: app for each, app in apps.items()}
        self._sockets = list(apps)
        self._on_stop = on_stop
        self._server = uvicorn.Server(
            uvicorn.Config(
                _ByPort(by_port),
                log_level="warning",
                lifespan="off",
                timeout_graceful_shutdown=_GRACE_SECONDS,
                server_header=False,
                proxy_headers=False,
                access_log=False,
            )
        )
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="tracekit-viewer-http", daemon=True)
        self._thread.start()
        self._loop.result()

    def _run(self) -> None:
        suppress_tracing()
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        # Each thread that reads the store has a connection with a cache of its own.
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        self._loop.set_result(asyncio.get_running_loop())
        await self._server.serve(self._sockets)

    def stop(self) -> None:
        """Answer what is running, and end."""
        self._loop.result().call_soon_threadsafe(self._on_stop)
        self._server.should_exit = True
        self._thread.join()


class _ByPort:
    def __init__(self, apps: Mapping[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._apps[scope["server"][1]](scope, receive, send)
