"""The span of a generator, and when it is current."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager
from types import FrameType
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from tracekit._code.current import SPAN_KEY, attach, detach, get_current, reset
from tracekit._code.parents import Parentage
from tracekit._code.recording import RecordingSite, finish, finish_failed, start_span


class Steps:
    """The span of a generator, current only while the generator's body runs.

    What the body has set in the OpenTelemetry context goes on from step to step, so that a
    `with span(...)` that is open across a `yield` is found again at the next step. Everything else
    is at each step what it is for the consumer. Below `@contextmanager` the span stays current in
    the with-block instead.
    """

    __slots__ = ("_around", "_held", "_inside", "_own", "_site", "_span", "_token")

    def __init__(self, site: RecordingSite, span: Span, *, held: bool) -> None:
        self._site = site
        self._span = span
        self._own: Mapping[str, object] = {SPAN_KEY: span}
        self._around: Context | None = None
        self._inside = Context()
        self._held = held
        self._token: Any = None

    def enter(self) -> None:
        """Make the generator's context current."""
        if self._token is None:
            around = get_current()
            if around is not self._around:
                self._around = around
                self._inside = Context({**around, **self._own})
            self._token = attach(self._inside)

    def leave(self) -> None:
        """Give the consumer its context back."""
        if not self._held:
            now = get_current()
            if now is not self._inside:
                self._keep(now)
            token, self._token = self._token, None
            try:
                reset(token)
            except Exception:
                self._detach(token)

    @staticmethod
    def _detach(token: Any) -> None:
        if token is not None:
            detach(token)

    def _keep(self, now: Context) -> None:
        before, self._inside = self._inside, now
        changed = {key: value for key, value in now.items() if before.get(key) is not value}
        self._own = {**self._own, **changed}

    def succeed(self, result: object) -> None:
        """End the span of a generator that is exhausted."""
        self._release()
        finish(self._site, self._span, result)

    def fail(self, error: BaseException) -> None:
        """End the span of a generator that an exception, or its closing, left."""
        self._release()
        finish_failed(self._site, self._span, error)

    def _release(self) -> None:
        token, self._token = self._token, None
        self._detach(token)


class _NoSteps(Steps):
    """The steps of a generator that is not recorded."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    def enter(self) -> None:
        pass

    def leave(self) -> None:
        pass

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
    return Steps(site, span, held=consumer is not None and consumer.f_code in _WITH_STATEMENTS)


caller = sys._getframe

# contextlib's own code drives a function below @contextmanager; seeing it is how such a function
# is told from a plain generator.
_WITH_STATEMENTS: Final = frozenset(
    {
        _GeneratorContextManager.__enter__.__code__,
        _AsyncGeneratorContextManager.__aenter__.__code__,
    }
)
