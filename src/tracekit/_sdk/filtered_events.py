"""Events that some exporters want and others do not."""

from __future__ import annotations

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.util.types import Attributes

from tracekit._recording.filter_decisions import FilterAwareSpan


class FilteredEvent(sdk.Event):
    """An event with the exporters that want it.

    Attributes:
        wanted: The mask of these exporters.
    """

    def __init__(self, wanted: int, name: str, attributes: Attributes) -> None:
        super().__init__(name, attributes)
        self.wanted = wanted


class EventFilteringSpan(sdk.Span, FilterAwareSpan):
    """A span of the SDK to which filtered events can be added."""

    __slots__ = ()

    def add_filtered_event(self, exporter_mask: int, name: str, attributes: Attributes) -> None:
        """Add an event as `add_event` does, for some exporters.

        Args:
            exporter_mask: The mask of these exporters.
            name: The name of the event.
            attributes: Its attributes.
        """
        limits = self._limits
        bounded = BoundedAttributes(
            limits.max_event_attributes, attributes, max_value_len=limits.max_attribute_length
        )
        self._add_event(FilteredEvent(exporter_mask, name, bounded))
