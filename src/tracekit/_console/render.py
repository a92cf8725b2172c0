"""A block of spans laid out as lines for a width."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace import format_trace_id

from tracekit._console.line_filling import (
    BOLD,
    CYAN,
    DIM,
    FAILED,
    PLAIN,
    Item,
    Piece,
    fill_lines,
    paint,
)
from tracekit._console.span_text import SpanText, count_of
from tracekit._console.terminal_text import format_share
from tracekit._console.tree import (
    FinishedSpan,
    Node,
    Row,
    SpanEvent,
    build_tree,
    children_of,
    duration_of,
    fold,
    has_failed,
    is_local_root,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tracekit._console.trace_buffer import Block

MOST_LINES = 500
_ERROR_LINES = 3
_VERBOSE_LINES = 50
_GUIDE = 3


@dataclass(frozen=True)
class Page:
    """What the lines are laid out for.

    Attributes:
        width: Columns of a line, at least 40.
        colour: Whether to use SGR sequences.
        encoding: The encoding of the output; None where it takes any text.
        verbose: Leave nothing out: no folding, no limit to the lines, standard attributes,
            resources and stack traces.
    """

    width: int = 100
    colour: bool = False
    encoding: str | None = None
    verbose: bool = False


def render(block: Block, page: Page) -> str:
    """Return the text of a block: a header, a line or more for each span, an empty line.

    A line is at most as wide as the page. What does not fit on the line of a span goes on below
    it. After `MOST_LINES` lines the rest is counted, not shown, unless the page is verbose.
    """
    layout = _Layout(page, build_tree(block.spans, block.known_parents), block)
    return "\n".join([*layout.lines(), "", ""])


class _Place(NamedTuple):
    """A row, what joins it to its parent, and the guides that run past it on the left."""

    row: Row
    connector: str
    guides: str
    depth: int


class _Layout:
    def __init__(self, page: Page, tops: Sequence[Node], block: Block) -> None:
        self.page = page
        self.block = block
        self.tops = tops
        self.total = _extent_of([node for node in tops if is_local_root(node.span)])
        self.gutter = 10 if self.total is None else 15
        lines = _VERBOSE_LINES if page.verbose else _ERROR_LINES
        self.text = SpanText(encoding=page.encoding, limit=page.width * lines, verbose=page.verbose)
        self.glyphs = self.text.glyphs
        # Half of what the gutter leaves, in whole guides; deeper ones lose their left ends.
        self.most_guides = (page.width - self.gutter) // (2 * _GUIDE) * _GUIDE

    def lines(self) -> list[str]:
        lines = [paint(line, colour=self.page.colour) for line in self._header()]
        shown = failed = 0
        for place in self._places():
            if len(lines) >= MOST_LINES and not self.page.verbose:
                lines.append(self._footer(shown, failed))
                break
            lines += [paint(line, colour=self.page.colour) for line in self._row(place)]
            shown += len(place.row)
            failed += has_failed(place.row[0].span)
        return lines

    def _header(self) -> list[Item]:
        spans = self.block.spans
        failed = sum(map(has_failed, spans))
        extent = self.total if self.total is not None else _extent_of(self.tops)
        items: list[Item] = [
            [(BOLD, self.text.clean(self._service()))],
            [(DIM, format_trace_id(self.block.trace_id))],
            [(PLAIN, self.text.duration(extent or 0))],
            [(PLAIN, count_of(len(spans), "span"))],
        ]
        items += [[(FAILED, count_of(failed, "error"))]] if failed else []
        items += [[(CYAN, f"({self.block.mark})")]] if self.block.mark else []
        items += self._resource() if self.page.verbose else []
        return self._fill(items, [], [(PLAIN, "  ")])

    def _service(self) -> object:
        return _resource_of(self.tops[0].span).get("service.name") or "unknown_service"

    def _resource(self) -> list[Item]:
        first = self.tops[0].span
        started = [self.text.field("started", _timestamp(first.start_time or 0))]
        return started + self.text.fields(_resource_of(first), ("service.name",))

    def _footer(self, shown: int, failed: int) -> str:
        spans = self.block.spans
        left, errors = len(spans) - shown, sum(map(has_failed, spans)) - failed
        among = f", {count_of(errors, 'error')} among them" if errors else ""
        text = f"{self.glyphs.ellipsis} {left:,} more {'span' if left == 1 else 'spans'}{among}"
        footer = [(PLAIN, " " * self.gutter), (CYAN, text)]
        return paint(footer, colour=self.page.colour)

    def _places(self) -> Iterator[_Place]:
        stack = [_Place(row, "", "", 0) for row in reversed(self._fold(self.tops))]
        while stack:
            place = stack.pop()
            yield place
            guides, connector = self._below(place), self.glyphs.last
            for row in reversed(self._fold(children_of(place.row))):
                stack.append(_Place(row, connector, guides, place.depth + 1))
                connector = self.glyphs.branch

    def _fold(self, siblings: Sequence[Node]) -> Sequence[Row]:
        return [[node] for node in siblings] if self.page.verbose else fold(siblings)

    def _below(self, place: _Place) -> str:
        """Return the guides that run past everything below a row."""
        runs_on = {self.glyphs.branch: self.glyphs.bar, self.glyphs.last: self.glyphs.gap}
        return (place.guides + runs_on.get(place.connector, ""))[-self.most_guides :]

    def _row(self, place: _Place) -> Iterator[Item]:
        single = len(place.row) == 1
        span = place.row[0].span
        has_children = any(node.children for node in place.row)
        inner = self._below(place) + (self.glyphs.bar if has_children else self.glyphs.gap)
        failure, cause = self.text.failure(place.row[0])
        first = [*self._row_gutter(place.row), (DIM, self._mark_depth(place))]
        yield from self._fill(self.text.row(place.row), first, self._blank(inner), failure)
        if cause and self.page.verbose:
            yield from self._stack_trace(cause, inner)
        for event in span.events if single else ():
            if event is not cause:
                yield from self._event(event, span, inner)

    def _mark_depth(self, place: _Place) -> str:
        guides = place.guides + place.connector
        if place.depth * _GUIDE <= len(guides):
            return guides
        mark = f"{self.glyphs.ellipsis}{place.depth} "
        cells = -(-len(mark) // _GUIDE) * _GUIDE
        return mark.ljust(cells) + guides[cells:]

    def _event(self, event: SpanEvent, span: FinishedSpan, inner: str) -> Iterator[Item]:
        offset = event.timestamp - (span.start_time or event.timestamp)
        sign = "+" if offset >= 0 else ""
        gutter = self._gutter(sign + self.text.duration(offset), "")
        first = [*gutter, (DIM, f"{inner}{self.glyphs.event} ")]
        yield from self._fill(self.text.event(event), first, self._blank(inner + "  "))
        if self.page.verbose:
            yield from self._stack_trace(event, inner + "  ")

    def _stack_trace(self, event: SpanEvent, inner: str) -> Iterator[Item]:
        start = self._blank(inner + "  ")
        for line in self.text.stack_trace(event):
            yield from self._fill([line], start, start)

    def _row_gutter(self, row: Row) -> list[Piece]:
        spent = sum(duration_of(node.span) for node in row)
        share = "" if self.total is None else format_share(spent, self.total)
        return self._gutter(self.text.duration(spent), share)

    def _gutter(self, duration: str, share: str) -> list[Piece]:
        # One letter units are as wide as the others, so that numbers stand below each other.
        duration += " " if duration.endswith(" s") else ""
        text = f"{share:>5}  " if self.total is not None else "  "
        return [(PLAIN, f"{duration:>8}"), (DIM, text)]

    def _blank(self, guides: str) -> list[Piece]:
        return [(PLAIN, " " * self.gutter), (DIM, guides)]

    def _fill(
        self, items: Sequence[Item], first: Item, rest: Item, failure: Item = ()
    ) -> list[Item]:
        most, most_of_failure = (_VERBOSE_LINES,) * 2 if self.page.verbose else (1, _ERROR_LINES)
        limited = [(item, most) for item in items]
        limited += [(failure, most_of_failure)] if failure else []
        return fill_lines(
            limited, first, rest, width=self.page.width, ellipsis=self.glyphs.ellipsis
        )


def _extent_of(nodes: Sequence[Node]) -> int | None:
    """Return the time from the first start to the last end of `nodes`; None of none."""
    if not nodes:
        return None
    start = min(node.span.start_time or 0 for node in nodes)
    return max((node.span.start_time or 0) + duration_of(node.span) for node in nodes) - start


def _resource_of(span: FinishedSpan) -> Mapping[str, Any]:
    return getattr(span.resource, "attributes", None) or {}


def _timestamp(nanoseconds: int) -> str:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc).isoformat()
    except (OverflowError, ValueError, OSError):  # a time beyond the calendar
        return str(nanoseconds)
