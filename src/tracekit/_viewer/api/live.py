"""What arrives, as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tracekit._viewer.store.writer import Commit

# At most four events of a kind a second.
_INTERVAL: Final = 0.25
_MOST_IDS: Final = 100
# Something passes at least this often, so that a closed connection is noticed.
_KEEP_ALIVE: Final = 15.0


class Changes:
    """Counts what commits changed; listeners compare with what they saw last.

    A listener that reads slowly holds nothing up and misses nothing but the ids: there is no queue
    for each listener.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new_traces = 0
        self._commits = 0
        self._recent: list[bytes] = []

    def on_commit(self, commit: Commit) -> None:
        """Take a commit into account, from the writer's thread."""
        with self._lock:
            self._commits += 1
            self._new_traces += len(commit.new)
            if commit.changed:
                self._recent = [*commit.changed, *self._recent][:_MOST_IDS]

    def state(self) -> tuple[int, int, list[bytes]]:
        """Return the number of commits, of new traces, and the ids that changed last."""
        with self._lock:
            return self._commits, self._new_traces, self._recent


async def stream_changes(
    changes: Changes, status: Callable[[], dict[str, Any]], closing: asyncio.Event
) -> AsyncIterator[str]:
    """Yield events until the server closes.

    Args:
        changes: What is watched.
        status: Makes the status that is sent along.
        closing: Set when the server ends.
    """
    seen_commits, seen_new, _ = changes.state()
    quiet = 0.0
    yield _event("status", status())
    while not closing.is_set():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(closing.wait(), _INTERVAL)
        commits, new, recent = changes.state()
        if commits == seen_commits:
            quiet += _INTERVAL
            if quiet >= _KEEP_ALIVE:
                quiet = 0.0
                yield ": nothing new\n\n"
            continue
        quiet = 0.0
        current = status()
        traces = {
            "new": new - seen_new,
            "ids": list(dict.fromkeys(each.hex() for each in recent)),
            "spans": current["spans"],
            "traces": current["traces"],
            "dropped": current["dropped"],
        }
        seen_commits, seen_new = commits, new
        yield _event("traces", traces)
        yield _event("status", current)


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
