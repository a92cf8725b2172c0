"""Attributes of spans and events: those of a call site, of a thread, and of a function's body."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from tracekit._base.log import log_failure_once, log_warning_once
from tracekit._values.attribute_values import to_attribute_value
from tracekit._values.redaction import REDACTED, current_redaction


class SiteAttributes:
    """The attributes that every span of one call site has; they never change.

    The OTLP encoder keeps their encoded form here after the first span.
    """

    __slots__ = ("encoded", "mapping")

    def __init__(self, mapping: Mapping[str, str | int]) -> None:
        self.mapping: Final = mapping
        self.encoded: bytes | None = None


NO_SITE_ATTRIBUTES: Final = SiteAttributes({})


def to_attributes(attributes: Mapping[str, object], fields: Mapping[str, object]) -> dict[str, Any]:
    """Return attributes as values that OpenTelemetry accepts, with sensitive names redacted.

    Fields replace attributes of the same name. An attribute with an empty name is left out, with
    one warning, because OpenTelemetry does not accept it.
    """
    redaction = current_redaction()
    described: dict[str, Any] = {}
    for key, value in merge(attributes, fields).items():
        name = key if type(key) is str else str(to_attribute_value(key))
        described[name] = REDACTED if redaction.hides(name) else to_attribute_value(value)
    if "" in described:
        del described[""]
        log_warning_once(("attribute", ""), "an attribute with an empty name is left out")
    return described


def merge(attributes: Mapping[str, object], fields: Mapping[str, object]) -> Mapping[str, object]:
    """Return attributes and fields as one mapping; the fields alone if the attributes raise."""
    try:
        return {**attributes, **fields}
    except Exception as error:
        log_failure_once(
            ("mapping", type(attributes).__name__), "a mapping was not recorded", error
        )
        return fields


def thread_attributes() -> dict[str, Any]:
    """Return the attributes of the current thread."""
    ident = threading.get_ident()
    return {"thread.id": ident, "thread.name": thread_name(ident)}


def thread_name(ident: int) -> str:
    """Return a running thread's name, without creating a `Thread` for a foreign thread."""
    thread: Any = _threads.get(ident)
    try:
        # The public property takes longer than the rest of this function.
        name: str = thread._name
    except AttributeError:
        name = "" if thread is None else thread.name
    return name


_threads: Final[dict[int, threading.Thread]] = getattr(threading, "_active", {})
