"""Calls of an exporter: one attempt at a batch and its outcome, and one thread at a time.

An exporter of the SDK returns success or failure, and has retried by itself by then: the spans that
it could not deliver are lost. tracekit's own exporters implement `BatchExporter`: they make one
attempt and return an `ExportOutcome`, and their caller retries. Any other exporter can have some of
the attributes of `ReportsOutcome`, which say more about its last export.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeGuard

from opentelemetry.context import attach, detach, get_current, set_value
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base import forks
from tracekit._base.log import log_warning
from tracekit._recording.current_context import SUPPRESS_KEY


@dataclass(eq=False)
class ExportBatch:
    """Spans that are exported together: the same object at each attempt.

    Attributes:
        spans: The ended spans, as the exporter is to see them.
        encoded: The encoded form of the spans, in whatever type the exporter uses. The exporter
            sets it at the first attempt and reuses it at the next ones; None until then.
    """

    spans: Sequence[ReadableSpan]
    encoded: Any = None


@dataclass(frozen=True)
class ExportOutcome:
    """The outcome of one attempt to export a batch.

    Attributes:
        exported: The number of spans that were delivered.
        error: Why the others were not delivered, in one line; None if the exporter gives no reason.
        is_retryable: Whether no span was delivered, for a reason that may be temporary.
        retry_after: Seconds after which the receiver asks for the next attempt; None if it does
            not.
        interruption: The exception that the exporter raised, if it is not an `Exception`.
    """

    exported: int = 0
    error: str | None = None
    is_retryable: bool = False
    retry_after: float | None = None
    interruption: BaseException | None = None


class BatchExporter(Protocol):
    """An exporter that makes one attempt at a batch and leaves retries to its caller."""

    def export_batch(self, batch: ExportBatch, timeout: float) -> ExportOutcome:
        """Make one attempt to export a batch, which may take `timeout` seconds."""
        ...


class ReportsOutcome(Protocol):
    """An exporter that can say more about an export than success or failure.

    Each attribute is about the last export of the thread that reads it. Each may be missing.
    """

    @property
    def last_rejected(self) -> int:
        """The number of spans that the receiver rejected although it accepted the batch."""
        ...

    @property
    def last_error(self) -> str | None:
        """Why the batch failed or was accepted in part, in one line; None after a success."""
        ...

    @property
    def last_is_passing(self) -> bool:
        """Whether the failure may be temporary, such as an unreachable receiver."""
        ...

    @property
    def last_pause(self) -> float | None:
        """Seconds after which the receiver asks for the next attempt; None if it does not."""
        ...


def attempt_export(exporter: SpanExporter, batch: ExportBatch, timeout: float) -> ExportOutcome:
    """Call an exporter, with instrumentation suppressed in its thread.

    Only a `BatchExporter` respects the timeout, in seconds.
    """
    token = attach(set_value(SUPPRESS_KEY, True, get_current()))
    try:
        if is_batch_exporter(exporter):
            return exporter.export_batch(batch, timeout)
        return _reported_outcome(exporter, exporter.export(batch.spans), len(batch.spans))
    except Exception as error:
        return ExportOutcome(error=error_text(error))
    except BaseException as error:
        return ExportOutcome(error=error_text(error), interruption=error)
    finally:
        detach(token)


def is_batch_exporter(exporter: object) -> TypeGuard[BatchExporter]:
    """Whether `export_batch` is to be called, and not `export`.

    A user's class can have an `export` of its own and pass other attributes on to the exporter that
    it wraps. So the method is looked up on the class, and an `export` of a subclass comes first.
    """
    if "export" in getattr(exporter, "__dict__", ()):
        return False
    for cls in type(exporter).__mro__:
        if "export_batch" in vars(cls):
            return True
        if "export" in vars(cls):
            return False
    return False


def _reported_outcome(
    exporter: SpanExporter, result: SpanExportResult, spans: int
) -> ExportOutcome:
    error: str | None = getattr(exporter, "last_error", None)
    if result is SpanExportResult.SUCCESS:
        rejected: int = getattr(exporter, "last_rejected", 0)
        return ExportOutcome(spans - min(spans, rejected), error)
    # Only a plain True counts: a batch that is retried by mistake holds up all others.
    is_retryable = getattr(exporter, "last_is_passing", False) is True
    return ExportOutcome(0, error, is_retryable, getattr(exporter, "last_pause", None))


def error_text(error: BaseException) -> str:
    """Return the type of an error, and its text unless the error cannot make one."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


class ExclusiveExporter:
    """An exporter that one thread at a time calls, and no thread while the process forks.

    A process that is forked while a thread is inside gRPC, or holds a lock of an exporter, gets a
    copy in which neither works. So a fork takes the lock that each call holds.

    A forked child recreates the exporter before its first export, if that is possible. Until then
    the exporter is the parent's to flush and to shut down.
    """

    def __init__(self, exporter: SpanExporter, name: str) -> None:
        self.exporter = exporter
        self.name = name
        self._is_inherited = False
        self._reset()
        forks.register(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._calling_thread: int | None = None
        self._calls = 0
        self._hanging_call: int | None = None

    @contextmanager
    def _calling(self) -> Iterator[None]:
        with self._lock:
            self._calls += 1
            self._calling_thread = threading.get_ident()
            try:
                yield
            finally:
                self._calling_thread = None

    @property
    def is_called(self) -> bool:
        """Whether a thread is inside the exporter."""
        return self._calling_thread is not None

    @property
    def is_called_from_here(self) -> bool:
        """Whether that thread is the current one, which must not wait for the exporter."""
        return self._calling_thread == threading.get_ident()

    def export(self, batch: ExportBatch, timeout: float) -> ExportOutcome:
        """Make one attempt to export a batch, which may take `timeout` seconds."""
        # Not right after the fork: most forks are followed by an exec, or never end a span.
        if self._is_inherited:
            self._is_inherited = False
            self.exporter = _recreate(self.exporter, self.name)
        with self._calling():
            return attempt_export(self.exporter, batch, timeout)

    def flush(self) -> BaseException | None:
        """Flush the exporter, unless it is the parent process's.

        An `Exception` that it raises is logged, and another exception is returned.
        """
        return self._call("flush", self.exporter.force_flush)

    def shutdown(self) -> BaseException | None:
        """Shut the exporter down, unless it is the parent process's. Exceptions as for `flush`."""
        return self._call("shut down", self.exporter.shutdown)

    def _call(self, action: str, function: Callable[[], object]) -> BaseException | None:
        if self._is_inherited:
            return None
        try:
            with self._calling():
                function()
        except BaseException as error:
            log_warning("the exporter %s failed to %s: %r", self.name, action, error)
            return None if isinstance(error, Exception) else error
        return None

    def before_fork(self, timeout: float) -> bool:
        """Wait until no thread is inside the exporter, and keep threads out of it.

        A fork waits only once for a call that hangs: not again for a call that outlasted the
        timeout of an earlier fork.
        """
        call = self._calls
        if self._lock.acquire(timeout=0.0 if call == self._hanging_call else timeout):
            return True
        self._hanging_call = call
        return False

    def after_fork_in_parent(self) -> None:
        """Let threads into the exporter again."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Let threads into the exporter, and recreate it before the first export."""
        self._is_inherited = True
        self._reset()


# Never closed: closing a channel waits for threads that do not exist in a forked process. So they
# are kept from the garbage collector too.
_inherited: Final[list[SpanExporter]] = []


def _recreate(exporter: SpanExporter, name: str) -> SpanExporter:
    recreate: Callable[[], SpanExporter] | None = getattr(exporter, "recreate", None)
    if recreate is None:
        return exporter
    _inherited.append(exporter)
    try:
        return recreate()
    except Exception as error:
        log_warning("the exporter %s was not recreated after a fork: %r", name, error)
        return exporter
