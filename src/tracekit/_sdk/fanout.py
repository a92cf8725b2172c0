"""The processors of a pipeline, each called only where it has something to do; started spans.

An export processor does nothing when a span starts, and a call that does nothing still costs time
in every span of the program. Every other processor is called wherever the SDK calls it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from tracekit._base import forks
from tracekit._filters.filter_set import ALL_EXPORTERS


class StartCounter:
    """Counts the spans that start in this process."""

    # Counts one more span, without a lock.
    add: Callable[[], int]

    def __init__(self) -> None:
        self.after_fork_in_child()
        forks.register(self)

    def after_fork_in_child(self) -> None:
        """Count from zero."""
        self.add = count().__next__
        self._reads = 0
        # Reentrant: a signal handler can read the number while its thread holds the lock.
        self._lock = threading.RLock()

    @property
    def started(self) -> int:
        """The number of spans that were started."""
        with self._lock:
            # An `itertools.count` can be read only by a step, so the steps of reads are subtracted.
            started = self.add() - self._reads
            self._reads += 1
            return started


_Hook = Callable[..., None]
# The attribute of an export processor, which no other processor has.
_TAKE: Final = "take_sampled"


class Fanout(sdk.SynchronousMultiSpanProcessor):
    """The SDK's chain of processors, with the hooks that have something to do.

    Attributes:
        starting: The functions to call with a span that starts, and with `parent_context`.
        ending: The functions to call with a span that is about to end, if the SDK has such a hook.
        ended: The functions to call with a span that has ended.
        taking: The functions to call with a sampled span that has ended, each with the mask of the
            spans that it takes. An export processor has one here that does not check the span
            again (`ExportProcessor.take_sampled`).
    """

    starting: tuple[_Hook, ...]
    ending: tuple[_Hook, ...]
    ended: tuple[_Hook, ...]
    taking: tuple[tuple[int, _Hook], ...]

    def __init__(
        self, processors: Iterable[SpanProcessor] = (), start_counter: StartCounter | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in the SDK
        self.start_counter = start_counter or StartCounter()
        self._span_processors = tuple(processors)

    def _get_processors(self) -> tuple[SpanProcessor, ...]:
        return self._processors

    def _set_processors(self, processors: tuple[SpanProcessor, ...]) -> None:
        self._processors = processors
        self.starting = _hooks(processors, "on_start")
        self.ending = _hooks(processors, "_on_ending")
        self.ended = _hooks(processors, "on_end")
        self.taking = tuple(
            getattr(one, _TAKE, None) or (ALL_EXPORTERS, _hook(one, "on_end")) for one in processors
        )

    # The SDK's own methods assign a new tuple to this attribute. `Any`, since it is a variable in
    # the SDK.
    _span_processors: Any = property(_get_processors, _set_processors)

    def on_start(self, span: sdk.Span, parent_context: Context | None = None) -> None:
        """Pass on a span that starts."""
        self.start_counter.add()
        for hook in self.starting:
            hook(span, parent_context=parent_context)

    def _on_ending(self, span: sdk.Span) -> None:
        for hook in self.ending:
            hook(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Pass on a span that has ended."""
        for hook in self.ended:
            hook(span)


def _hooks(processors: Iterable[SpanProcessor], name: str) -> tuple[_Hook, ...]:
    # Older releases of the SDK do not have each hook, and never call one that they do not have.
    if not hasattr(SpanProcessor, name):
        return ()
    does_nothing = getattr(SpanProcessor, name)
    return tuple(
        _hook(one, name)
        for one in processors
        if not hasattr(one, _TAKE) or getattr(type(one), name) is not does_nothing
    )


def _hook(processor: SpanProcessor, name: str) -> _Hook:
    # Looked up at each call, as the SDK does: a method can be replaced while the program runs.
    def hook(*args: Any, **kwargs: Any) -> None:
        getattr(processor, name)(*args, **kwargs)

    return hook
