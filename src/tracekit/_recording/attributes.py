"""Attributes that are given in the body of a function: described and redacted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracekit._base.log import warn_once
from tracekit._values.attribute_values import to_attribute_value
from tracekit._values.redaction import REDACTED, current_redaction


def attributes_of(attributes: Mapping[str, object], fields: Mapping[str, object]) -> dict[str, Any]:
    """Attributes as values that OpenTelemetry takes.

    Args:
        attributes: Names, dotted ones among them, and values.
        fields: Plain names and values; they win over an attribute of the same name.

    Returns:
        The attributes, in order, with the values of sensitive names redacted. One whose name is
        empty is left out, which is said once: OpenTelemetry takes none.
    """
    redaction = current_redaction()
    found = {
        str(name): REDACTED if redaction.hides(str(name)) else to_attribute_value(value)
        for name, value in {**attributes, **fields}.items()
    }
    if "" in found:
        del found[""]
        warn_once(("attribute", ""), "an attribute with an empty name is left out")
    return found
