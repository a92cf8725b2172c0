"""One recorded stretch of work: its span started, made current, ended.

What the compiled wrappers and `span()` run through. Nothing here lets a failure of recording reach
the traced program: it is logged once, and the program goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer

from tracekit._base.levels import Level
from tracekit._base.log import log_warning_once
from tracekit._filters.call_sites import CallSite
from tracekit._filters.filter_set import NO_EXPORTERS
from tracekit._recording.attributes import NO_SITE_ATTRIBUTES, SiteAttributes
from tracekit._recording.current_context import (
    SPAN_KEY,
    attach,
    detach,
    get_current,
    reset,
    with_span,
)
from tracekit._recording.exceptions import ErrorPolicy, record_exit
from tracekit._recording.filter_decisions import (
    DecidedAttributes,
    SuppressedSpan,
    current_scope,
    event_mask,
    open_scope,
)
from tracekit._recording.parents import Parentage


class RecordingSite(CallSite):
    """A call site with what its spans are made of.

    Attributes:
        name: The name of its spans.
        kind: Their kind.
        attributes: The attributes that all its spans have.
        err: How an escaping exception is recorded.
        expected: The exceptions that are no errors.
        ret: What makes the `return` attribute of a result, described already, or None to record no
            result.
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
        err: ErrorPolicy = Level.ERROR,
        expected: tuple[type[BaseException], ...] = (),
        ret: Callable[[Any], Any] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.site_attributes = site_attributes
        self.err: ErrorPolicy = err
        self.expected = expected
        self.ret = ret
        super().__init__(target, level)

    def is_ended_by(self, error: BaseException) -> bool:
        """Whether an exception is how this place tells its caller that it is at its end."""
        return False


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
        around = get_current()
        # `with_span`, without the call that every recorded one would pay for.
        self._token = attach(Context({**around, SPAN_KEY: span} if around else {SPAN_KEY: span}))

    def suspend(self) -> Recording:
        """Go on without the span being current, until it is resumed."""
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
    if (
        begin is None
        or parentage is not None
        or site.inherits_scope
        or type(attributes) is DecidedAttributes
    ):
        return Recording(site, start_span(site, tracer, site.name, attributes, parentage))
    # The same without a detour, for the call that nothing special is said about.
    span = begin(
        site.exporter_mask, site.name, None, site.kind, (), attributes, site.site_attributes
    )
    return Recording(site, span)


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
    wanted, scope = site.exporter_mask, None
    if type(attributes) is DecidedAttributes:
        wanted, scope = attributes.decision
        if wanted == NO_EXPORTERS:
            return SuppressedSpan(trace.get_current_span(), scope)
    elif site.inherits_scope:
        scope = current_scope()
    # A foreign tracer knows nothing of filters, and ours is told that this span went through them.
    begin = getattr(tracer, "start_wanted", None)
    site_attributes = site.site_attributes
    if begin is None:
        every = {**site_attributes.mapping, **attributes}
        span: Span = tracer.start_span(name, context, kind or site.kind, every, links)
    else:
        span = begin(wanted, name, context, kind or site.kind, links, attributes, site_attributes)
    if scope is not None:
        open_scope(span, scope)
    return span


def finish(site: RecordingSite, span: Span, result: object) -> None:
    """End a span whose work is done."""
    if type(span) is SuppressedSpan:
        return
    try:
        if site.ret is not None:
            put = getattr(span, "set_last_attribute", None)
            if put is not None:
                put("return", site.ret(result))
            elif span.is_recording():
                span.set_attribute("return", site.ret(result))
    except Exception as error:
        give_up(site, error)
    finally:
        try:
            span.end()
        except (Exception, SystemExit) as error:
            give_up(site, error)


def finish_failed(site: RecordingSite, span: Span, error: BaseException) -> None:
    """End a span whose work an exception left."""
    if type(span) is SuppressedSpan:
        return
    try:
        if span.is_recording():
            policy = site.err
            wanted = (
                NO_EXPORTERS if policy is False else event_mask(site.target, policy, dict, span)
            )
            record_exit(
                span,
                error,
                policy=policy if wanted != NO_EXPORTERS else False,
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
    log_warning_once(
        (site.target, getattr(site, "name", ""), type(error)),
        "not recorded whole: %s in %s (%s); the traced program is not affected",
        getattr(site, "name", "") or "a span",
        site.target,
        type(error).__name__,
        error=error,
    )
