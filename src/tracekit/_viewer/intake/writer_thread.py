"""The thread that decodes requests and commits them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tracekit._base.log import logger
from tracekit._viewer.errors import StoreError
from tracekit._viewer.intake.decode import (
    MalformedRequestError,
    decode_logs,
    decode_metrics,
    decode_traces,
)
from tracekit._viewer.intake.json_decoding import parse_json
from tracekit._viewer.intake.request_queue import (
    Outcome,
    Request,
    RequestQueue,
    StoreFailedError,
)
from tracekit._viewer.store.rows import Decoded
from tracekit._viewer.untraced import suppress_tracing

if TYPE_CHECKING:
    from tracekit._viewer.store.store import Store
    from tracekit._viewer.store.writer import Commit


class WriterThread(threading.Thread):
    """Writes what is in the queue until it is closed and empty."""

    def __init__(
        self, store: Store, queue: RequestQueue, on_commit: Callable[[Commit], None]
    ) -> None:
        super().__init__(name="tracekit-viewer-writer", daemon=True)
        self._store = store
        self._queue = queue
        self._on_commit = on_commit
        # Why the last commit failed, or None if it did not.
        self.problem: str | None = None
        self._calls: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()

    def call(self, function: Callable[[], None]) -> None:
        """Run a function in this thread, between commits, and wait for it."""
        done: Future[None] = Future()
        self._calls.put((function, done))
        self._queue.wake()
        done.result(60.0)

    def run(self) -> None:
        """Decode and commit requests, and drop what is beyond the bounds in between."""
        suppress_tracing()
        prune = False
        while not self._queue.finished:
            requests = self._queue.take(0.0 if prune else None)
            if requests:
                self._write(requests)
                self._queue.done(requests)
            self._run_calls()
            prune = self._prune()

    def stop(self) -> None:
        """Commit what is in the queue, and end."""
        self._queue.close()
        self.join()

    def _run_calls(self) -> None:
        while not self._calls.empty():
            function, done = self._calls.get()
            try:
                done.set_result(function())
            except Exception as error:
                done.set_exception(error)

    def _write(self, requests: list[Request]) -> None:
        decoded: list[Decoded] = []
        outcomes: list[tuple[Request, Outcome]] = []
        for request in requests:
            try:
                rows = decode(request, self._store.limits.value_bytes)
            except MalformedRequestError as error:
                decoded.append(Decoded(malformed=1))
                request.outcome.set_exception(error)
                continue
            except Exception as error:
                logger.exception("the viewer could not decode a request")
                request.outcome.set_exception(MalformedRequestError(repr(error)))
                continue
            decoded.append(rows)
            rejected = rows.malformed + rows.malformed_logs
            outcomes.append((request, Outcome(rows.accepted, rejected, rows.first_error)))
        try:
            commit = self._store.writer.write(decoded)
        except StoreError as error:
            if self.problem is None:
                logger.error("the viewer cannot store spans, and senders try again: %s", error)
            self.problem = str(error)
            for request, _ in outcomes:
                request.outcome.set_exception(StoreFailedError(str(error)))
            return
        self.problem = None
        for request, outcome in outcomes:
            request.outcome.set_result(outcome)
        self._on_commit(commit)

    def _prune(self) -> bool:
        try:
            return self._store.writer.prune()
        except StoreError as error:
            logger.error("the viewer could not drop old traces: %s", error)
            return False


def decode(request: Request, value_bytes: int) -> Decoded:
    """Decode a request of any signal and encoding.

    Raises:
        MalformedRequestError: It is not valid.
    """
    if request.encoding == "json":
        return parse_json(request.body, value_bytes, request.signal)
    if request.signal == "traces":
        return decode_traces(request.body, value_bytes)
    if request.signal == "logs":
        return decode_logs(request.body, value_bytes)
    return decode_metrics(request.body)
