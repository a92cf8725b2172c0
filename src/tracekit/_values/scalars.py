"""Values that are one thing: what each of them is called in the usual text.

Every function takes a value of its kind and returns text of any length; who asks cuts it.
Methods that a subclass may have overridden are called on the builtin class.
"""

from __future__ import annotations

import re
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

from tracekit._values.bounds import MAX_TEXT
from tracekit._values.text import integer
from tracekit._values.type_names import kind_text, name_of, qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Only inside `<… at 0x7f…>`: elsewhere a number in hexadecimal may be what the text is about.
_ADDRESS = r"(?: at 0x[0-9A-Fa-f]+| id='\d+')(?=[>;,])"


def enum_text(member: Any) -> str:
    """`Color.RED`, `Perm.R|W`: the same in every release of Python.

    `str()` of members with a mixed-in type and names of combined flags differ between releases.
    """
    members: dict[str, Any] = member._member_map_
    for name, other in members.items():
        if other is member:
            return f"{name_of(member)}.{name}"
    return f"{name_of(member)}.{_flag_names(members, member._value_)}"


def _flag_names(members: dict[str, Any], number: int) -> str:
    bits: dict[str, int] = {name: member._value_ for name, member in members.items()}
    if number < 0:
        # A complement is kept as a negative number by old releases, as its bits by new ones.
        number &= _union(bits.values())
    for name, bit in bits.items():
        if bit == number:
            return name
    single = {name: bit for name, bit in bits.items() if bit & number and bit.bit_count() == 1}
    rest = number & ~_union(single.values())
    return "|".join([*single, *([str(rest)] if rest or not single else [])])


def _union(bits: Iterable[int]) -> int:
    union = 0
    for bit in bits:
        union |= bit
    return union


def iso_text(moment: Any) -> str:
    """A date, a time or both in ISO 8601."""
    # Not datetime's own: pandas.Timestamp has nanoseconds and pandas.NaT no date at all.
    return str(moment.isoformat())


def fraction_text(fraction: Any) -> str:
    """`3/4`, without the digits of a number that is too long to write."""
    above, below = int(fraction.numerator), int(fraction.denominator)
    return integer(above) if below == 1 else f"{integer(above)}/{integer(below)}"


def pattern_text(pattern: re.Pattern[Any]) -> str:
    """What the regular expression says."""
    return str(pattern.pattern)


def exception_message(error: BaseException) -> object:
    """What an exception says, or the arguments that stand for it.

    Returns:
        The text of an own `__str__`; otherwise the only argument, or the tuple of several, which
        `BaseException.__str__` would write out to the end. An empty string if there is none.
    """
    if owner_of("__str__", type(error)) is not BaseException:
        return str.__str__(str(error))
    args: tuple[object, ...] = BaseException.__dict__["args"].__get__(error)
    return args[0] if len(args) == 1 else args or ""


def owner_of(method: str, kind: type) -> type:
    """The class among the bases of a type that a special method comes from."""
    return next(base for base in kind.__mro__ if method in base.__dict__)


def repr_text(value: object) -> str:
    """What the value's own `__repr__` says, without memory addresses."""
    text = str.__str__(repr(value))
    return re.sub(_ADDRESS, "", text[:MAX_TEXT]) + text[MAX_TEXT:]


def type_text(kind: type) -> str:
    """The qualified name of a class."""
    return qualified_name(kind)


def function_text(function: Any) -> str:
    """The qualified name of a function or method: `shop.orders.Order.pay`, `len`."""
    module, name = function.__module__, function.__qualname__
    plain = module if type(module) is str and module != "builtins" else ""
    return f"{plain}.{name}" if plain else str(name)


def method_text(method: Any) -> str:
    """The qualified name of the function behind a bound method; the object is not looked at."""
    function = method.__func__
    return function_text(function) if type(function) in _FUNCTIONS else kind_text(function)


def descriptor_text(descriptor: Any) -> str:
    """The qualified name of a method of a builtin type: `str.join`."""
    return f"{qualified_name(descriptor.__objclass__)}.{descriptor.__name__}"


def module_text(module: Any) -> str:
    """The name of a module."""
    return str(module.__name__)


def running_text(frame_holder: Any) -> str:
    """A generator or coroutine by the name of its function; it is not run."""
    return f"<{name_of(frame_holder)} {frame_holder.__qualname__}>"


def bytes_text(value: bytes) -> str:
    """Bytes by their number."""
    return _sized(value, bytes.__len__(value))


def bytearray_text(value: bytearray) -> str:
    """A bytearray by its number of bytes; a view of it would forbid the program to resize it."""
    return _sized(value, bytearray.__len__(value))


def memoryview_text(value: memoryview) -> str:
    """A view of memory by its number of bytes."""
    return _sized(value, value.nbytes)


def _sized(value: object, size: int) -> str:
    return f"<{qualified_name(type(value))}, {size:,} bytes>"


_FUNCTIONS = frozenset({FunctionType, BuiltinFunctionType})

TEXTS: dict[str, Callable[[Any], str]] = {
    "datetime.date": iso_text,
    "datetime.time": iso_text,
    "fractions.Fraction": fraction_text,
    "re.Pattern": pattern_text,
    "builtins.type": type_text,
    "builtins.module": module_text,
    "builtins.method": method_text,
    "builtins.bytes": bytes_text,
    "builtins.bytearray": bytearray_text,
    "builtins.memoryview": memoryview_text,
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
        ("builtins.generator", "builtins.coroutine", "builtins.async_generator"), running_text
    ),
    **dict.fromkeys(
        (
            "datetime.timedelta",
            "datetime.tzinfo",
            "decimal.Decimal",
            "ipaddress._IPAddressBase",
            "pathlib.PurePath",
            "uuid.UUID",
        ),
        str,
    ),
}
"""What each kind of single thing is called, by the table name of its class."""
