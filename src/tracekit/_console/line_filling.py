"""Styled pieces of text, filled into lines of a width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracekit._console.terminal_text import count_cells, split_cells

Piece = tuple[str, str]
"""A style (the numbers of an SGR sequence, or nothing) and a text in it."""
Item = Sequence[Piece]
"""Pieces that stay on one line as long as they fit on one."""

PLAIN, BOLD, DIM, RED, CYAN, FAILED = "", "1", "2", "31", "36", "1;31"
"""The styles in use; none of them is a colour that a background hides."""

_BETWEEN: Piece = (PLAIN, "  ")


def count_item(item: Item) -> int:
    """Return how many columns an item takes."""
    return sum(count_cells(text) for _, text in item)


def paint(item: Item, *, colour: bool) -> str:
    """Return the text of an item, with SGR sequences around its styled pieces where asked."""
    if not colour:
        return "".join(text for _, text in item)
    return "".join(f"\x1b[{style}m{text}\x1b[0m" if style else text for style, text in item)


def fill_lines(
    items: Iterable[tuple[Item, int]], first: Item, rest: Item, *, width: int, ellipsis: str
) -> list[Item]:
    """Put items on as few lines as they need, in order, two spaces between them.

    Args:
        items: Each with the number of lines that it may have for itself where it is longer than
            one; what is beyond them is cut off.
        first: What the first line begins with.
        rest: What each further line begins with.
        width: Columns of a line.
        ellipsis: What stands for the part that was cut off.
    """
    lines = _Lines(first, rest, width, ellipsis)
    for item, most in items:
        lines.put(item, most)
    return lines.done


class _Lines:
    """Lines that are being filled; the last of them is open."""

    def __init__(self, first: Item, rest: Item, width: int, ellipsis: str) -> None:
        self.done: list[Item] = []
        self.rest = rest
        self.width = width
        self.ellipsis = ellipsis
        self._begin(first)

    def put(self, item: Item, most: int) -> None:
        cells = count_item(item)
        if not self.empty:
            if cells + len(_BETWEEN[1]) <= self.room:
                self._append([_BETWEEN, *item], cells + len(_BETWEEN[1]))
                return
            self._begin(self.rest)
        self._chop(item, cells, most)

    def _chop(self, item: Item, cells: int, most: int) -> None:
        for _ in range(most - 1):
            if cells <= self.room:
                break
            head, item = _split_words(item, self.room)
            self._append(head, self.room)
            self._begin(self.rest)
            cells = count_item(item)
        if cells > self.room:
            head, _ = _split(item, self.room - len(self.ellipsis))
            item = [*head, (head[-1][0] if head else PLAIN, self.ellipsis)]
        self._append(item, count_item(item))

    def _begin(self, start: Item) -> None:
        self.open = list(start)
        self.done.append(self.open)
        self.room = self.width - count_item(start)
        self.empty = True

    def _append(self, item: Item, cells: int) -> None:
        self.open += item
        self.room -= cells
        self.empty = False


def _split_words(item: Item, room: int) -> tuple[Item, Item]:
    """Split like `_split`, before a word where a line is not left half empty by it."""
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
