"""Decoration of classes: every function that the class body defines."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Mapping
from typing import Any, Final

from tracekit._base.errors import InstrumentationError
from tracekit._instrument.callables import decorate_callable
from tracekit._instrument.descriptors import (
    check_skip,
    decorate_descriptor,
    functions_of,
    options_for,
    parameter_names,
)
from tracekit._instrument.error_locations import locate_errors
from tracekit._instrument.options import Options
from tracekit._instrument.wrappers import site_of_wrapper


def decorate_class(subject: type, options: Options) -> type:
    """Decorate the functions of a class in place.

    Raises:
        InstrumentationError: The class or one of its functions cannot be decorated.
    """
    with locate_errors(subject):
        members = _own_members(subject, options)
    decorated = {name: _decorate_member(subject, members[name], options) for name in members}
    with locate_errors(subject):
        _replace_members(subject, decorated, members)
    return subject


def _own_members(subject: type, options: Options) -> dict[str, Any]:
    if options.name is not None:
        raise InstrumentationError(
            f"name={options.name!r} would be the name of every method's spans; leave it out"
        )
    members = {name: one for name, one in vars(subject).items() if _is_own(subject, name, one)}
    if not members:
        raise InstrumentationError("the class body defines no function that could be decorated")
    names = {name for member in members.values() for name in parameter_names(member)}
    check_skip(options, names, "function of the class")
    return members


def _decorate_member(subject: type, member: Any, options: Options) -> Any:
    own_options = options_for(member, options)
    if isinstance(member, types.FunctionType):
        with locate_errors(subject):
            return decorate_callable(member, own_options, has_receiver=True)
    with locate_errors(member):
        return decorate_descriptor(member, own_options)


def _replace_members(
    subject: type, decorated: Mapping[str, Any], original: Mapping[str, Any]
) -> None:
    replaced: list[str] = []
    try:
        for name, member in decorated.items():
            setattr(subject, name, member)
            replaced.append(name)
    except Exception as error:
        for name in replaced:
            setattr(subject, name, original[name])
        raise InstrumentationError(
            f"the class lets none of its functions be replaced ({type(error).__name__}: {error}); "
            f"decorate its functions one by one"
        ) from error


def _is_own(cls: type, name: str, member: Any) -> bool:
    if not isinstance(
        member,
        (types.FunctionType, classmethod, staticmethod, property, functools.cached_property),
    ):
        return False
    functions = functions_of(member)
    return (
        name not in _CALLED_BY_INTERPRETER
        and any(site_of_wrapper(one) is None for one in functions)
        and all(_is_written_in(cls, one) for one in functions)
    )


def _is_written_in(cls: type, function: types.FunctionType) -> bool:
    innermost = inspect.unwrap(function)
    # The wrapped object may be a partial or a builtin, which has fewer attributes than its wrapper.
    written = innermost if isinstance(innermost, types.FunctionType) else function
    # A function that dataclasses or attrs generated for the class has no file.
    return (
        written.__qualname__.startswith(f"{cls.__qualname__}.")
        and function.__module__ == cls.__module__
        and not written.__code__.co_filename.startswith("<")
    )


# The interpreter calls these to make, compare, hash, show, copy, inspect or destroy an object.
# Their spans would not show the program's work, and converting an argument to text would make more.
_CALLED_BY_INTERPRETER: Final = frozenset(
    f"__{name}__"
    for name in (
        "new del repr str format bytes hash bool len sizeof dir eq ne lt le gt ge getattr "
        "getattribute setattr delattr get set delete set_name init_subclass class_getitem "
        "subclasshook instancecheck subclasscheck reduce reduce_ex getstate setstate getnewargs "
        "getnewargs_ex copy deepcopy fspath index int float complex"
    ).split()
)
