"""Every limit on how much of a value is recorded.

Lengths are in characters, widths in items, depths in levels of nesting. A limit is the amount that
is kept. The note that states how much is missing is added to it.
"""

from __future__ import annotations

from typing import Final

MAX_STRING: Final = 4_096
"""Characters of a string that is an attribute value by itself."""

MAX_TEXT: Final = 1_024
"""Characters of the text of a container or an object."""

MAX_NESTED_STRING: Final = 256
"""Characters of a string inside such a text."""

MAX_WIDTH: Final = 10
"""Items of one container, and fields of one object, inside such a text."""

MAX_DEPTH: Final = 4
"""Levels of containers and objects inside such a text; an ellipsis replaces deeper ones."""

MAX_ARRAY: Final = 16
"""Elements of a list or tuple that is recorded as an array."""

MAX_ARRAY_STRING: Final = 1_024
"""Characters of each string in such an array."""

MAX_NAME: Final = 256
"""Characters that are used of the name of a type, and of a key that may be sensitive."""

MAX_INT_BITS: Final = 2_048
"""Bits of an integer that is written in digits; only the size of a longer one is recorded.

Decimal digits of a long integer take quadratic time, and a program may limit them to 640 with
`sys.set_int_max_str_digits`. 2,048 bits are at most 617 digits.
"""

MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1
"""The range of integers that OTLP transports as numbers, both ends included."""

MAX_ATTRIBUTES_SEEN: Final = 64
"""Entries of an object's `__dict__` that are searched for public attributes."""
