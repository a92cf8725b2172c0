"""The queue between receivers and the writer: requests as they came, bounded in bytes.

A receiver answers when the request's future is done, which is after the commit. What has been
acknowledged is therefore in the file, and what could not be stored is sent again by its sender.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Literal

Signal = Literal["traces", "logs", "metrics"]
Encoding = Literal["protobuf", "json"]

_TAKEN_AT_ONCE: Final = 4 * 1024 * 1024


class QueueFullError(Exception):
    """The queue holds as many bytes as it may; the sender is to try again."""


class StoreFailedError(Exception):
    """The request could not be stored; the sender is to try again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a stored request.

    Attributes:
        accepted: How many of its spans and log records were accepted.
        rejected: How many of its spans or log records were not accepted, and never will be.
        message: Why.
    """

    accepted: int = 0
    rejected: int = 0
    message: str = ""


@dataclass(slots=True)
class Request:
    """One request as it came; a line of a file may hold any signal."""

    signal: Signal | None
    encoding: Encoding
    body: bytes
    outcome: Future[Outcome] = field(default_factory=Future)


class RequestQueue:
    """Requests that wait for the writer."""

    def __init__(self, *, limit: int = 32 * 1024 * 1024) -> None:
        self.limit = limit
        self._requests: deque[Request] = deque()
        self._condition = threading.Condition()
        self._bytes = 0
        self._closed = False
        self._woken = False

    @property
    def bytes(self) -> int:
        """Bytes of requests that are not committed yet."""
        return self._bytes

    def put(self, request: Request) -> None:
        """Append a request.

        Raises:
            QueueFullError: There is no room for it.
        """
        with self._condition:
            # A single request that is larger than the queue is accepted by an empty one.
            if self._closed or (self._bytes and self._bytes + len(request.body) > self.limit):
                raise QueueFullError
            self._requests.append(request)
            self._bytes += len(request.body)
            self._condition.notify()

    def take(self, timeout: float | None = None) -> list[Request]:
        """Wait for requests and take about 4 MB of them.

        What is returned counts until `done`. It is empty after the timeout, `wake` or `close`.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._requests or self._closed or self._woken, timeout)
            self._woken = False
            taken: list[Request] = []
            size = 0
            while self._requests and (
                not taken or size + len(self._requests[0].body) <= _TAKEN_AT_ONCE
            ):
                taken.append(self._requests.popleft())
                size += len(taken[-1].body)
            return taken

    def wake(self) -> None:
        """Let `take` return, with or without requests."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def done(self, requests: list[Request]) -> None:
        """Make room for others after requests were committed or refused."""
        with self._condition:
            self._bytes -= sum(len(each.body) for each in requests)

    @property
    def finished(self) -> bool:
        """Whether the queue is closed and empty."""
        return self._closed and not self._requests

    def close(self) -> None:
        """Accept no more requests, and let `take` return what is left."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
