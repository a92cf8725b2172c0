"""An exporter that keeps spans in memory, for tests and notebooks."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base import forks
from tracekit._filters.filter import Filter


class MemoryExporter(SpanExporter):
    """Keeps every ended span until `clear` is called.

    A span is there as soon as it has ended, without a flush.

    Example:
        ```python
        import tracekit
        from tracekit import exporters, instrument

        memory = exporters.memory()

        @instrument
        def greet(name):
            return f"hello {name}"

        with tracekit.init_telemetry("demo", exporter=memory):
            greet("ada")

        assert [span.name for span in memory.spans] == ["greet"]
        ```
    """

    own_filter: Filter | None = None

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []
        # Reentrant: a signal handler or a finalizer can end spans while its thread holds the lock.
        self._lock = threading.RLock()
        forks.register(self)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The ended spans, in the order in which they ended."""
        with self._lock:
            return tuple(self._spans)

    def get_finished_spans(self) -> tuple[ReadableSpan, ...]:
        """Return `spans`, under the name that the SDK's in-memory exporter uses."""
        return self.spans

    def clear(self) -> None:
        """Forget the spans."""
        with self._lock:
            self._spans.clear()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep the spans."""
        with self._lock:
            self._spans.extend(spans)
        return SpanExportResult.SUCCESS

    def after_fork_in_child(self) -> None:
        """Replace the lock, which a thread of the parent process may hold."""
        self._lock = threading.RLock()

    def shutdown(self) -> None:
        """Do nothing. The spans stay readable."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True. No span waits."""
        return True
