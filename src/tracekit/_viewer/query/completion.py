"""Completion of a query: what can stand where the cursor is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from tracekit._viewer.query.syntax import (
    CHOICES,
    COUNT_FIELDS,
    DURATION_FIELDS,
    FLAGS,
    OF_RESOURCE,
    TEXT_FIELDS,
    TIME_FIELDS,
    quote_value,
)
from tracekit._viewer.query.tokens import Token, scan
from tracekit._viewer.query.values import LEVELS

_MOST: Final = 20
_FIELDS: Final = (
    *("service:", "name:", "error", "duration>", "level>=", "since:", "root:", "status:", "kind:"),
    *("is:", "event:", "trace.duration>", "trace.spans>", "trace.errors>", "scope:", "until:"),
    *("trace:", "span:"),
)
_NAMES: Final = {*TEXT_FIELDS, *DURATION_FIELDS, *COUNT_FIELDS, *TIME_FIELDS, *CHOICES} | {
    "level",
    "is",
    "error",
}
_CONSTANTS: Final[Mapping[str, Iterable[str]]] = {
    "level": [level for level in LEVELS if level != "warning"],
    **CHOICES,
    "is": FLAGS,
    **dict.fromkeys(DURATION_FIELDS, ("10ms", "50ms", "100ms", "500ms", "1s", "10s")),
    **dict.fromkeys(TIME_FIELDS, ("5m", "15m", "1h", "24h")),
}
_PLAIN_KEY: Final = re.compile(r'[^\s()":=<>!\\*-][^\s()":=<>!\\*]*')


class SampleOfSpans(Protocol):
    """How often texts occur among stored spans."""

    @property
    def services(self) -> Mapping[str, int]: ...
    @property
    def names(self) -> Mapping[str, int]: ...
    @property
    def events(self) -> Mapping[str, int]: ...
    @property
    def keys(self) -> Mapping[str, int]: ...
    @property
    def resource_keys(self) -> Mapping[str, int]: ...
    @property
    def values(self) -> Mapping[str, Mapping[str, int]]: ...


class Known(Protocol):
    """What is known of a store."""

    @property
    def sample(self) -> SampleOfSpans: ...

    def texts(self, dictionary: str, part: str) -> list[str]:
        """Return texts of a dictionary that hold a text."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """What can be put in.

    Attributes:
        text: The text as it stands in a query.
        kind: `field`, `key`, `service`, `name` or `value`.
        count: How often it occurs in the sample, where that is known.
        shown: What the typed text is compared with.
    """

    text: str
    kind: str
    count: int | None
    shown: str


def complete(query: str, position: int, known: Known) -> dict[str, Any]:
    """Return what can stand at a position, the best first.

    Returns:
        `start` and `end` of the part of the query that an item replaces, and `items` with `text`,
        `kind` and `count`.
    """
    position = max(0, min(position, len(query)))
    tokens = scan(query)
    at = next((i for i, one in enumerate(tokens) if one.start < position <= one.end), None)
    token = None if at is None else tokens[at]
    start = end = position
    typed = ""
    items: Iterator[Item] = iter(())
    if token is None or token.kind in {"(", ")"} or token.text == "-":
        items = _conditions("", known)
    elif token.kind == "operator" and at is not None:
        if position == token.end:
            value = tokens[at + 1] if at + 1 < len(tokens) and tokens[at + 1].is_value else None
            end = token.end if value is None or value.start > token.end else value.end
            items = _values(tokens[at - 1], "", known)
    else:
        start, end = token.start, token.end
        typed = _plain(query[start:position])
        if token.is_value and at is not None:
            items = _values(tokens[at - 2], typed, known)
        elif token.is_key:
            items = (replace(item, text=item.text.rstrip(":<>=")) for item in _keys(known))
        else:
            items = _conditions(typed, known)
    return {
        "start": start,
        "end": end,
        "items": [
            {"text": item.text, "kind": item.kind, "count": item.count}
            for item in _best(items, typed)
        ],
    }


def _plain(text: str) -> str:
    if text.startswith('"'):
        text = text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
        return re.sub(r"\\(.)", r"\1", text)
    return text


def _best(items: Iterable[Item], typed: str) -> list[Item]:
    wanted = typed.lower()
    found: dict[str, tuple[bool, int, int, Item]] = {}
    for place, item in enumerate(items):
        shown = item.shown.lower()
        if wanted in shown and item.text != typed and item.text not in found:
            # The fields have an order of their own; what is counted has the most frequent first.
            rank = (not shown.startswith(wanted), -(item.count or 0), place, item)
            found[item.text] = rank
    return [rank[-1] for rank in sorted(found.values(), key=lambda rank: rank[:3])[:_MOST]]


def _conditions(typed: str, known: Known) -> Iterator[Item]:
    if typed:
        for service in _texts("service", known.sample.services, typed, known):
            yield replace(service, text=f"service:{service.text}", kind="service")
        for name in _texts("name", known.sample.names, typed, known):
            yield replace(name, text=f"name:{name.text}", kind="name")
    yield from _keys(known)


def _keys(known: Known) -> Iterator[Item]:
    for field in _FIELDS:
        yield Item(field, "field", None, field)
    for key, count in known.sample.keys.items():
        yield Item(f"{_quote_key(key)}=", "key", count, key)
    for key, count in known.sample.resource_keys.items():
        if _PLAIN_KEY.fullmatch(key):
            yield Item(f"{OF_RESOURCE}{key}=", "key", count, OF_RESOURCE + key)


def _quote_key(key: str) -> str:
    is_plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _NAMES
    return key if is_plain and not key.startswith(OF_RESOURCE) else _in_quotes(key)


def _in_quotes(text: str) -> str:
    quoted = quote_value(text)
    return quoted if quoted.startswith('"') else f'"{quoted}"'


def _values(key: Token, typed: str, known: Known) -> Iterator[Item]:
    name = _plain(key.text)
    sample = known.sample
    if key.kind == "word":
        field = name.lower()
        if field in _CONSTANTS:
            return (Item(value, "value", None, value) for value in _CONSTANTS[field])
        if field == "service":
            return _texts("service", sample.services, typed, known)
        if field in {"name", "root"}:
            return _texts("name", sample.names, typed, known)
        if field == "scope":
            return _texts("scope", {}, typed, known)
        if field == "event":
            return _counted(sample.events)
        name = name.removeprefix(OF_RESOURCE)
    return _counted(sample.values.get(name, {}))


def _texts(dictionary: str, counts: Mapping[str, int], typed: str, known: Known) -> Iterator[Item]:
    for text in known.texts(dictionary, typed):
        yield Item(quote_value(text), "value", counts.get(text), text)


def _counted(counts: Mapping[str, int]) -> Iterator[Item]:
    return (Item(quote_value(text), "value", count, text) for text, count in counts.items())
