"""How much of a value is recorded: every bound of the descriptions, in one place.

Lengths are in characters, widths in items, depths in levels of nesting. A bound is what is kept;
the mark that says how much is missing comes on top of it.
"""

from __future__ import annotations

from typing import Final

MAX_STRING: Final = 4_096
"""Characters of a string that is an attribute value by itself."""

MAX_TEXT: Final = 1_024
"""Characters of the text that stands for a container or an object."""

MAX_NESTED_STRING: Final = 256
"""Characters of a string inside such a text."""

MAX_WIDTH: Final = 10
"""Items of one container, and fields of one object, inside such a text."""

MAX_DEPTH: Final = 4
"""Levels of containers and objects inside such a text; below them stands an ellipsis."""

MAX_ARRAY: Final = 16
"""Elements of a list or tuple that is recorded as an array."""

MAX_ARRAY_STRING: Final = 1_024
"""Characters of each string in such an array."""

MAX_NAME: Final = 256
"""Characters of a name that are looked at: of a type, and of a key that may be sensitive."""

MAX_INT_BITS: Final = 2_048
"""Bits of an integer that is written out; a longer one is recorded as its size.

Decimal digits of a long integer take quadratic time, and `sys.set_int_max_str_digits` may be set
as low as 640 digits; 2,048 bits are at most 617 digits.
"""

MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1
"""The integers that OTLP carries as numbers, both ends included."""

MAX_ATTRIBUTES_SEEN: Final = 64
"""Entries of an object's `__dict__` that are looked through for public attributes."""
