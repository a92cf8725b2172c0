"""Encoded spans by resource and scope, as OTLP groups them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_Encoded = TypeVar("_Encoded")


class SpanGroups(Generic[_Encoded]):
    """The spans of a batch, by resource and scope, in the order in which these first appear.

    Args:
        on_new: Called with the resource and scope of a new group. If it raises, no group is added.
    """

    def __init__(
        self, on_new: Callable[[Resource, InstrumentationScope | None], None] | None = None
    ) -> None:
        self._on_new = on_new
        self._resources: dict[Resource, dict[InstrumentationScope | None, list[_Encoded]]] = {}
        # The hash of a resource is that of its JSON, so it is computed once for each object. The
        # objects are kept in the value, so that no other object gets their id meanwhile.
        self._groups: dict[tuple[int, int], tuple[object, object, list[_Encoded]]] = {}

    def group_of(self, resource: Resource, scope: InstrumentationScope | None) -> list[_Encoded]:
        """Return the list of the encoded spans with this resource and scope, to append to."""
        key = id(resource), id(scope)
        known = self._groups.get(key)
        if known is None:
            if self._on_new is not None:
                self._on_new(resource, scope)
            group = self._resources.setdefault(resource, {}).setdefault(scope, [])
            known = self._groups[key] = resource, scope, group
        return known[2]

    def __iter__(
        self,
    ) -> Iterator[tuple[Resource, Mapping[InstrumentationScope | None, list[_Encoded]]]]:
        """Iterate over the resources, each with its scopes and their spans."""
        return iter(self._resources.items())
