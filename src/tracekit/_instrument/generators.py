"""The span of a generator, and when it is current."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager
from types import FrameType
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from tracekit._recording.arguments import Parentage
from tracekit._recording.current_context import SPAN_KEY, attach, detach, reset
from tracekit._recording.filter_decisions import DecidedSpan
from tracekit._recording.span_lifecycle import (
    SpanCallSite,
    end_failed_span,
    end_span,
    start_span,
)


class GeneratorSpan:
    """The span of a generator. It is current only while the generator's body runs.

    What the body sets in the OpenTelemetry context is kept from step to step, so that a
    `with span(...)` around a `yield` is still current at the next step. Everything else in the
    context is what it is for the consumer at each step. The wrapper attaches the context that
    `body_context` returns before a step, and resets it afterwards.
    """

    __slots__ = ("_at_start", "_own", "_site", "_span")

    attach = staticmethod(attach)
    reset = staticmethod(reset)

    def __init__(self, site: SpanCallSite, span: Span) -> None:
        self._site = site
        self._span = span
        self._own: Mapping[str, object] = {SPAN_KEY: span}
        self._at_start = Context()

    def body_context(self, consumer: Context) -> Context:
        """Return the context of the body for a consumer's context."""
        self._at_start = Context({**consumer, **self._own})
        return self._at_start

    def keep(self, at_end: Context) -> Context:
        """Keep what the body changed in its context during a step, for the next step."""
        at_start, self._at_start = self._at_start, at_end
        changed = {key: value for key, value in at_end.items() if at_start.get(key) is not value}
        self._own = {**self._own, **changed}
        return at_end

    def succeed(self, result: object) -> None:
        """End the span of a generator that is exhausted."""
        end_span(self._site, self._span, result)

    def fail(self, error: BaseException) -> None:
        """End the span of a generator that raised or was closed."""
        end_failed_span(self._site, self._span, error)


class _WithBlockSpan(GeneratorSpan):
    """The span of a function below `@contextmanager`. It is current in the with-block, too."""

    __slots__ = ("_token",)

    def __init__(self, site: SpanCallSite, span: Span) -> None:
        super().__init__(site, span)
        self._token: Any = None

    def reset(self, token: Any) -> None:
        # The token of the first step restores what was current before the with-block.
        if self._token is None:
            self._token = token

    def succeed(self, result: object) -> None:
        detach(self._token)
        super().succeed(result)

    def fail(self, error: BaseException) -> None:
        detach(self._token)
        super().fail(error)


class _NoSpan(GeneratorSpan):
    """Stands in for the span of a generator that is not recorded."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    @staticmethod
    def attach(context: Context) -> None:
        pass

    @staticmethod
    def reset(token: object) -> None:
        pass

    def body_context(self, consumer: Context) -> Context:
        return consumer

    def keep(self, at_end: Context) -> Context:
        return at_end

    def succeed(self, result: object) -> None:
        pass

    def fail(self, error: BaseException) -> None:
        pass


NO_SPAN: Final[GeneratorSpan] = _NoSpan()


def start_generator_span(
    site: SpanCallSite,
    tracer: Tracer,
    attributes: dict[str, Any] | DecidedSpan | None,
    parentage: Parentage | None = None,
    *,
    consumer: FrameType | None,
) -> GeneratorSpan:
    """Start the span of a generator; return `NO_SPAN` if there are no attributes.

    `consumer` is the frame that asks for the first item.
    """
    if attributes is None:
        return NO_SPAN
    span = start_span(site, tracer, site.name, attributes, parentage)
    is_with_block = consumer is not None and consumer.f_code in _WITH_STATEMENTS
    return _WithBlockSpan(site, span) if is_with_block else GeneratorSpan(site, span)


frame_of_caller = sys._getframe

# contextlib's code takes the first step of a function below @contextmanager. Nothing else
# distinguishes such a function from a plain generator.
_WITH_STATEMENTS: Final = frozenset(
    {
        _GeneratorContextManager.__enter__.__code__,
        _AsyncGeneratorContextManager.__aenter__.__code__,
    }
)


def first_step(generator: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Return the first step of an async generator, hidden from the event loop.

    When an event loop ends, it closes every async generator whose first step it saw. It sees the
    wrapper, which closes the generator inside it. If it saw both, it would close the inner one
    twice at the same time.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
