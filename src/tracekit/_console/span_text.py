"""The content of a span and its events as styled, escaped text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from tracekit._console.terminal_text import (
    BOLD,
    CYAN,
    DIM,
    FAILED,
    PLAIN,
    RED,
    Item,
    escape,
    format_duration,
    format_value,
)
from tracekit._console.tree import Node, Row, context_of, duration_of, has_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link

_STANDARD = ("code.", "thread.", "telemetry.")
_EXCEPTION: tuple[str, ...] = (
    "exception.type",
    "exception.message",
    "exception.stacktrace",
    "exception.escaped",
)
_LEVEL_STYLES = {
    **dict.fromkeys(("CRITICAL", "FATAL", "ERROR"), FAILED),
    **dict.fromkeys(("WARNING", "WARN"), BOLD),
    "INFO": PLAIN,
    **dict.fromkeys(("DEBUG", "TRACE"), DIM),
}


@dataclass(frozen=True)
class Glyphs:
    """The characters that draw a tree; they may be outside ASCII."""

    branch: str = "├─ "
    last: str = "└─ "
    bar: str = "│  "
    gap: str = "   "
    failed: str = "✗"
    event: str = "·"
    times: str = "×"
    micro: str = "µ"
    ellipsis: str = "…"

    def fit(self, encoding: str) -> bool:
        """Whether `encoding` can encode all of them."""
        try:
            "".join(vars(self).values()).encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True


UNICODE = Glyphs()
ASCII = Glyphs("|- ", "`- ", "|  ", "   ", "!", "*", "x", "u", "...")


def make_escape_for(encoding: str | None) -> Callable[[str], str]:
    r"""Return a function that escapes the characters outside `encoding`, as in `\u65e5`."""
    if encoding is None:
        return str
    try:
        "".encode(encoding)
    except LookupError:
        encoding = "ascii"
    name = encoding
    return lambda text: text.encode(name, "backslashreplace").decode(name)


class SpanText:
    """Turns spans, events and attributes into items.

    It keeps about `limit` characters of a value. An `encoding` of None takes any text.
    """

    def __init__(self, *, encoding: str | None, limit: int, verbose: bool) -> None:
        self.glyphs = UNICODE if encoding is None or UNICODE.fit(encoding) else ASCII
        self.verbose = verbose
        self._escape_for_output = make_escape_for(encoding)
        self._limit = limit

    def clean(self, text: object) -> str:
        """Return text of the program, escaped for the terminal and for the output's encoding."""
        return self._escape_for_output(escape(str(text)[: self._limit]))

    def duration(self, nanoseconds: int) -> str:
        """Return a duration with its unit."""
        return format_duration(nanoseconds, self.glyphs.micro)

    def field(self, key: object, value: object) -> Item:
        """Return `key=value`."""
        text = format_value(value, self._limit, self.glyphs.ellipsis)
        return [(DIM, f"{self.clean(key)}="), (PLAIN, self._escape_for_output(text))]

    def fields(self, attributes: Mapping[str, Any] | None, omit: Iterable[str] = ()) -> list[Item]:
        """Return the attributes but those in `omit` and, unless verbose, the standard ones."""
        return [
            self.field(key, value)
            for key, value in (attributes or {}).items()
            if key not in omit and (self.verbose or not str(key).startswith(_STANDARD))
        ]

    def row(self, row: Row) -> list[Item]:
        """Return the line of a span, or of several folded spans."""
        node = row[0]
        items = [self._name(node.span, len(row))]
        if len(row) > 1:
            items.append(self._summary(row))
        if node.span.kind is not SpanKind.INTERNAL:
            items.append([(DIM, node.span.kind.name.lower())])
        if node.parent_note:
            items.append([(DIM, node.parent_note)])
        items += self.fields(_common_attributes(row))
        return items + (self._details(node) if len(row) == 1 else [])

    def _name(self, span: ReadableSpan, count: int) -> Item:
        name = self.clean(span.name)
        if has_failed(span):
            return [(FAILED, f"{self.glyphs.failed} {name}")]
        times = [(CYAN, f" {self.glyphs.times}{count:,}")] if count > 1 else []
        return [(BOLD, name), *times]

    def _summary(self, row: Row) -> Item:
        durations = [duration_of(node.span) for node in row]
        total, slowest = self.duration(sum(durations)), self.duration(max(durations))
        return [(PLAIN, f"total {total}, slowest {slowest}")]

    def _details(self, node: Node) -> list[Item]:
        span = node.span
        items = [self._dropped(what, span) for what in ("attributes", "events", "links")]
        if self.verbose:
            items.append(self.field("span_id", format_span_id(context_of(span).span_id)))
            scope = span.instrumentation_scope
            items.append(self.field("scope", scope.name) if scope else [])
            items += map(self._link, span.links)
        elif span.links:
            items.append([(DIM, count_of(len(span.links), "link"))])
        return [item for item in items if item]

    def _dropped(self, what: str, span: ReadableSpan) -> Item:
        count = getattr(span, f"dropped_{what}", 0)
        return [(DIM, f"({count_of(count, what[:-1])} dropped)")] if count else []

    def _link(self, link: Link) -> Item:
        context = link.context
        ids = f"{format_trace_id(context.trace_id)}/{format_span_id(context.span_id)}"
        pieces = [piece for item in self.fields(link.attributes) for piece in ((PLAIN, " "), *item)]
        return [(DIM, "link="), (PLAIN, ids), *pieces]

    def failure(self, node: Node) -> tuple[Item, Event | None]:
        """Return the reason of a failure, and the exception event with the same reason.

        If a child has the same reason, only the child's line has the message.
        """
        text, cause = self._reason(node.span)
        if (
            text
            and not self.verbose
            and any(self._reason(child.span)[0] == text for child in node.children)
        ):
            kind, colon, _ = text.partition(": ")
            text = f"{kind} (see below)" if colon else "(see below)"
        return [(RED, text)] if text else [], cause

    def _reason(self, span: ReadableSpan) -> tuple[str, Event | None]:
        if not has_failed(span):
            return "", None
        description = span.status.description or ""
        cause = next((event for event in reversed(span.events) if _is_exception(event)), None)
        if cause is None or (description and description not in _descriptions(cause)):
            return self.clean(description), None
        return self._exception(cause), cause

    def event(self, event: Event) -> list[Item]:
        """Return the line of an event."""
        attributes = event.attributes or {}
        level = str(attributes.get("level", "")).upper()
        omit: list[str] = list(_EXCEPTION) if _is_exception(event) else []
        items: list[Item] = []
        if level in _LEVEL_STYLES:
            items.append([(_LEVEL_STYLES[level], level)])
            omit.append("level")
        text = self._exception(event) if _is_exception(event) else self.clean(event.name)
        return [*items, [(PLAIN, text)], *self.fields(attributes, omit)]

    def _exception(self, event: Event) -> str:
        attributes = event.attributes or {}
        kind = str(attributes.get("exception.type") or "exception")
        message = str(attributes.get("exception.message") or "")
        kind = kind if self.verbose else _short_name(kind)
        return self.clean(f"{kind}: {message}" if message else kind)

    def stack_trace(self, event: Event) -> Iterator[Item]:
        """Return the lines of an exception's stack trace."""
        text = str((event.attributes or {}).get("exception.stacktrace") or "")
        return ([(DIM, self.clean(line))] for line in text.rstrip("\n").split("\n") if text)


def count_of(number: int, noun: str) -> str:
    """Return `1 span`, `2 spans`, `99,500 spans`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _common_attributes(row: Row) -> Mapping[str, Any]:
    """Return the attributes that all spans of a row have in common."""
    first = row[0].span.attributes or {}
    if len(row) == 1:
        return first
    common = dict(first)
    for node in islice(row, 1, None):
        if not common:
            break
        others = node.span.attributes or {}
        common = {key: common[key] for key in common if _is_same(others, key, common[key])}
    return common


def _is_same(attributes: Mapping[str, Any], key: str, value: object) -> bool:
    try:
        return key in attributes and bool(attributes[key] == value)
    except Exception:  # an array of numpy has no single truth value
        return False


def _is_exception(event: Event) -> bool:
    return event.name == "exception" and "exception.type" in (event.attributes or {})


def _descriptions(event: Event) -> Sequence[str]:
    """Return the descriptions of a status that add nothing to an exception event."""
    attributes = event.attributes or {}
    kind = str(attributes.get("exception.type", ""))
    message = str(attributes.get("exception.message", ""))
    return (
        message,
        kind,
        _short_name(kind),
        f"{kind}: {message}",
        f"{_short_name(kind)}: {message}",
    )


def _short_name(kind: str) -> str:
    return kind.rpartition(".")[2] or kind
