"""Escaped text, its width, and durations, shares and values as text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit._console.terminal_text import (
    count_cells,
    escape,
    format_duration,
    format_share,
    format_value,
    split_cells,
)

ANY_TEXT = st.text(st.characters(codec=None))
BIDI = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def is_harmful(character: str) -> bool:
    return character in BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x00\x1b[31m\x7f", r"\x00\x1b[31m\x7f"),
        ("\x85\x9b", r"\x85\x9b"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202e\u2066\u2069", r"\u202e\u2066\u2069"),
        ("\ud800x\udfff", r"\ud800x\udfff"),
        ("\ufeff\u200b", r"\ufeff\u200b"),
        ("\U000e0041", r"\U000e0041"),
        ("naïve 山田\u3000太郎 👨\u200d👩", "naïve 山田\u3000太郎 👨\u200d👩"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    """Control, bidirectional and invisible characters and surrogates are escaped."""
    assert expected == escape(text)


@given(ANY_TEXT)
def test_escaped_text_has_no_control_character(text: str) -> None:
    """Escaped text cannot control a terminal, and can be encoded."""
    escaped = escape(text)
    assert [] == [each for each in escaped if is_harmful(each)]
    escaped.encode()


@given(ANY_TEXT)
def test_escaping_twice_changes_nothing(text: str) -> None:
    """Escaped text is not changed again."""
    assert escape(text) == escape(escape(text))


@pytest.mark.parametrize(
    ("text", "expected"), [("abc", 3), ("山田", 4), ("e\u0301", 1), ("\uff46", 2), ("", 0)]
)
def test_cells(text: str, expected: int) -> None:
    """Wide characters take two columns and combining ones none."""
    assert expected == count_cells(text)


@given(ANY_TEXT.map(escape), st.integers(0, 30))
def test_split_cells(text: str, room: int) -> None:
    """The head is the longest that fits, and the two parts are the whole text."""
    head, tail = split_cells(text, room)
    assert text == head + tail
    assert count_cells(head) <= room
    assert not tail or count_cells(head + tail[0]) > room


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (9_994, "9.99 µs"),
        (9_996, "10.0 µs"),
        (99_960, "100 µs"),
        (999_499, "999 µs"),
        (999_500, "1.00 ms"),
        (12_400_000, "12.4 ms"),
        (999_600_000, "1.00 s"),
        (59_940_000_000, "59.9 s"),
        (59_960_000_000, "1m 00s"),
        (125_000_000_000, "2m 05s"),
        (3_600_000_000_000, "1h 00m"),
        (12_000_000_000_000, "3h 20m"),
        (90_000_000_000_000, "1d 01h"),
        (-12_400_000, "-12.4 ms"),
    ],
)
def test_durations(nanoseconds: int, expected: str) -> None:
    """A duration has three digits, and the unit with at most three digits before the dot."""
    assert expected == format_duration(nanoseconds)


@given(st.integers(0, 99 * 86_400 * 10**9))
def test_durations_are_short(nanoseconds: int) -> None:
    """A duration of up to 99 days takes at most seven columns."""
    assert len(format_duration(nanoseconds)) <= 7


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(1, 3, "33%"), (0, 5, "0%"), (1, 1000, "<1%"), (12, 10, "120%"), (5, 0, "")],
)
def test_shares(part: int, whole: int, expected: str) -> None:
    """A share is in whole percent: `<1%` if it rounds to 0, empty if the whole is 0."""
    assert expected == format_share(part, whole)


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain/text?a=1", "plain/text?a=1"),
        ("two words", '"two words"'),
        ("", '""'),
        ('say "hi"', "'say \"hi\"'"),
        ("'a' \"b\"", '"\'a\' \\"b\\""'),
        ("C:\\dir", "C:\\dir"),
        ("C:\\my dir", '"C:\\\\my dir"'),
        ("line\nline", '"line\\nline"'),
        (True, "true"),
        (42, "42"),
        (1.5, "1.5"),
        (None, "None"),
        (b"\x00a", "b'\\x00a'"),
        (("a", "b,c"), '[a, "b,c"]'),
        ({"k": [1, 2]}, "{k: [1, 2]}"),
        (Unprintable(), "<Unprintable>"),
    ],
)
def test_values(value: object, expected: str) -> None:
    """A value is quoted only if it would be ambiguous."""
    assert expected == format_value(value, 100)


def test_numbers_beyond_text() -> None:
    """A number too long for Python to write is shown by its type."""
    assert "<int>" == format_value(10**5000, 100)


def test_long_values_are_cut() -> None:
    """Items beyond the limit are neither formatted nor read."""

    class Endless(list):  # type: ignore[type-arg]  # the items do not matter
        def __iter__(self):
            while True:
                yield "item"

    assert "aaaa…" == format_value("a" * 1_000_000, 4)
    assert "[item, item, …]" == format_value(Endless(), 6)


def test_deep_values_are_cut() -> None:
    """A value that contains itself is cut after a few levels."""
    ring: list[object] = []
    ring.append(ring)
    assert "[[[[[…]]]]]" == format_value(ring, 100)
