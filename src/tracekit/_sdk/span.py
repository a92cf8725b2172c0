"""A span of the SDK that creates only what is used.

The SDK gives every span a lock, a bounded mapping and two bounded lists, cleans every attribute,
and copies the span when it ends. A lean span holds the attributes of its call site, those of one
call, its context and two times. It creates the rest, as the SDK would have, when it is asked for:
by a library that sets an attribute, or a processor that reads the attributes.

`LiveTracer` makes lean spans, after it has checked that the SDK's own span would be the same.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final, NamedTuple, TypeVar

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes

from tracekit._recording.attributes import SiteAttributes
from tracekit._sdk.pipeline import TracerShared
from tracekit._sdk.views import MaskedSpan

# The logger that the SDK uses for its spans.
_logger: Final = logging.getLogger(sdk.__name__)
_UNSET: Final = Status(StatusCode.UNSET)
_Bounded = TypeVar("_Bounded", bound="BoundedAttributes | BoundedList[Any]")


class _Shared:
    """An attribute of `TracerShared`, until a span is assigned its own value."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, span: Any, owner: type) -> Any:
        return self if span is None else getattr(span._shared, self._name)

    def __set__(self, span: Any, value: Any) -> None:
        # The end of the span, and the encoder, read `_shared` alone.
        span._shared = span._shared.replace(self._name, value)


class StartSpanArguments(NamedTuple):
    """The arguments of `start_span` that spans of tracekit's own do not have, unchecked."""

    attributes: Attributes = None
    start_time: int | None = None
    record_exception: bool = True
    set_status_on_exception: bool = True

    def apply_to(self, span: LeanSpan) -> None:
        """Set on a new span what differs from the default, except the attributes."""
        if self.start_time is not None:
            span._start_time = self.start_time
        if self.record_exception is not True:
            span._record_exception = self.record_exception
        if self.set_status_on_exception is not True:
            span._set_status_on_exception = self.set_status_on_exception


class LeanSpan(MaskedSpan):
    """A span of the SDK that creates only what is used. `LiveTracer` makes it.

    Processors get the span itself when it ends, not a copy. It does not change from then on.
    """

    # Slots hold what every span has. What some spans have is in the instance's dictionary.
    __slots__ = (
        "_context",
        "_end_time",
        "_is_sampled",
        "_kind",
        "_last_attribute",
        "_name",
        "_own_attributes",
        "_parent",
        "_shared",
        "_site_attributes",
        "_start_time",
        "exporter_mask",
    )
    _site_attributes: SiteAttributes
    _context: SpanContext
    _end_time: int | None
    _own_attributes: dict[str, Any] | None
    # Deleted when the span ends.
    _is_sampled: bool
    _last_attribute: tuple[str, Any] | None
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

    def get_span_context(self) -> SpanContext:
        """Return the span's context."""
        return self._context

    @property
    def _lock(self) -> Any:  # type: ignore[override]  # a variable in the SDK
        # Reentrant: the SDK's methods hold it while they read attributes that are created under it.
        return self._own_lock or vars(self).setdefault("_own_lock", threading.RLock())

    @property
    def _attributes(self) -> Any:
        return self._create_attributes() if self._bounded is None else self._bounded

    @_attributes.setter
    def _attributes(self, attributes: Any) -> None:
        self._bounded, self._own_attributes = attributes, None

    def _create_attributes(self) -> Any:
        with self._lock:
            if self._bounded is None:
                bounded = _bounded(self._shared.limits, None)
                bounded._dict.update(self._site_attributes.mapping)
                own = self._own_attributes or {}
                bounded._dict.update(own)
                bounded._immutable = self._end_time is not None and _FREEZES
                self._attributes = bounded
                # Another thread may have set one meanwhile, which `_set_own_attribute` cannot see.
                bounded._dict.update(own)
            return self._bounded

    def set_unchecked_attributes(self, attributes: Mapping[str, Any] | None) -> None:
        """Set the attributes of a new span that the SDK has to clean or to limit."""
        self._attributes = _bounded(self._shared.limits, attributes)

    def set_links(self, links: Sequence[Link]) -> None:
        """Set the links of a new span."""
        self._link_list = _reentrant(self._new_links(links))

    @property
    def events(self) -> Sequence[sdk.Event]:
        """The events. A span without events creates no list."""
        return () if self._event_list is None else super().events

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
                    self.set_links(())
        return self._link_list

    @_links.setter
    def _links(self, links: Any) -> None:
        self._link_list = links

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute, as the SDK's span does."""
        if is_plain(key, value):
            with self._lock:
                if self._end_time is None and self._set_own_attribute(key, value):
                    return
        super().set_attribute(key, value)

    def set_last_attribute(self, key: str, value: Any) -> None:
        """Set an attribute that the span gets when it ends, without creating a lock.

        The value needs no cleaning.
        """
        self._last_attribute = key, value

    def _set_own_attribute(self, key: str, value: Any) -> bool:
        own, site = self._own_attributes, self._site_attributes.mapping
        if own is None or key in site:
            return False
        if len(site) + len(own) >= self._shared.attribute_room:
            return False
        own.pop(key, None)
        own[key] = value
        # A thread that creates the bounded attributes meanwhile copies these once more afterwards.
        return self._own_attributes is own

    def end(self, end_time: int | None = None) -> None:
        """End the span, as the SDK's span does, and pass it to the processors."""
        try:
            is_sampled = self._is_sampled
            # Of two threads that end the span, only one can delete this.
            del self._is_sampled
        except AttributeError:
            _logger.warning("Calling end() on an ended span.")
            return
        ended_at = time_ns() if end_time is None else end_time
        last = self._last_attribute
        if last is not None and not self._set_own_attribute(last[0], last[1]):
            # Before the end time is set: the attributes of an ended span are created frozen.
            self._set_bounded_attribute(last[0], last[1])
        self._end_time = ended_at
        if self._own_lock is not None:
            self._freeze()
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
        # A lock cannot be copied. The SDK's ended span, without a lock, can.
        return copy.deepcopy(self._readable_span(), memo)

    def _set_bounded_attribute(self, key: str, value: Any) -> None:
        with self._lock:
            self._attributes[key] = value

    def _freeze(self) -> None:
        # A thread that changes the span holds the lock, and checks the end time under it.
        with self._own_lock:
            if self._bounded is not None and _FREEZES:
                self._bounded._immutable = True


def is_plain(key: object, value: object) -> bool:
    """Whether every release of the SDK accepts an attribute without a change."""
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
    # The SDK's own lock is not reentrant: a signal handler or a finalizer that adds to the same
    # object would wait for its own thread for ever.
    setattr(bounded, "_lock", threading.RLock())  # noqa: B010 - the SDK's is of another type
    return bounded


# Older releases of the SDK do not freeze the attributes of an ended span.
_FREEZES: Final = "_immutable" in sdk.Span.end.__code__.co_names
