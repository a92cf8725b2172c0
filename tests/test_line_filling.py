"""Items of styled text, filled into lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracekit._console.terminal_text import BOLD, DIM, PLAIN, count_item, fill_lines, paint

WIDTH = 20
TEXTS = st.text(st.sampled_from("ab 山e\u0301"), min_size=1, max_size=60)


def fill(*texts: str, max_lines: int = 1, ellipsis: str = "…") -> list[str]:
    items = [([(PLAIN, text)], max_lines) for text in texts]
    lines = fill_lines(items, [(PLAIN, "* ")], [(PLAIN, "    ")], width=WIDTH, ellipsis=ellipsis)
    return [paint(line, colour=False) for line in lines]


def test_items_share_a_line() -> None:
    """Items share a line, two spaces apart, if they fit."""
    assert ["* one  two  three"] == fill("one", "two", "three")


def test_exact_fit() -> None:
    """A line may have the full width, and not more."""
    assert ["* " + "a" * 10 + "  " + "b" * 6] == fill("a" * 10, "b" * 6)
    assert ["* " + "a" * 10, "    " + "b" * 7] == fill("a" * 10, "b" * 7)


def test_an_item_stays_whole() -> None:
    """An item that does not fit starts a new line, even if its first part would fit."""
    assert ["* name", "    key=value_value"] == fill("name", "key=value_value")


def test_long_item_is_cut() -> None:
    """An item that is longer than its lines ends in an ellipsis."""
    assert ["* name", "    " + "x" * 15 + "…"] == fill("name", "x" * 50)
    assert ["* name", "    " + "x" * 13 + "..."] == fill("name", "x" * 50, ellipsis="...")


def test_long_item_continues() -> None:
    """An item with several lines is cut at the end of the last one."""
    assert ["* " + "x" * 18, "    " + "x" * 15 + "…"] == fill("x" * 50, max_lines=2)
    assert ["* " + "x" * 18, "    xx"] == fill("x" * 20, max_lines=2)


def test_words_stay_whole() -> None:
    """An item continues with a whole word."""
    assert ["* some words that", "    belong together"] == fill(
        "some words that belong together", max_lines=3
    )


def test_no_items() -> None:
    """Without items there is still the first line."""
    assert ["* "] == fill()


@given(st.lists(TEXTS, max_size=6), st.integers(1, 3))
def test_never_too_wide(texts: list[str], max_lines: int) -> None:
    """No line exceeds the width, and no item exceeds its number of lines."""
    lines = fill(*texts, max_lines=max_lines)
    assert [] == [line for line in lines if count_item([(PLAIN, line)]) > WIDTH]
    assert len(lines) <= max(1, max_lines * len(texts))


def test_paint() -> None:
    """Only styled pieces get SGR sequences, and only with colour."""
    item = [(BOLD, "a"), (PLAIN, "b"), (DIM, "c")]
    assert "\x1b[1ma\x1b[0mb\x1b[2mc\x1b[0m" == paint(item, colour=True)
    assert "abc" == paint(item, colour=False)
