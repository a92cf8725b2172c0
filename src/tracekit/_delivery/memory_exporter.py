"""An exporter that keeps the spans, for tests and notebooks."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base import forks
from tracekit._filters.filter import Filter


class MemoryExporter(SpanExporter):
    """Keeps every ended span until it is cleared.

    The spans are there as soon as they have ended, without a flush.

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
        # Reentrant: a signal handler or a finalizer may end spans while its own thread is in here.
        self._lock = threading.RLock()
        forks.register(self)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The ended spans, in the order in which they ended."""
        with self._lock:
            return tuple(self._spans)

    def get_finished_spans(self) -> tuple[ReadableSpan, ...]:
        """The same as `spans`, by the name that the SDK's exporter in memory has for it."""
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
        """Go on in a forked process, with a lock that nobody holds."""
        self._lock = threading.RLock()

    def shutdown(self) -> None:
        """Nothing is held that would have to be given back; the spans stay readable."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits."""
        return True
