"""A text stops at the limit of its length, width or depth."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit._values.bounded_text import (
    MAX_INT_BITS,
    MAX_NESTED_STRING,
    MAX_TEXT,
    BoundedText,
    cut,
    encodable,
    head,
    integer_text,
    string_text,
)


def write(out: BoundedText, value: Any) -> None:
    out.add(str(value))


def write_nested(out: BoundedText, value: Any) -> None:
    if isinstance(value, list):
        out.add_nested(write_list, value)
    else:
        write(out, value)


def write_list(out: BoundedText, value: list[Any]) -> None:
    out.add("[")
    out.add_items(value, len(value))
    out.add("]")


@given(st.lists(st.text(max_size=50)), st.integers(0, 100))
def test_room(pieces: list[str], room: int) -> None:
    """A text consists of the added pieces, or of the part that fits and an ellipsis."""
    text = BoundedText(write, room)
    for piece in pieces:
        text.add(piece)
    whole = encodable("".join(pieces))
    fits = len("".join(pieces)) <= room
    assert (whole if fits else whole[:room] + "…") == str(text)
    assert fits is not text.full


@pytest.mark.parametrize(
    ("items", "total", "expected"),
    [
        ([], 0, ""),
        ([1], 1, "1"),
        ([1, 2], 2, "1, 2"),
        ([1, 2], 200_002, "1, 2, … +200,000 more"),
        ([], 7, "… +7 more"),
    ],
)
def test_items(items: list[int], total: int, expected: str) -> None:
    """Items are separated by commas and followed by the number of the others."""
    text = BoundedText(write)
    text.add_items(items, total)
    assert expected == str(text)


def test_items_stop_when_full() -> None:
    """No item is written into a full text."""
    written: list[int] = []

    def note(out: BoundedText, item: int) -> None:
        written.append(item)
        out.add("x" * MAX_TEXT)

    text = BoundedText(write)
    text.add_items([1, 2, 3, 4], 4, note)
    assert [1, 2] == written


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[[1]]], "[[[1]]]"),
        ([[[[1]]]], "[[[[1]]]]"),
        ([[[[[1]]]]], "[[[[…]]]]"),
        ([1, [[[[2], 3]]], 4], "[1, [[[…, 3]]], 4]"),
    ],
)
def test_depth(value: object, expected: str) -> None:
    """An ellipsis replaces everything below the deepest level."""
    text = BoundedText(write_nested)
    text.add_value(value)
    assert expected == str(text)


def test_depth_after_failure() -> None:
    """A writer that fails does not change the depth."""

    def fail(out: BoundedText, value: object) -> None:
        raise ValueError(value)

    text = BoundedText(write_nested)
    for _ in range(10):
        with pytest.raises(ValueError, match="x"):
            text.add_nested(fail, "x")
    text.add_value([[[[1]]]])
    assert "[[[[1]]]]" == str(text)


def test_roll_back() -> None:
    """Rolling back removes the pieces after a savepoint and restores the room."""
    text = BoundedText(write, 5)
    text.add("ab")
    savepoint = text.savepoint()
    text.add("cdefgh")
    text.roll_back(savepoint)
    text.add("xyz")
    assert "abxyz" == str(text)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 0, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc… +1 characters"),
        ("x" * 2_003, 3, "xxx… +2,000 characters"),
    ],
)
def test_cut(text: str, limit: int, expected: str) -> None:
    """A text that is too long is cut, and the missing characters are counted."""
    assert expected == cut(text, limit)


@given(st.text(alphabet=st.characters(), max_size=MAX_NESTED_STRING))
def test_string_text_short(text: str) -> None:
    """A string inside a text is written like its `repr`."""
    assert repr(text) == string_text(text)


def test_string_text_long() -> None:
    """A long string inside a text is cut outside its quotes."""
    assert f"'{'x' * MAX_NESTED_STRING}'… +1,000 characters" == string_text(
        "x" * (MAX_NESTED_STRING + 1_000)
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0"),
        (-(2**64), "-18446744073709551616"),
        (2**MAX_INT_BITS - 1, str(2**MAX_INT_BITS - 1)),
        (2**MAX_INT_BITS, "<int, 2,049 bits>"),
        (10**10_000, "<int, 33,220 bits>"),
    ],
    ids=["zero", "65 bits", "longest", "too long", "giant"],
)
def test_integer_text(number: int, expected: str) -> None:
    """An integer is written in digits, or as its size if the digits would take long."""
    assert expected == integer_text(number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("héllo \N{SNOWMAN} \0", "héllo \N{SNOWMAN} \0"),
        ("a\ud800b\udfff", "a\\ud800b\\udfff"),
        ("é\ud83d", "é\\ud83d"),
    ],
)
def test_encodable(text: str, expected: str) -> None:
    """Lone surrogates become backslash escapes, and other characters are kept."""
    assert expected == encodable(text)


def test_head() -> None:
    """No item after the first ones is read."""
    taken = iter(range(100))
    assert [0, 1, 2] == head(lambda _: taken, None, 3)
    assert 3 == next(taken)


def test_head_of_a_changing_collection() -> None:
    """A collection that changes while it is read is read again, up to three times."""
    failures = [RuntimeError("changed"), KeyError("gone")]

    def iterate(_: None) -> list[int]:
        if failures:
            raise failures.pop()
        return [1, 2]

    assert [1, 2] == head(iterate, None)
    failures.extend(RuntimeError("changed") for _ in range(3))
    assert [] == head(iterate, None)


def test_head_out_of_stack() -> None:
    """A `RecursionError` is not mistaken for a changing collection."""

    def iterate(_: None) -> list[int]:
        raise RecursionError

    with pytest.raises(RecursionError):
        head(iterate, None)
