"""Styled text, filled into lines of a given width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracekit._console.terminal_text import count_cells, split_cells

Piece = tuple[str, str]
"""A style, as the numbers of an SGR sequence or the empty string, and its text."""
Item = Sequence[Piece]
"""Pieces that stay on one line if they fit."""

PLAIN, BOLD, DIM, RED, CYAN, FAILED = "", "1", "2", "31", "36", "1;31"
"""The styles in use. Each is readable on a light and on a dark background."""

_BETWEEN: Piece = (PLAIN, "  ")


def count_item(item: Item) -> int:
    """Return how many columns an item takes."""
    return sum(count_cells(text) for _, text in item)


def paint(item: Item, *, colour: bool) -> str:
    """Return the text of an item, with SGR sequences around its styled pieces if `colour`."""
    if not colour:
        return "".join(text for _, text in item)
    return "".join(f"\x1b[{style}m{text}\x1b[0m" if style else text for style, text in item)


def fill_lines(
    items: Iterable[tuple[Item, int]], first: Item, rest: Item, *, width: int, ellipsis: str
) -> list[Item]:
    """Fill items into as few lines as possible, in order, with two spaces between them.

    Args:
        items: Each item with its maximum number of lines. A longer item is cut.
        first: The start of the first line.
        rest: The start of each further line.
        width: The width of a line in columns.
        ellipsis: The end of an item that is cut.

    Returns:
        The lines, each as an item.
    """
    lines = _Lines(first, rest, width, ellipsis)
    for item, max_lines in items:
        lines.append(item, max_lines)
    return lines.lines


class _Lines:
    """Lines that are filled from the start; the last line takes the next item."""

    def __init__(self, first: Item, rest: Item, width: int, ellipsis: str) -> None:
        self.lines: list[Item] = []
        self.rest = rest
        self.width = width
        self.ellipsis = ellipsis
        self._begin(first)

    def append(self, item: Item, max_lines: int) -> None:
        cells = count_item(item)
        if not self.empty:
            if cells + len(_BETWEEN[1]) <= self.room:
                self._extend([_BETWEEN, *item], cells + len(_BETWEEN[1]))
                return
            self._begin(self.rest)
        self._append_split(item, cells, max_lines)

    def _append_split(self, item: Item, cells: int, max_lines: int) -> None:
        for _ in range(max_lines - 1):
            if cells <= self.room:
                break
            head, item = _split_words(item, self.room)
            self._extend(head, self.room)
            self._begin(self.rest)
            cells = count_item(item)
        if cells > self.room:
            head, _ = _split(item, self.room - len(self.ellipsis))
            item = [*head, (head[-1][0] if head else PLAIN, self.ellipsis)]
        self._extend(item, count_item(item))

    def _begin(self, start: Item) -> None:
        self.last = list(start)
        self.lines.append(self.last)
        self.room = self.width - count_item(start)
        self.empty = True

    def _extend(self, item: Item, cells: int) -> None:
        self.last += item
        self.room -= cells
        self.empty = False


def _split_words(item: Item, room: int) -> tuple[Item, Item]:
    """Split before a word, unless that leaves half of the last piece empty."""
    head, tail = _split(item, room)
    style, text = head[-1]
    space = text.rfind(" ", len(text) // 2)
    if not tail or space < 0:
        return head, tail
    return [*head[:-1], (style, text[:space])], [(style, text[space + 1 :]), *tail]


def _split(item: Item, room: int) -> tuple[Item, Item]:
    head: list[Piece] = []
    for index, (style, text) in enumerate(item):
        fits, over = split_cells(text, max(room, 0))
        head.append((style, fits))
        if over:
            return head, [(style, over), *item[index + 1 :]]
        room -= count_cells(fits)
    return head, []
