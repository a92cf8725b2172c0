"""One recorded stretch of work: its span started, made current, ended.

What the compiled wrappers and `span()` run through. Nothing here lets a failure of recording reach
the traced program: it is logged once, and the program goes on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager
from types import FrameType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanKind, Tracer

from tracekit._code.current import (
    SPAN_KEY,
    attach,
    detach,
    get_current,
    is_suppressed,
    is_unsampled,
    with_span,
)
from tracekit._code.exits import ErrorPolicy, record_exit
from tracekit._code.scopes import Judged, PassedOver, current_scope, event_mask, open_scope
from tracekit._ground.callsite import CallSite, gate
from tracekit._ground.constants import NO_CONSTANTS, Constants
from tracekit._ground.levels import Level
from tracekit._ground.log import warn_once
from tracekit._ground.verdicts import NOBODY

Parentage = tuple[Context | None, Sequence[Link]]


class RecordingSite(CallSite):
    """A call site with what its spans are made of.

    Attributes:
        name: The name of its spans.
        kind: Their kind.
        constants: The attributes that all its spans have.
        err: How an escaping exception is recorded.
        expected: The exceptions that are no errors.
        ret: What makes the `return` attribute of a result, described already, or None to record no
            result.
    """

    __slots__ = ("constants", "err", "expected", "kind", "name", "ret")

    def __init__(
        self,
        target: str,
        level: Level,
        *,
        name: str = "",
        kind: SpanKind = SpanKind.INTERNAL,
        constants: Constants = NO_CONSTANTS,
        err: ErrorPolicy = Level.ERROR,
        expected: tuple[type[BaseException], ...] = (),
        ret: Callable[[Any], object] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.constants = constants
        self.err: ErrorPolicy = err
        self.expected = expected
        self.ret = ret
        super().__init__(target, level)

    def is_ended_by(self, error: BaseException) -> bool:
        """Whether an exception is how this place tells its caller that it is at its end."""
        return False


def tracer_of(site: CallSite) -> Tracer | None:
    """The tracer that records this place now, or None where nothing is to be recorded."""
    context = get_current()
    if context and is_suppressed(context):
        return None
    backend = gate.backend
    return _tracer(site, _global_provider() if backend is None else backend)


def tracer_here(site: CallSite) -> Tracer | None:
    """The same for a span that hangs where the call stands: None inside of an unsampled trace.

    There nothing is recorded, and the children's parent is the unsampled span that is there
    already. Only a sampler that always goes by its parent is spared the question.
    """
    backend = gate.backend
    if backend is None and _is_set_here and trace._TRACER_PROVIDER is None:
        return None
    source = _global_provider() if backend is None else backend
    context = get_current()
    if context:
        around = context.get(SPAN_KEY)
        if type(around) is NonRecordingSpan and backend is not None and backend.ends_traces:
            # Remembered on the span: a whole tree of calls stands in it.
            is_cut = getattr(around, _IS_UNSAMPLED, None)
            if _look_at(around) if is_cut is None else is_cut:
                return None
        if (len(context) > 1 or around is None) and is_suppressed(context):
            return None
    if site.tracer_source is not source:
        return _tracer(site, source)
    tracer: Tracer | None = site.tracer
    return tracer


_IS_UNSAMPLED: Final = "_tracekit_is_unsampled"


def _look_at(span: Span) -> bool:
    unsampled = is_unsampled(span)
    setattr(span, _IS_UNSAMPLED, unsampled)
    return unsampled


def _tracer(site: CallSite, source: Any) -> Tracer | None:
    if source is None:
        return None
    if site.tracer_source is not source:
        is_ours = source is gate.backend
        site.tracer = source.tracer(site.target) if is_ours else trace.get_tracer(site.target)
        site.tracer_source = source
    tracer: Tracer | None = site.tracer
    return tracer


def _global_provider() -> object:
    # The public getter reads the environment on every call, which costs more than all the rest of
    # a call that is not recorded. Without the private name it is asked all the same.
    return trace._TRACER_PROVIDER if _is_set_here else trace.get_tracer_provider()


# Whether a provider is known only when someone sets it. Read once: one that is named later in the
# environment is not how anyone sets one up.
_is_set_here: Final = (
    hasattr(trace, "_TRACER_PROVIDER") and "OTEL_PYTHON_TRACER_PROVIDER" not in os.environ
)


class Recording:
    """A span that is current, and what is needed to end it.

    Attributes:
        site: The place that it belongs to.
        span: The span.
    """

    __slots__ = ("_token", "site", "span")

    def __init__(self, site: RecordingSite, span: Span) -> None:
        self.site = site
        self.span = span
        self._token = attach(Context({**get_current(), SPAN_KEY: span}))

    def suspend(self) -> Recording:
        """Go on without the span being current, until it is resumed."""
        detach(self._token)
        return self

    def resume(self) -> None:
        """Make the span current again."""
        self._token = attach(with_span(self.span))

    def succeed(self, result: object) -> None:
        """End the span of a call that returned."""
        detach(self._token)
        finish(self.site, self.span, result)

    def fail(self, error: BaseException) -> None:
        """End the span of a call that an exception left."""
        detach(self._token)
        finish_failed(self.site, self.span, error)


def start(
    site: RecordingSite,
    tracer: Tracer,
    attributes: dict[str, Any] | None,
    parentage: Parentage | None = None,
) -> Recording | None:
    """Start a span and make it current; None where its attributes say that nobody wants it."""
    if attributes is None:
        return None
    begin = getattr(tracer, "start_wanted", None)
    if begin is None or parentage is not None or site.inherits or type(attributes) is Judged:
        return Recording(site, start_span(site, tracer, site.name, attributes, parentage))
    # The same without a detour, for the call that nothing special is said about.
    rest = site.kind, (), attributes, site.constants
    return Recording(site, begin(site.wanted, site.name, None, *rest))


def start_span(
    site: RecordingSite,
    tracer: Tracer,
    name: str,
    attributes: dict[str, Any],
    parentage: Parentage | None = None,
    kind: SpanKind | None = None,
) -> Span:
    """Start a span without making it current.

    Args:
        site: The place that it belongs to.
        tracer: Who makes it.
        name: Its name.
        attributes: Its attributes besides the constants of the place, described already, with what
            was decided about it where something had to be. They are the span's from now on.
        parentage: The OpenTelemetry context that holds its parent, and its links; None for the
            current context and no links.
        kind: Its kind, or None for the place's own.
    """
    context, links = parentage if parentage is not None else (None, ())
    wanted, scope = site.wanted, None
    if type(attributes) is Judged:
        wanted, scope = attributes.judgement
        if wanted == NOBODY:
            return PassedOver(trace.get_current_span(), scope)
    elif site.inherits:
        scope = current_scope()
    # A foreign tracer knows nothing of filters, and ours is told that this span went through them.
    begin = getattr(tracer, "start_wanted", None)
    constants = site.constants
    if begin is None:
        every = {**constants, **attributes}
        span: Span = tracer.start_span(name, context, kind or site.kind, every, links)
    else:
        span = begin(wanted, name, context, kind or site.kind, links, attributes, constants)
    if scope is not None:
        open_scope(span, scope)
    return span


def finish(site: RecordingSite, span: Span, result: object) -> None:
    """End a span whose work is done."""
    if type(span) is PassedOver:
        return
    try:
        if site.ret is not None:
            _record_result(site, site.ret, span, result)
    finally:
        try:
            span.end()
        except (Exception, SystemExit) as error:
            give_up(site, error)


def _record_result(
    site: RecordingSite, ret: Callable[[Any], Any], span: Span, result: object
) -> None:
    try:
        put = getattr(span, "set_last_attribute", None)
        if put is not None:
            put("return", ret(result))
        elif span.is_recording():
            span.set_attribute("return", ret(result))
    except Exception as error:
        give_up(site, error)


def finish_failed(site: RecordingSite, span: Span, error: BaseException) -> None:
    """End a span whose work an exception left."""
    if type(span) is PassedOver:
        return
    try:
        if span.is_recording():
            policy = site.err
            wanted = NOBODY if policy is False else event_mask(site.target, policy, dict, span)
            record_exit(
                span,
                error,
                policy=policy if wanted != NOBODY else False,
                expected=site.expected,
                wanted=wanted,
                is_exit=site.is_ended_by(error),
            )
    except BaseException as failure:
        # The exception of the program is on its way, and nothing that its own text or a signal
        # raises here may take its place.
        give_up(site, failure)
    finally:
        try:
            span.end()
        except (Exception, SystemExit) as failure:
            give_up(site, failure)


def give_up(site: CallSite, error: BaseException) -> None:
    """Log, once for each place and kind of failure, that something was not recorded."""
    warn_once(
        (site.target, getattr(site, "name", ""), type(error)),
        "not recorded whole: %s in %s (%s); the traced program is not affected",
        getattr(site, "name", "") or "a span",
        site.target,
        type(error).__name__,
        error=error,
    )


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
                token.var.reset(token)
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


def name_of_thread(ident: int) -> str:
    """A running thread's name, without making up a Thread object for a foreign thread."""
    thread: Any = _threads.get(ident)
    try:
        # Behind a property, which costs more than all the rest.
        name: str = thread._name
    except AttributeError:
        name = "" if thread is None else thread.name
    return name


def thread_attributes() -> dict[str, Any]:
    """What is recorded of the current thread."""
    ident = threading.get_ident()
    return {"thread.id": ident, "thread.name": name_of_thread(ident)}


_threads: Final[dict[int, threading.Thread]] = getattr(threading, "_active", {})
