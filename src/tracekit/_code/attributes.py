"""Attributes that are given in the body of a function: described and redacted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracekit._values.describing import describe
from tracekit._values.redaction import REDACTED, current_redaction


def attributes_of(attributes: Mapping[str, object], fields: Mapping[str, object]) -> dict[str, Any]:
    """Attributes as values that OpenTelemetry takes.

    Args:
        attributes: Names, dotted ones among them, and values.
        fields: Plain names and values; they win over an attribute of the same name.

    Returns:
        The attributes, in order, with the values of sensitive names redacted.
    """
    redaction = current_redaction()
    return {
        str(name): REDACTED if redaction.hides(str(name)) else describe(value)
        for name, value in {**attributes, **fields}.items()
    }
