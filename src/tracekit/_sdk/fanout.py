"""The processors of a pipeline, each called only for what it has something to do with.

Deliveries have nothing to do with a start, and a call that does nothing is still a call, made for
every span of the program. Processors of others are called at every moment, as by the SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from tracekit._filters.filter_set import ALL_EXPORTERS
from tracekit._sdk.start_counter import StartCounter

_Hook = Callable[..., None]
# What a delivery of ours has, and no other processor.
_TAKE: Final = "take_sampled"


class Fanout(sdk.SynchronousMultiSpanProcessor):
    """The SDK's chain of processors, which knows who waits for what.

    Attributes:
        starts: Counts the spans that start.
        starting: What is called with a span that starts, and `parent_context`.
        ending: What is called with a span that is about to end, where the SDK has that call.
        ended: What is called with a span that has ended.
        taking: The same for a sampled span, with the mask of those that it is for. Deliveries,
            which are told by their `take_sampled`, do not look at it again.
    """

    starting: tuple[_Hook, ...]
    ending: tuple[_Hook, ...]
    ended: tuple[_Hook, ...]
    taking: tuple[tuple[int, _Hook], ...]

    def __init__(
        self, processors: Iterable[SpanProcessor] = (), starts: StartCounter | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in the SDK
        self.starts = starts or StartCounter()
        self._span_processors = tuple(processors)

    def _processors_now(self) -> tuple[SpanProcessor, ...]:
        return self._processors

    def _follow(self, processors: tuple[SpanProcessor, ...]) -> None:
        # The SDK's own methods put the whole tuple in its place.
        self._processors = processors
        self.starting = _hooks(processors, "on_start")
        self.ending = _hooks(processors, "_on_ending")
        self.ended = _hooks(processors, "on_end")
        self.taking = tuple(one for processor in processors for one in _taking(processor))

    # Typed as the SDK's, which is a variable.
    _span_processors: Any = property(_processors_now, _follow)

    def on_start(self, span: sdk.Span, parent_context: Context | None = None) -> None:
        """Pass on a span that starts."""
        self.starts.add()
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
    # Older releases of the SDK do not know every moment, whoever waits for it.
    if not hasattr(SpanProcessor, name):
        return ()
    return tuple(
        _looked_up(one, name) for one in processors if not hasattr(one, _TAKE) or _has(one, name)
    )


def _has(delivery: SpanProcessor, name: str) -> bool:
    return getattr(type(delivery), name) is not getattr(SpanProcessor, name)


def _looked_up(processor: SpanProcessor, name: str) -> _Hook:
    # As the SDK calls it: whoever replaces a processor's method is called from then on.
    def hook(*args: Any, **kwargs: Any) -> None:
        getattr(processor, name)(*args, **kwargs)

    return hook


def _taking(processor: SpanProcessor) -> list[tuple[int, _Hook]]:
    take: tuple[int, _Hook] | None = getattr(processor, _TAKE, None)
    if take is not None:
        return [take]
    return [(ALL_EXPORTERS, hook) for hook in _hooks((processor,), "on_end")]
