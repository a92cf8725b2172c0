"""The answers of a receiver, and what all receivers have in common."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from typing_extensions import Self

from tests.receivers.spans import SpanView, view_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType


@dataclass(frozen=True)
class Accept:
    """Accept the batch after `after` seconds, and report `rejected` spans as rejected."""

    rejected: int = 0
    message: str = ""
    after: float = 0.0

    def response(self) -> ExportTraceServiceResponse:
        """Return the answer's message."""
        partial = ExportTracePartialSuccess(
            rejected_spans=self.rejected, error_message=self.message
        )
        is_partial = self.rejected or self.message
        return ExportTraceServiceResponse(partial_success=partial if is_partial else None)


@dataclass(frozen=True)
class Refuse:
    """Refuse the batch with a `grpc.StatusCode` or an HTTP status code.

    `headers` go with it: trailing metadata, or HTTP headers.
    """

    code: Any
    message: str = ""
    headers: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Hang:
    """Do not answer until the receiver is released or killed, then accept the batch."""


ExportOutcome = Accept | Refuse | Hang


@dataclass(frozen=True)
class Received:
    """An accepted batch, with its headers or metadata."""

    request: ExportTraceServiceRequest
    headers: Mapping[str, str]
    path: str = ""


class Receiver(ABC):
    """A server on a port of its own; a context manager that starts and kills it.

    Attributes:
        received: The accepted batches, in order.
        attempts: The number of requests, refused ones included.
        otherwise: The answer after the end of the script.
    """

    def __init__(self, *, api_key: str | None = None) -> None:
        self.received: list[Received] = []
        self.attempts = 0
        self.otherwise: ExportOutcome = Accept()
        self._api_key = api_key
        self._script: deque[ExportOutcome] = deque()
        self._changed = threading.Condition()
        self._released = threading.Event()

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """URL of the server, without a path."""

    @abstractmethod
    def start(self) -> None:
        """Listen, the second time on the port of the first."""

    @abstractmethod
    def kill(self) -> None:
        """Stop at once and cut every connection; what was received stays."""

    def script(self, *answers: ExportOutcome) -> None:
        """Set the answers to the next requests."""
        with self._changed:
            self._script.extend(answers)

    def release(self) -> None:
        """Answer every request that hangs."""
        self._released.set()

    @property
    def spans(self) -> list[SpanView]:
        """All spans of accepted batches."""
        with self._changed:
            return [
                span for one in self.received for span in view_spans(one.request.resource_spans)
            ]

    def wait_for_spans(self, count: int, timeout: float = 10.0) -> list[SpanView]:
        """Return the spans as soon as there are `count`; fail after `timeout` seconds."""
        self._wait(lambda: len(self.spans) >= count, f"{count} spans", timeout)
        return self.spans

    def wait_for_attempts(self, count: int, timeout: float = 10.0) -> None:
        """Return as soon as there were `count` requests; fail after `timeout` seconds."""
        self._wait(lambda: self.attempts >= count, f"{count} attempts", timeout)

    def _wait(self, reached: Callable[[], bool], what: str, timeout: float) -> None:
        with self._changed:
            if not self._changed.wait_for(reached, timeout):
                raise AssertionError(
                    f"waited {timeout} s for {what}; there are {len(self.spans)} spans "
                    f"from {self.attempts} attempts"
                )

    def _answer(self, received: Received, unauthenticated: Any) -> Accept | Refuse:
        """Count and keep a request, wait if the script wants it, and return the answer."""
        with self._changed:
            self.attempts += 1
            self._changed.notify_all()
            if self._api_key is not None and received.headers.get("x-api-key") != self._api_key:
                return Refuse(unauthenticated, "no valid API key")
            answer = self._script.popleft() if self._script else self.otherwise
        if isinstance(answer, Hang):
            self._released.wait(30)
            answer = Accept()
        if isinstance(answer, Accept):
            self._released.wait(answer.after)
            with self._changed:
                self.received.append(received)
                self._changed.notify_all()
        return answer

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


def deadline(seconds: float) -> Callable[[], float]:
    """Return a function that returns the seconds that are left."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()
