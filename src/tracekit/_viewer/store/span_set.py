"""Which spans of a trace are stored, in eight to sixteen bytes a span."""

from __future__ import annotations

from array import array
from typing import Final

FINGERPRINT_MASK: Final = (1 << 64) - 1
FINGERPRINT_MULTIPLIER: Final = 0x9E3779B97F4A7C15
_SET_UP_TO: Final = 2048


def fingerprint(span: int, start: int) -> int:
    """Return the number that stands for a span.

    The start time is part of it: a retried request repeats both, while two spans that were given
    the same id by mistake differ in it, and are both kept.
    """
    return (span ^ (start * FINGERPRINT_MULTIPLIER)) & FINGERPRINT_MASK


class SpanSet:
    """Fingerprints of spans.

    A set of Python's takes about a hundred bytes a number. Beyond a few thousand, a table with open
    addressing in one array replaces it: a million spans of one trace then take 16 MB.
    """

    __slots__ = ("_few", "_mask", "_size", "_slots")

    def __init__(self) -> None:
        self._few: set[int] | None = set()
        self._slots: array[int] = array("Q")
        self._mask = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, number: int) -> bool:
        """Add a fingerprint; return whether it is new."""
        few = self._few
        if few is not None:
            if number in few:
                return False
            few.add(number)
            self._size += 1
            if self._size > _SET_UP_TO:
                self._grow(few, 4 * _SET_UP_TO)
                self._few = None
            return True
        # Zero marks a free slot.
        number = number or 1
        slots, mask = self._slots, self._mask
        place = (number * FINGERPRINT_MULTIPLIER >> 20) & mask
        while found := slots[place]:
            if found == number:
                return False
            place = (place + 1) & mask
        slots[place] = number
        self._size += 1
        if self._size * 4 > 3 * mask:
            self._grow(slots, 2 * (mask + 1))
        return True

    def _grow(self, numbers: set[int] | array[int], capacity: int) -> None:
        slots = array("Q", bytes(8 * capacity))
        mask = capacity - 1
        for value in numbers:
            number = value or (1 if isinstance(numbers, set) else 0)
            if not number:
                continue
            place = (number * FINGERPRINT_MULTIPLIER >> 20) & mask
            while slots[place]:
                place = (place + 1) & mask
            slots[place] = number
        self._slots, self._mask = slots, mask
