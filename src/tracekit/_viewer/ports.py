"""Ports to listen on, and who has those that are taken."""

from __future__ import annotations

import contextlib
import errno
import socket
from pathlib import Path

from tracekit._viewer.errors import PortError

_LISTENING = "0A"


def listen(host: str, port: int, option: str) -> socket.socket:
    """Listen on a TCP port; port 0 takes a free one.

    Args:
        host: The address.
        port: The port.
        option: The option of the command that chooses the port, for the error's text.

    Raises:
        PortError: The port is taken, or the address is not this machine's.
    """
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(info[0], info[1])
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(info[4])
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise PortError(describe_taken(host, port, option, error)) from None
    return listener


def describe_taken(host: str, port: int, option: str, error: OSError) -> str:
    """Return why a port cannot be listened on, by whom it is taken, and what to do."""
    if error.errno != errno.EADDRINUSE:
        return f"Port {port} of {host} cannot be listened on: {error.strerror or error}"
    owner = find_owner(port)
    by = f" by {owner}" if owner else ""
    return f"Port {port} of {host} is taken{by}. Stop that, or choose another with {option}"


def find_owner(port: int) -> str | None:
    """Return the name and the id of the process that listens on a port, where they can be known.

    Linux lists them under /proc; processes of other users stay unknown.
    """
    inodes = {
        fields[9]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in _read_table(table)
        if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port
    }
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in wanted:
                    return f"{_name(process)} (process {process.name})"
    return None


def _read_table(path: str) -> list[list[str]]:
    with contextlib.suppress(OSError):
        return [line.split() for line in Path(path).read_text().splitlines()[1:]]
    return []


def _name(process: Path) -> str:
    words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return words[:80] or (process / "comm").read_text().strip()
