"""The life of a span: it is started, made current, suspended, and ended.

The compiled wrappers and `span()` use this module. A failure of recording does not reach the traced
program: it is logged once, and the program continues.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer

from tracekit._base.levels import Level
from tracekit._base.log import log_failure_once
from tracekit._filters.call_sites import CallSite
from tracekit._filters.filter_set import NO_EXPORTERS
from tracekit._recording.arguments import Parentage
from tracekit._recording.attributes import NO_SITE_ATTRIBUTES, SiteAttributes
from tracekit._recording.current_context import (
    SPAN_KEY,
    attach,
    detach,
    get_current,
    reset,
    with_span,
)
from tracekit._recording.exceptions import record_exit
from tracekit._recording.filter_decisions import (
    DecidedSpan,
    SuppressedSpan,
    current_scope,
    decide_event,
    open_scope,
)


class SpanCallSite(CallSite):
    """A call site with what its spans have in common.

    `err` is the level at which an exception is recorded, or None. `ret` returns the `return`
    attribute for a result, converted already, or is None.
    """

    __slots__ = ("err", "expected", "kind", "name", "ret", "site_attributes")

    def __init__(
        self,
        target: str,
        level: Level,
        *,
        name: str = "",
        kind: SpanKind = SpanKind.INTERNAL,
        site_attributes: SiteAttributes = NO_SITE_ATTRIBUTES,
        err: Level | None = Level.ERROR,
        expected: tuple[type[BaseException], ...] = (),
        ret: Callable[[Any], Any] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.site_attributes = site_attributes
        self.err = err
        self.expected = expected
        self.ret = ret
        super().__init__(target, level)

    def is_end_of_iteration(self, error: BaseException) -> bool:
        """Whether an exception is how an iterator's method signals that there are no more items."""
        return False


class ActiveSpan:
    """A span that is current, and how to end it."""

    __slots__ = ("_token", "site", "span")

    def __init__(self, site: SpanCallSite, span: Span) -> None:
        self.site = site
        self.span = span
        current = get_current()
        # The body of `with_span`, without a call, because every recorded call runs this.
        self._token = attach(Context({**current, SPAN_KEY: span} if current else {SPAN_KEY: span}))

    def suspend(self) -> ActiveSpan:
        """Restore the context before the span, until `resume`."""
        detach(self._token)
        return self

    def resume(self) -> None:
        """Make the span current again."""
        self._token = attach(with_span(self.span))

    def succeed(self, result: object) -> None:
        """End the span of a call that returned."""
        try:
            reset(self._token)
        except Exception:
            detach(self._token)
        end_span(self.site, self.span, result)

    def fail(self, error: BaseException) -> None:
        """End the span of a call that raised."""
        detach(self._token)
        end_failed_span(self.site, self.span, error)


def start_active_span(
    site: SpanCallSite,
    tracer: Tracer,
    attributes: dict[str, Any] | DecidedSpan | None,
    parentage: Parentage | None = None,
) -> ActiveSpan | None:
    """Start the span of a call and make it current; return None if there are no attributes."""
    if attributes is None:
        return None
    start_wanted = getattr(tracer, "start_wanted", None)
    if (
        start_wanted is None
        or parentage is not None
        or site.inherits_scope
        or type(attributes) is DecidedSpan
    ):
        return ActiveSpan(site, start_span(site, tracer, site.name, attributes, parentage))
    # The common case, without another call.
    mask, constants = site.exporter_mask, site.site_attributes
    span = start_wanted(mask, site.name, None, site.kind, (), attributes, constants)
    return ActiveSpan(site, span)


def start_span(
    site: SpanCallSite,
    tracer: Tracer,
    name: str,
    attributes: dict[str, Any] | DecidedSpan,
    parentage: Parentage | None = None,
    kind: SpanKind | None = None,
) -> Span:
    """Start a span without making it current.

    Args:
        site: The call site.
        tracer: The tracer that makes the span.
        name: Its name.
        attributes: Its attributes besides those of the call site, converted already, with the
            decision of the filters if they decide call by call. The span takes the mapping over.
        parentage: Its parent and links; None for the current span and no links.
        kind: Its kind; None for the kind of the call site.
    """
    context, links = parentage if parentage is not None else (None, ())
    exporter_mask, scope = site.exporter_mask, None
    if isinstance(attributes, DecidedSpan):
        attributes, (exporter_mask, scope) = attributes
        if exporter_mask == NO_EXPORTERS:
            return SuppressedSpan(trace.get_current_span(), scope)
    elif site.inherits_scope:
        scope = current_scope()
    # Only our own tracer takes a span that has passed the filters, with the mask of its exporters.
    start_wanted = getattr(tracer, "start_wanted", None)
    constants = site.site_attributes
    if start_wanted is None:
        merged = {**constants.mapping, **attributes}
        span: Span = tracer.start_span(name, context, kind or site.kind, merged, links)
    else:
        span = start_wanted(
            exporter_mask, name, context, kind or site.kind, links, attributes, constants
        )
    if scope is not None:
        open_scope(span, scope)
    return span


def end_span(site: SpanCallSite, span: Span, result: object) -> None:
    """End a span whose code returned."""
    if type(span) is SuppressedSpan:
        return
    try:
        if site.ret is not None:
            set_last_attribute = getattr(span, "set_last_attribute", None)
            if set_last_attribute is not None:
                set_last_attribute("return", site.ret(result))
            elif span.is_recording():
                span.set_attribute("return", site.ret(result))
    except Exception as error:
        log_failure(site, error)
    finally:
        try:
            span.end()
        except (Exception, SystemExit) as error:
            log_failure(site, error)


def end_failed_span(site: SpanCallSite, span: Span, error: BaseException) -> None:
    """End a span whose code raised."""
    if type(span) is SuppressedSpan:
        return
    try:
        if span.is_recording():
            level, exporter_mask = site.err, NO_EXPORTERS
            if level is not None:
                exporter_mask, _ = decide_event(span, site.target, level, dict)
            record_exit(
                span,
                error,
                level=level,
                expected=site.expected,
                exporter_mask=exporter_mask,
                is_end_of_iteration=site.is_end_of_iteration(error),
            )
    except BaseException as failure:
        # The exception of the program must reach the caller. An exception that its text or a signal
        # handler raises here must not replace it.
        log_failure(site, failure)
    finally:
        try:
            span.end()
        except (Exception, SystemExit) as failure:
            log_failure(site, failure)


def log_failure(site: CallSite, error: BaseException) -> None:
    """Log, once for each call site and type of exception, that recording failed."""
    name = getattr(site, "name", "")
    failure = f"not recorded whole: {name or 'a span'} in {site.target}"
    log_failure_once((site.target, name), failure, error)
