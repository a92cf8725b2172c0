"""The service as a process of its own, started and stopped by another one."""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START_TIMEOUT: Final = 90.0
# The service itself gives up delivering its last spans after ten seconds.
_STOP_TIMEOUT: Final = 15.0
_TREE_TIMEOUT: Final = 10.0


class ServiceError(Exception):
    """The service did not do what it was started for.

    Attributes:
        output: What it printed meanwhile.
    """

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Service:
    """A running service.

    Attributes:
        url: Where it answers.
        pid: Its process id.
    """

    def __init__(self, environment: Mapping[str, str], module: str) -> None:
        self._port = _find_free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"examples.user_service.{module}"],
            env={**environment, "HOST": "127.0.0.1", "PORT": str(self._port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding=environment.get("PYTHONIOENCODING"),
            errors="replace",
        )
        self.pid = self._process.pid
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def exit_code(self) -> int | None:
        """What it ended with, None while it runs."""
        return self._process.poll()

    def wait_until_ready(self) -> None:
        """Return when the service answers.

        Raises:
            ServiceError: It ended, or does not answer after half a minute.
        """
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._is_listening():
            if self.exit_code is not None:
                self._reader.join()
                raise ServiceError(
                    f"the service did not start; its exit code is {self.exit_code}",
                    self.read_rest(),
                )
            if time.monotonic() > deadline:
                raise ServiceError(f"the service does not answer after {_START_TIMEOUT:.0f} s")
            time.sleep(0.02)

    def read_tree(self, trace_id: str) -> tuple[str, str]:
        """Wait for the tree of a trace.

        Returns:
            What the service printed before it, and the tree.

        Raises:
            ServiceError: There is no such tree after ten seconds.
        """
        deadline = time.monotonic() + _TREE_TIMEOUT
        before, tree = "", ""
        while not tree.endswith("\n\n"):
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise ServiceError(f"there is no tree of {trace_id}", before + tree) from None
            if tree or trace_id in line:
                tree += line
            else:
                before += line
        return before, tree

    def read_rest(self) -> str:
        """Return what the service printed that was not read yet."""
        lines = ""
        while not self._lines.empty():
            lines += self._lines.get()
        return lines

    def wait(self) -> None:
        """Return when the service has ended; end it the hard way if that takes too long."""
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()

    def stop(self) -> None:
        """End the service as a process manager does."""
        self._process.terminate()
        self.wait()

    def _is_listening(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1.0) as connection:
                # Where nobody listens yet, a connection to a free port may come out at itself.
                return bool(connection.getsockname() != connection.getpeername())
        except OSError:
            return False

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line)


@contextmanager
def run_service(environment: Mapping[str, str], module: str = "main") -> Iterator[Service]:
    """Start the service, wait until it answers, and stop it when the block is left."""
    service = Service(environment, module)
    try:
        service.wait_until_ready()
        yield service
    finally:
        service.stop()


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
