"""The usual texts of values that contain no others: enums, dates, paths, functions, modules.

Every function returns text of any length; the writer cuts it. Methods that a subclass may have
overridden are called on the builtin class.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

from tracekit._values.bounded_text import integer_text
from tracekit._values.limits import MAX_TEXT
from tracekit._values.type_names import kind_text, qualified_name, short_name

if TYPE_CHECKING:
    from collections.abc import Callable

# Only inside `<… at 0x7f…>`: elsewhere a hexadecimal number may be part of the message.
_ADDRESS = re.compile(r"(?: at 0x[0-9A-Fa-f]+| id='\d+')(?=[>;,])")
_FUNCTIONS = frozenset({FunctionType, BuiltinFunctionType})


def enum_text(member: Any) -> str:
    """Return `Color.RED` or `Perm.R|W`, in the same form in every release of Python.

    `str()` of members with a mixed-in type and names of combined flags differ between releases.
    """
    members: dict[str, Any] = member._member_map_
    title = short_name(type(member))
    for name, other in members.items():
        if other is member:
            return f"{title}.{name}"
    return f"{title}.{_flag_names(members, member._value_)}"


def _flag_names(members: dict[str, Any], number: int) -> str:
    bits: dict[str, int] = {name: member._value_ for name, member in members.items()}
    if number < 0:
        # Old releases keep a complement as a negative number, new ones as its bits.
        number &= reduce(or_, bits.values(), 0)
    for name, bit in bits.items():
        if bit == number:
            return name
    single = {name: bit for name, bit in bits.items() if bit & number and bit.bit_count() == 1}
    rest = number & ~reduce(or_, single.values(), 0)
    return "|".join([*single, *([str(rest)] if rest or not single else [])])


def iso_text(value: Any) -> str:
    """Return a date, a time or both in ISO 8601."""
    # Not datetime's own method: pandas.Timestamp has nanoseconds, and pandas.NaT has no date.
    return str(value.isoformat())


def fraction_text(fraction: Any) -> str:
    """Return `3/4`, without the digits of a number that is too long to write."""
    numerator = integer_text(int(fraction.numerator))
    denominator = int(fraction.denominator)
    return numerator if denominator == 1 else f"{numerator}/{integer_text(denominator)}"


def owner_of(method: str, kind: type) -> type:
    """Return the class among a type's bases that defines a special method."""
    return next(base for base in kind.__mro__ if method in base.__dict__)


def repr_text(value: object) -> str:
    """Return the result of the value's own `__repr__`, without memory addresses."""
    text = str.__str__(repr(value))
    return _ADDRESS.sub("", text[:MAX_TEXT]) + text[MAX_TEXT:]


def function_text(function: Any) -> str:
    """Return the qualified name of a function or method: `shop.orders.Order.pay`, `len`."""
    module, name = function.__module__, function.__qualname__
    has_module = type(module) is str and module not in {"", "builtins"}
    return f"{module}.{name}" if has_module else str(name)


def method_text(method: Any) -> str:
    """Return the qualified name of a bound method's function, without touching the object."""
    function = method.__func__
    return function_text(function) if type(function) in _FUNCTIONS else kind_text(function)


def descriptor_text(descriptor: Any) -> str:
    """Return the qualified name of a method of a builtin type: `str.join`."""
    return f"{qualified_name(descriptor.__objclass__)}.{descriptor.__name__}"


def generator_text(generator: Any) -> str:
    """Return the kind and the function of a generator or coroutine, without running it."""
    return f"<{short_name(type(generator))} {generator.__qualname__}>"


def _bytes_text(count: Callable[[Any], int]) -> Callable[[object], str]:
    return lambda value: f"<{qualified_name(type(value))}, {count(value):,} bytes>"


TEXTS: dict[str, Callable[[Any], str]] = {
    "builtins.complex": complex.__repr__,
    "datetime.date": iso_text,
    "datetime.time": iso_text,
    "fractions.Fraction": fraction_text,
    "re.Pattern": lambda pattern: str(pattern.pattern),
    "builtins.type": qualified_name,
    "builtins.module": lambda module: str(module.__name__),
    "builtins.method": method_text,
    "builtins.bytes": _bytes_text(bytes.__len__),
    # Not through a memoryview, which would forbid the program to resize the bytearray.
    "builtins.bytearray": _bytes_text(bytearray.__len__),
    "builtins.memoryview": _bytes_text(lambda view: int(view.nbytes)),
    **dict.fromkeys(("builtins.function", "builtins.builtin_function_or_method"), function_text),
    **dict.fromkeys(
        (
            "builtins.method_descriptor",
            "builtins.classmethod_descriptor",
            "builtins.wrapper_descriptor",
            "builtins.method-wrapper",
        ),
        descriptor_text,
    ),
    **dict.fromkeys(
        ("builtins.generator", "builtins.coroutine", "builtins.async_generator"), generator_text
    ),
    **dict.fromkeys(
        (
            "datetime.timedelta",
            "datetime.tzinfo",
            "decimal.Decimal",
            "ipaddress._IPAddressBase",
            "numpy.datetime64",
            "numpy.timedelta64",
            "pathlib.PurePath",
            "uuid.UUID",
        ),
        str,
    ),
}
"""The function that returns the text of each kind of single value, by lookup name."""
