"""The span of a generator, and when it is current."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager
from types import FrameType
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from tracekit._recording.current_context import SPAN_KEY, attach, detach, reset
from tracekit._recording.parents import Parentage
from tracekit._recording.recording import RecordingSite, finish, finish_failed, start_span


class Steps:
    """The span of a generator, current only while the generator's body runs.

    What the body has set in the OpenTelemetry context goes on from step to step, so that a
    `with span(...)` that is open across a `yield` is found again at the next step. Everything else
    is at each step what it is for the consumer. The wrapper attaches the context that this gives,
    and resets it, around each step.
    """

    __slots__ = ("_inside", "_own", "_site", "_span")

    attach = staticmethod(attach)
    reset = staticmethod(reset)

    def __init__(self, site: RecordingSite, span: Span) -> None:
        self._site = site
        self._span = span
        self._own: Mapping[str, object] = {SPAN_KEY: span}
        self._inside = Context()

    def inside(self, around: Context) -> Context:
        """The context of the body, where the consumer has this one."""
        self._inside = Context({**around, **self._own})
        return self._inside

    def keep(self, now: Context) -> Context:
        """Take the context with which the body has ended its step into the next one."""
        before, self._inside = self._inside, now
        changed = {key: value for key, value in now.items() if before.get(key) is not value}
        self._own = {**self._own, **changed}
        return now

    def succeed(self, result: object) -> None:
        """End the span of a generator that is exhausted."""
        finish(self._site, self._span, result)

    def fail(self, error: BaseException) -> None:
        """End the span of a generator that an exception, or its closing, left."""
        finish_failed(self._site, self._span, error)


class _HeldSteps(Steps):
    """The steps below `@contextmanager`: the span is current in the with-block, too."""

    __slots__ = ("_token",)

    def __init__(self, site: RecordingSite, span: Span) -> None:
        super().__init__(site, span)
        self._token: Any = None

    def reset(self, token: Any) -> None:
        # What the first step has replaced is what there was before the with-block.
        if self._token is None:
            self._token = token

    def succeed(self, result: object) -> None:
        detach(self._token)
        super().succeed(result)

    def fail(self, error: BaseException) -> None:
        detach(self._token)
        super().fail(error)


class _NoSteps(Steps):
    """The steps of a generator that is not recorded, which change nothing."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    @staticmethod
    def attach(context: Context) -> None:
        pass

    @staticmethod
    def reset(token: object) -> None:
        pass

    def inside(self, around: Context) -> Context:
        return around

    def keep(self, now: Context) -> Context:
        return now

    def succeed(self, result: object) -> None:
        pass

    def fail(self, error: BaseException) -> None:
        pass


NO_STEPS: Final[Steps] = _NoSteps()


def start_steps(
    site: RecordingSite,
    tracer: Tracer,
    attributes: dict[str, Any] | None,
    parentage: Parentage | None = None,
    *,
    consumer: FrameType | None,
) -> Steps:
    """Start the span of a generator; no steps where its attributes say that nobody wants it.

    Args:
        site: The place that it belongs to.
        tracer: Who makes the span.
        attributes: Its attributes, described already.
        parentage: The context of its parent, and its links.
        consumer: The frame that asks for the first item.
    """
    if attributes is None:
        return NO_STEPS
    span = start_span(site, tracer, site.name, attributes, parentage)
    is_held = consumer is not None and consumer.f_code in _WITH_STATEMENTS
    return _HeldSteps(site, span) if is_held else Steps(site, span)


caller = sys._getframe

# contextlib's own code drives a function below @contextmanager; seeing it is how such a function
# is told from a plain generator.
_WITH_STATEMENTS: Final = frozenset(
    {
        _GeneratorContextManager.__enter__.__code__,
        _AsyncGeneratorContextManager.__aenter__.__code__,
    }
)
