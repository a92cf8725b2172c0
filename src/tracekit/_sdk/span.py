"""A span of the SDK's that fills in only what is used.

The SDK gives every span a lock, a bounded mapping and two bounded lists, cleans every attribute,
and copies the whole when it ends. Here a span is what its place in the program knows beforehand,
the values of one call, and two times. The rest is made, as the SDK would have made it, when someone
asks for it: a library that sets an attribute, a processor that reads them.

Who makes one, and what is checked before, is the tracer's business.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final, TypeVar

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanContext, Status, StatusCode

from tracekit._recording.attributes import SiteAttributes
from tracekit._sdk.filtered_events import EventFilteringSpan
from tracekit._sdk.tracer_shared import TracerShared

# What the SDK says about a span, it says under this name.
_logger: Final = logging.getLogger(sdk.__name__)
_UNSET: Final = Status(StatusCode.UNSET)
_Bounded = TypeVar("_Bounded", bound="BoundedAttributes | BoundedList[Any]")


class _Shared:
    """An attribute that the spans of an origin share, until one is given its own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, span: Any, owner: type) -> Any:
        return self if span is None else getattr(span._shared, self._name)

    def __set__(self, span: Any, value: Any) -> None:
        # Whoever ends the span, or encodes it, goes by its origin.
        span._shared = span._shared.replace(self._name, value)


class LeanSpan(EventFilteringSpan):
    """A span of the SDK's; made by `LiveTracer`, not by hand.

    It is handed to processors itself when it ends, and does not change from then on.
    """

    # What every span has stands in slots; the rest is not there until it is used.
    __slots__ = (
        "_context",
        "_end_time",
        "_given",
        "_is_sampled",
        "_kind",
        "_last",
        "_name",
        "_parent",
        "_shared",
        "_site_attributes",
        "_start_time",
        "exporter_mask",
    )
    _site_attributes: SiteAttributes
    _context: SpanContext
    _end_time: int | None
    _given: dict[str, Any] | None
    # Gone once the span has ended.
    _is_sampled: bool
    _last: tuple[str, Any] | None
    _shared: TracerShared
    exporter_mask: int

    _status = _UNSET
    _bounded: BoundedAttributes | None = None
    _event_list: BoundedList[Any] | None = None
    _link_list: BoundedList[Any] | None = None
    _own_lock: Any = None
    _record_exception = True
    _set_status_on_exception = True
    _trace_config = None
    _record_end_metrics = None

    _span_processor = _Shared("processor")
    _limits = _Shared("limits")
    _resource = _Shared("resource")
    _instrumentation_scope = _Shared("scope")
    _instrumentation_info = _Shared("info")
    _sampler = _Shared("sampler")

    # Where it hangs for those who do not want its parent.
    _tracekit_parents: Mapping[int, SpanContext | None] = {}

    def get_span_context(self) -> SpanContext:
        """The span's context."""
        return self._context

    @property
    def _lock(self) -> Any:  # type: ignore[override]  # set by the SDK at once, by this when needed
        # Reentrant: the SDK's methods hold it while they ask for what is made under it.
        return self._own_lock or vars(self).setdefault("_own_lock", threading.RLock())

    @property
    def _attributes(self) -> Any:
        return self._bind() if self._bounded is None else self._bounded

    @_attributes.setter
    def _attributes(self, attributes: Any) -> None:
        self._bounded, self._given = attributes, None

    def _bind(self) -> Any:
        with self._lock:
            if self._bounded is None:
                bounded = _bounded(self._shared.limits, None)
                bounded._dict.update(self._site_attributes.mapping)
                given = self._given or {}
                bounded._dict.update(given)
                bounded._immutable = self._end_time is not None and _FREEZES
                self._attributes = bounded
                bounded._dict.update(given)
            return self._bounded

    def bind(self, attributes: Mapping[str, Any] | None) -> None:
        """Give a new span attributes that are still to be cleaned, or that may not all fit."""
        self._attributes = _bounded(self._shared.limits, attributes)

    def point_at(self, links: Sequence[Link]) -> None:
        """Give a new span its links."""
        self._link_list = _reentrant(self._new_links(links))

    @property
    def _events(self) -> Any:
        if self._event_list is None:
            with self._lock:
                if self._event_list is None:
                    made = self._new_events()  # type: ignore[no-untyped-call]  # untyped in the SDK
                    self._event_list = _reentrant(made)
        return self._event_list

    @_events.setter
    def _events(self, events: Any) -> None:
        self._event_list = events

    @property
    def _links(self) -> Any:
        if self._link_list is None:
            with self._lock:
                if self._link_list is None:
                    self.point_at(())
        return self._link_list

    @_links.setter
    def _links(self, links: Any) -> None:
        self._link_list = links

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute, as the SDK's span does."""
        if is_plain(key, value):
            with self._lock:
                if self._end_time is None and self._put(key, value):
                    return
        super().set_attribute(key, value)

    def set_last_attribute(self, key: str, value: Any) -> None:
        """Set a clean attribute that is on the span from its end on; no lock is made for it."""
        self._last = key, value

    def _put(self, key: str, value: Any) -> bool:
        given, constants = self._given, self._site_attributes.mapping
        if given is None or key in constants:
            return False
        if len(constants) + len(given) >= self._shared.room:
            return False
        given.pop(key, None)
        given[key] = value
        # Whoever binds the attributes meanwhile looks at these once more afterwards.
        return self._given is given

    def end(self, end_time: int | None = None) -> None:
        """End the span, as the SDK's span does, and hand it to the processors."""
        try:
            is_sampled = self._is_sampled
            # Of two threads that end a span, one finds this gone.
            del self._is_sampled
        except AttributeError:
            _logger.warning("Calling end() on an ended span.")
            return
        ended_at = time_ns() if end_time is None else end_time
        last = self._last
        if last is not None and not self._put(last[0], last[1]):
            # Before the end is known: whatever binds the attributes of an ended span freezes them.
            self._add(last[0], last[1])
        self._end_time = ended_at
        if self._own_lock is not None:
            self._settle()
        processor = self._shared.processor
        for hook in processor.ending:
            hook(self)
        if is_sampled:
            wanted = self.exporter_mask
            for mask, hook in processor.taking:
                if wanted & mask:
                    hook(self)
        else:
            for hook in processor.ended:
                hook(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> sdk.ReadableSpan:
        # A lock has no copy, and what the SDK hands to processors has none.
        return copy.deepcopy(self._readable_span(), memo)

    def _add(self, key: str, value: Any) -> None:
        with self._lock:
            self._attributes[key] = value

    def _settle(self) -> None:
        # Whoever changes the span holds the lock, and has looked at the time before or will after.
        with self._own_lock:
            if self._bounded is not None and _FREEZES:
                self._bounded._immutable = True


def is_plain(key: object, value: object) -> bool:
    """Whether an attribute is one that every release of the SDK takes as it is."""
    kind = type(value)
    is_scalar = kind is str or kind is int or kind is float or kind is bool
    return is_scalar and type(key) is str and key != ""


def _bounded(limits: sdk.SpanLimits, attributes: Mapping[str, Any] | None) -> BoundedAttributes:
    bounded = BoundedAttributes(
        limits.max_span_attributes,
        attributes,
        immutable=False,
        max_value_len=limits.max_span_attribute_length,
    )
    return _reentrant(bounded)


def _reentrant(bounded: _Bounded) -> _Bounded:
    # With the SDK's lock, a signal handler or a finalizer that sets one more would wait for good
    # for the thread that it runs in.
    setattr(bounded, "_lock", threading.RLock())  # noqa: B010 - the SDK's own, of another type
    return bounded


# Older SDKs leave the attributes of an ended span open to whoever gets at the mapping itself.
_FREEZES: Final = "_immutable" in sdk.Span.end.__code__.co_names
