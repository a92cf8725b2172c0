"""Values that contain no others are recorded by their usual text."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import ipaddress
import itertools
import pathlib
import re
import uuid
import zoneinfo
from collections import UserString

import pytest

from tracekit._values.attribute_values import to_attribute_value


class Color(enum.Enum):
    RED = 1
    ROT = 1


class Number(enum.IntEnum):
    ONE = 1


class Word(str, enum.Enum):
    HELLO = "hello"

    def __str__(self) -> str:
        return "something else"


class Perm(enum.Flag):
    R = 4
    W = 2
    X = 1
    RW = 6


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Data(enum.Enum):
    PAIR = (1, [2])


class Money(decimal.Decimal):
    """A decimal of a subclass."""


class OddError(Exception):
    def __str__(self) -> str:
        return f"problem {self.args[0]}"


class Shop:
    def buy(self) -> None:
        """Nothing."""

    @classmethod
    def open(cls) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Color.RED, "Color.RED"),
        (Color.ROT, "Color.RED"),
        (Number.ONE, "Number.ONE"),
        (Word.HELLO, "Word.HELLO"),
        (Data.PAIR, "Data.PAIR"),
        (Perm.R, "Perm.R"),
        (Perm.R | Perm.X, "Perm.R|X"),
        (Perm.X | Perm.R, "Perm.R|X"),
        (Perm.R | Perm.W, "Perm.RW"),
        (~Perm.R, "Perm.W|X"),
        (Perm(0), "Perm.0"),
        (~Bits.A, "Bits.B"),
        (Bits(9), "Bits.A|8"),
        (Bits(0), "Bits.0"),
        ([Color.RED, {Word.HELLO: Number.ONE}], "[Color.RED, {Word.HELLO: Number.ONE}]"),
    ],
    ids=itertools.count(),
)
def test_enums(value: object, expected: str) -> None:
    """A member is recorded by its class and name, in every release of Python."""
    assert expected == to_attribute_value(value)


UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 12, 30), "2024-02-29T12:30:00"),
        (datetime.datetime(2024, 2, 29, 12, 30, tzinfo=UTC), "2024-02-29T12:30:00+00:00"),
        (datetime.time(12, 30, 0, 5), "12:30:00.000005"),
        (datetime.timedelta(days=1, seconds=2), "1 day, 0:00:02"),
        (UTC, "UTC"),
        (zoneinfo.ZoneInfo("UTC"), "UTC"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (pathlib.PureWindowsPath("c:\\a"), "c:\\a"),
        (pathlib.Path("a"), "a"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (decimal.Decimal("1.10"), "1.10"),
        (Money("1.10"), "1.10"),
        (fractions.Fraction(-3, 4), "-3/4"),
        (fractions.Fraction(3), "3"),
        (fractions.Fraction(1, 10**10_000), "1/<int, 33,220 bits>"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (re.compile("a+"), "a+"),
        (UserString("abc"), "abc"),
        ([datetime.date(2024, 2, 29), pathlib.PurePosixPath("/a")], "[2024-02-29, /a]"),
    ],
    ids=itertools.count(),
)
def test_usual_text(value: object, expected: str) -> None:
    """Dates, paths, numbers and identifiers are recorded by their usual text."""
    assert expected == to_attribute_value(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (ValueError(""), "ValueError"),
        (ValueError(1), "ValueError: 1"),
        (ValueError("a", 1), "ValueError: ('a', 1)"),
        (ValueError(["x"] * 200_000), f"ValueError: [{', '.join(['x'.__repr__()] * 10)}, … +"),
        (ValueError({"password": "x"}), "ValueError: {'password': [redacted]}"),
        (KeyError("k"), "KeyError: 'k'"),
        (FileNotFoundError(2, "gone", "f"), "FileNotFoundError: [Errno 2] gone: 'f'"),
        (OddError("x"), "OddError: problem x"),
        (OddError(), "<OddError, repr failed: IndexError>"),
        (ValueError("x" * 2_000), "ValueError: xxx"),
        ([ValueError("bad"), 1], "[ValueError: bad, 1]"),
    ],
    ids=itertools.count(),
)
def test_exceptions(value: object, expected: str) -> None:
    """An exception is recorded by its type and message."""
    text = to_attribute_value(value)
    assert isinstance(text, str)
    assert expected == text[: len(expected)]
    assert len(text) <= max(len(expected), 1_025)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (int, "int"),
        (Shop, f"{__name__}.Shop"),
        (Color, f"{__name__}.Color"),
        (pathlib.PurePath.__mro__[-1], "object"),
        (to_attribute_value, "tracekit._values.attribute_values.to_attribute_value"),
        (test_enums, f"{__name__}.test_enums"),
        (Shop.buy, f"{__name__}.Shop.buy"),
        (Shop().buy, f"{__name__}.Shop.buy"),
        (Shop.open, f"{__name__}.Shop.open"),
        (len, "len"),
        (str.join, "str.join"),
        ([].append, "list.append"),
        ("".__add__, "str.__add__"),
        (re, "re"),
        ([int, len], "[int, len]"),
    ],
    ids=itertools.count(),
)
def test_names(value: object, expected: str) -> None:
    """Classes, functions and modules are recorded by their qualified name."""
    assert expected == to_attribute_value(value)
