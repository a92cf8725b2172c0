"""Claims about pieces of text that fill lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracekit._console.line_filling import BOLD, DIM, PLAIN, count_item, fill_lines, paint

WIDTH = 20
TEXTS = st.text(st.sampled_from("ab 山e\u0301"), min_size=1, max_size=60)


def fill(*texts: str, most: int = 1, ellipsis: str = "…") -> list[str]:
    items = [([(PLAIN, text)], most) for text in texts]
    lines = fill_lines(items, [(PLAIN, "* ")], [(PLAIN, "    ")], width=WIDTH, ellipsis=ellipsis)
    return [paint(line, colour=False) for line in lines]


def test_items_share_a_line() -> None:
    """Items stand on one line, two spaces apart, as long as they fit."""
    assert ["* one  two  three"] == fill("one", "two", "three")


def test_exact_fit() -> None:
    """A line may be as wide as the width, and not wider."""
    assert ["* " + "a" * 10 + "  " + "b" * 6] == fill("a" * 10, "b" * 6)
    assert ["* " + "a" * 10, "    " + "b" * 7] == fill("a" * 10, "b" * 7)


def test_an_item_stays_whole() -> None:
    """An item that does not fit begins a line, even where its beginning would have fitted."""
    assert ["* name", "    key=value_value"] == fill("name", "key=value_value")


def test_long_item_is_cut() -> None:
    """An item longer than its lines ends in an ellipsis."""
    assert ["* name", "    " + "x" * 15 + "…"] == fill("name", "x" * 50)
    assert ["* name", "    " + "x" * 13 + "..."] == fill("name", "x" * 50, ellipsis="...")


def test_long_item_goes_on() -> None:
    """An item that may have several lines is cut only at the end of the last of them."""
    assert ["* " + "x" * 18, "    " + "x" * 15 + "…"] == fill("x" * 50, most=2)
    assert ["* " + "x" * 18, "    xx"] == fill("x" * 20, most=2)


def test_words_stay_whole() -> None:
    """Where an item goes on, it goes on with a word."""
    assert ["* some words that", "    belong together"] == fill(
        "some words that belong together", most=3
    )


def test_no_items() -> None:
    """Without items the first line is still there."""
    assert ["* "] == fill()


@given(st.lists(TEXTS, max_size=6), st.integers(1, 3))
def test_never_too_wide(texts: list[str], most: int) -> None:
    """No line is wider than the width, and no item takes more lines than it may."""
    lines = fill(*texts, most=most)
    assert [] == [line for line in lines if count_item([(PLAIN, line)]) > WIDTH]
    assert len(lines) <= max(1, most * len(texts))


def test_paint() -> None:
    """Only styled pieces get SGR sequences, and only where colour is wanted."""
    item = [(BOLD, "a"), (PLAIN, "b"), (DIM, "c")]
    assert "\x1b[1ma\x1b[0mb\x1b[2mc\x1b[0m" == paint(item, colour=True)
    assert "abc" == paint(item, colour=False)
