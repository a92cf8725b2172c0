"""The call site of a decorated function."""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from tracekit._filters.call_sites import CallSite
from tracekit._filters.filter_set import NO_EXPORTERS, DynamicFilter, FilterSet
from tracekit._instrument.capture import Capture
from tracekit._recording.attributes import SiteAttributes
from tracekit._recording.filter_decisions import DecidedAttributes, current_scope
from tracekit._recording.options import Options
from tracekit._recording.recording import RecordingSite
from tracekit._values.redaction import Redaction, current_redaction


class _Led(NamedTuple):
    """A wrapper that runs the function's own code while nothing is to be recorded."""

    wrapper: weakref.ref[types.FunctionType]
    through: types.CodeType
    past: types.CodeType

    def follow(self, site: CallSite) -> None:
        wrapper = self.wrapper()
        # Another thread may change the verdict after it was read here: it is looked at until it is
        # the one that was followed.
        while wrapper is not None:
            code = self.past if site.disabled else self.through
            if wrapper.__code__ is code:
                return
            wrapper.__code__ = code


class FunctionSite(RecordingSite):
    """The call site of a decorated function.

    Attributes:
        plan: What is recorded of a call.
        attributes: Takes a call's arguments and gives its span's attributes; None where the
            filters want no span of this call.
        parentage: Takes a call's arguments and gives its span's parent and links, where any are
            named.
    """

    __slots__ = ("_capture", "_led", "_redaction", "attributes", "parentage", "plan")

    def __init__(self, target: str, options: Options, name: str, plan: Capture) -> None:
        self.plan = plan
        self.parentage = plan.compile_parentage() if plan.has_parentage else None
        self._redaction: Redaction | None = None
        self._led: _Led | None = None
        super().__init__(
            target,
            options.level,
            name=name,
            kind=options.kind,
            site_attributes=SiteAttributes(plan.constants),
            err=options.err,
            expected=options.expected,
            ret=options.ret,
        )

    def lead(self, wrapper: types.FunctionType, *, past: types.CodeType | None) -> None:
        """Lead calls past a wrapper while no span of this place is wanted.

        Args:
            wrapper: The wrapper of the function.
            past: What it runs then, or None where it has to look at the verdict itself.
        """
        if past is not None:
            self._led = _Led(weakref.ref(wrapper), wrapper.__code__, past)
            self._led.follow(self)

    def is_ended_by(self, error: BaseException) -> bool:
        """Whether an iterator's method says that there are no more items."""
        if not isinstance(error, (StopIteration, StopAsyncIteration)):
            return False
        return self.plan.function_name.endswith((".__next__", ".__anext__"))

    def update_interest(self, filters: FilterSet) -> None:
        """Take a new verdict, and compile the capture anew where other names are redacted."""
        redaction = current_redaction()
        if redaction != self._redaction:
            self._redaction = redaction
            self._capture = self.plan.compile_attributes(redaction)
        super().update_interest(filters)
        if self._led is not None:
            self._led.follow(self)
        self.attributes = (
            self._capture
            if self.dynamic_filter is None
            else self._ask(self.dynamic_filter, redaction)
        )

    def find_dynamic_filter(self, filters: FilterSet) -> DynamicFilter | None:
        """What decides call by call about the spans of this function."""
        return filters.dynamic_filter_for(self.target, self.level, self.name)

    def _ask(
        self, dynamic_filter: DynamicFilter, redaction: Redaction
    ) -> Callable[..., DecidedAttributes | None]:
        # Only what the directives name is looked at before the span is known to be wanted.
        if dynamic_filter.needed_fields:
            return self._ask_about_fields(dynamic_filter, redaction)
        capture = self._capture
        needs_scope = dynamic_filter.needs_scope

        def ask(*args: Any, **kwargs: Any) -> DecidedAttributes | None:
            outer = current_scope()
            if needs_scope and outer is None:
                return None
            decision = dynamic_filter.decide({}, outer)
            if decision.exporter_mask != NO_EXPORTERS:
                return DecidedAttributes(capture(*args, **kwargs), decision)
            return None if decision.scope is outer else DecidedAttributes({}, decision)

        return ask

    def _ask_about_fields(
        self, dynamic_filter: DynamicFilter, redaction: Redaction
    ) -> Callable[..., DecidedAttributes | None]:
        # What was looked at for the decision is not evaluated again for the span.
        needed = self.plan.only(dynamic_filter.needed_fields).compile_attributes(redaction)
        others = self.plan.without(dynamic_filter.needed_fields).compile_attributes(redaction)
        order = self.plan.order
        needs_scope = dynamic_filter.needs_scope

        def ask(*args: Any, **kwargs: Any) -> DecidedAttributes | None:
            outer = current_scope()
            if needs_scope and outer is None:
                return None
            fields = needed(*args, **kwargs)
            decision = dynamic_filter.decide(fields, outer)
            if decision.exporter_mask != NO_EXPORTERS:
                every = {**others(*args, **kwargs), **fields}
                return DecidedAttributes(
                    {name: every[name] for name in order if name in every}, decision
                )
            return None if decision.scope is outer else DecidedAttributes({}, decision)

        return ask

    def __reduce__(self) -> tuple[Any, ...]:
        # A function of __main__ is pickled with its closure: the site goes along as its plan.
        values = {
            name: getattr(self, name)
            for name in ("target", "level", "name", "kind", "err", "expected", "ret", "plan")
        }
        return _restore, (values,)


def _restore(values: dict[str, Any]) -> FunctionSite:
    site = FunctionSite.__new__(FunctionSite)
    site.plan = values.pop("plan")
    site.parentage = site.plan.compile_parentage() if site.plan.has_parentage else None
    site._redaction = site._led = None
    values["site_attributes"] = SiteAttributes(site.plan.constants)
    target, level = values.pop("target"), values.pop("level")
    RecordingSite.__init__(site, target, level, **values)
    return site
