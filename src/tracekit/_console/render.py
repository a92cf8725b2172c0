"""The layout of a block of spans as lines of a given width."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.trace import format_trace_id

from tracekit._console.span_text import SpanText, count_of
from tracekit._console.terminal_text import (
    BOLD,
    CYAN,
    DIM,
    FAILED,
    PLAIN,
    Item,
    Piece,
    fill_lines,
    format_share,
    paint,
)
from tracekit._console.tree import (
    Node,
    Row,
    build_tree,
    children_of,
    duration_of,
    fold,
    has_failed,
    is_local_root,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import Event, ReadableSpan

    from tracekit._console.trace_buffer import Block

MAX_LINES = 500
_ERROR_LINES = 3
_VERBOSE_LINES = 50
_GUIDE = 3


@dataclass(frozen=True)
class Page:
    """The output that lines are laid out for; the width is in columns, at least 40."""

    width: int = 100
    colour: bool = False
    encoding: str | None = None
    verbose: bool = False


def render(block: Block, page: Page) -> str:
    """Return the text of a block: a header, one or more lines for each span, and an empty line.

    A line is at most as wide as the page. Content that does not fit continues on the next line.
    Unless the page is verbose, the number of the remaining spans replaces them after `MAX_LINES`
    lines.
    """
    layout = _Layout(page, build_tree(block.spans, block.known_parents), block)
    return "\n".join([*layout.lines(), "", ""])


class _PlacedRow(NamedTuple):
    """A row in the tree: its connector to the parent, and the guides to the left of that."""

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
        # Half of the room right of the gutter. A deeper row loses the left end of its guides.
        self.max_guides = (page.width - self.gutter) // (2 * _GUIDE) * _GUIDE

    def lines(self) -> list[str]:
        lines = [paint(line, colour=self.page.colour) for line in self._header()]
        shown = failed = 0
        for placed in self._placed_rows():
            if len(lines) >= MAX_LINES and not self.page.verbose:
                lines.append(self._footer(shown, failed))
                break
            lines += [paint(line, colour=self.page.colour) for line in self._row(placed)]
            shown += len(placed.row)
            failed += has_failed(placed.row[0].span)
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
        return self.tops[0].span.resource.attributes.get("service.name") or "unknown_service"

    def _resource(self) -> list[Item]:
        first = self.tops[0].span
        started = [self.text.field("started", _timestamp(first.start_time or 0))]
        return started + self.text.fields(first.resource.attributes, ("service.name",))

    def _footer(self, shown: int, failed: int) -> str:
        spans = self.block.spans
        remaining, errors = len(spans) - shown, sum(map(has_failed, spans)) - failed
        among = f", {count_of(errors, 'error')} among them" if errors else ""
        noun = "span" if remaining == 1 else "spans"
        text = f"{self.glyphs.ellipsis} {remaining:,} more {noun}{among}"
        footer = [(PLAIN, " " * self.gutter), (CYAN, text)]
        return paint(footer, colour=self.page.colour)

    def _placed_rows(self) -> Iterator[_PlacedRow]:
        stack = [_PlacedRow(row, "", "", 0) for row in reversed(self._fold(self.tops))]
        while stack:
            placed = stack.pop()
            yield placed
            guides, connector = self._below(placed), self.glyphs.last
            for row in reversed(self._fold(children_of(placed.row))):
                stack.append(_PlacedRow(row, connector, guides, placed.depth + 1))
                connector = self.glyphs.branch

    def _fold(self, siblings: Sequence[Node]) -> Sequence[Row]:
        return [[node] for node in siblings] if self.page.verbose else fold(siblings)

    def _below(self, placed: _PlacedRow) -> str:
        """Return the guides to the left of everything below a row."""
        continued_by = {self.glyphs.branch: self.glyphs.bar, self.glyphs.last: self.glyphs.gap}
        return (placed.guides + continued_by.get(placed.connector, ""))[-self.max_guides :]

    def _row(self, placed: _PlacedRow) -> Iterator[Item]:
        single = len(placed.row) == 1
        span = placed.row[0].span
        has_children = any(node.children for node in placed.row)
        inner = self._below(placed) + (self.glyphs.bar if has_children else self.glyphs.gap)
        failure, cause = self.text.failure(placed.row[0])
        first = [*self._row_gutter(placed.row), (DIM, self._mark_depth(placed))]
        yield from self._fill(self.text.row(placed.row), first, self._blank(inner), failure)
        if cause and self.page.verbose:
            yield from self._stack_trace(cause, inner)
        for event in span.events if single else ():
            if event is not cause:
                yield from self._event(event, span, inner)

    def _mark_depth(self, placed: _PlacedRow) -> str:
        guides = placed.guides + placed.connector
        if placed.depth * _GUIDE <= len(guides):
            return guides
        mark = f"{self.glyphs.ellipsis}{placed.depth} "
        cells = -(-len(mark) // _GUIDE) * _GUIDE
        return mark.ljust(cells) + guides[cells:]

    def _event(self, event: Event, span: ReadableSpan, inner: str) -> Iterator[Item]:
        offset = event.timestamp - (span.start_time or event.timestamp)
        sign = "+" if offset >= 0 else ""
        gutter = self._gutter(sign + self.text.duration(offset), "")
        first = [*gutter, (DIM, f"{inner}{self.glyphs.event} ")]
        yield from self._fill(self.text.event(event), first, self._blank(inner + "  "))
        if self.page.verbose:
            yield from self._stack_trace(event, inner + "  ")

    def _stack_trace(self, event: Event, inner: str) -> Iterator[Item]:
        start = self._blank(inner + "  ")
        for line in self.text.stack_trace(event):
            yield from self._fill([line], start, start)

    def _row_gutter(self, row: Row) -> list[Piece]:
        spent = sum(duration_of(node.span) for node in row)
        share = "" if self.total is None else format_share(spent, self.total)
        return self._gutter(self.text.duration(spent), share)

    def _gutter(self, duration: str, share: str) -> list[Piece]:
        # Seconds get a space, so that digits align with those of two-letter units.
        duration += " " if duration.endswith(" s") else ""
        text = f"{share:>5}  " if self.total is not None else "  "
        return [(PLAIN, f"{duration:>8}"), (DIM, text)]

    def _blank(self, guides: str) -> list[Piece]:
        return [(PLAIN, " " * self.gutter), (DIM, guides)]

    def _fill(
        self, items: Sequence[Item], first: Item, rest: Item, failure: Item = ()
    ) -> list[Item]:
        verbose = self.page.verbose
        limited = [(item, _VERBOSE_LINES if verbose else 1) for item in items]
        if failure:
            limited.append((failure, _VERBOSE_LINES if verbose else _ERROR_LINES))
        return fill_lines(
            limited, first, rest, width=self.page.width, ellipsis=self.glyphs.ellipsis
        )


def _extent_of(nodes: Sequence[Node]) -> int | None:
    """Return the time from the first start to the last end of `nodes`; None if it is empty."""
    if not nodes:
        return None
    start = min(node.span.start_time or 0 for node in nodes)
    return max((node.span.start_time or 0) + duration_of(node.span) for node in nodes) - start


def _timestamp(nanoseconds: int) -> str:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc).isoformat()
    except (OverflowError, ValueError, OSError):  # a time outside the calendar
        return str(nanoseconds)
