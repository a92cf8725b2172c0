"""Where the running viewers of this user are, so that other commands find them.

A viewer writes its address with the token into a file that its user alone can read, named after its
port, and deletes it at the end.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

DEFAULT_PORT: Final = 4319


@contextlib.contextmanager
def announced(port: int, url: str) -> Iterator[None]:
    """Let this user's other processes find a viewer while the context lasts."""
    directory = _directory()
    if directory is None:
        yield
        return
    path = directory / f"{port}.url"
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
            file.write(url)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            # Another viewer may have the port, and the file, by now.
            if path.read_text(encoding="utf-8") == url:
                path.unlink()


def find_address(url: str | None = None) -> str | None:
    """Return the address, with its token, of this user's viewer at a URL or the default port."""
    port = DEFAULT_PORT
    if url is not None:
        with contextlib.suppress(ValueError):
            port = urlsplit(url).port or DEFAULT_PORT
    directory = _directory()
    if directory is None:
        return None
    with contextlib.suppress(OSError):
        return (directory / f"{port}.url").read_text(encoding="utf-8").strip() or None
    return None


def _directory() -> Path | None:
    """Return the directory of this user's files, or None if others could write there."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    user = os.getuid() if hasattr(os, "getuid") else 0
    directory = Path(base) / f"tracekit-view-{user}"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode) or (os.name == "posix" and found.st_uid != user):
        return None
    if os.name == "posix" and found.st_mode & 0o077:
        return None
    return directory
