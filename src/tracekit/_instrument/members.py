"""What a class or a property consists of, and which of it is to be decorated."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tracekit._base.errors import InstrumentationError
from tracekit._instrument.compilation import own_signature
from tracekit._instrument.wrappers import site_of_wrapper
from tracekit._recording.options import Options


def known_to(member: Any, options: Options) -> Options:
    """The options without the names to skip that a member of a class does not have."""
    names = parameter_names(member)
    return options._replace(skip=tuple(name for name in options.skip if name in names))


def refuse_unknown(options: Options, names: set[str], owner: str) -> None:
    """Make sure that every name to skip is a parameter of something.

    Raises:
        InstrumentationError: One is not.
    """
    unknown = [name for name in options.skip if name not in names]
    if unknown:
        raise InstrumentationError(
            f"skip names {', '.join(map(repr, unknown))}, which no {owner} takes"
        )


def put_in_place(cls: type, made: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Replace functions of a class, all of them or none.

    Raises:
        InstrumentationError: The class does not let them be replaced.
    """
    done: list[str] = []
    try:
        for name, member in made.items():
            setattr(cls, name, member)
            done.append(name)
    except Exception as error:
        for name in done:
            setattr(cls, name, before[name])
        raise InstrumentationError(
            f"the class lets none of its functions be replaced ({type(error).__name__}: {error}); "
            f"decorate its functions one by one"
        ) from error


def functions_of(member: Any) -> list[types.FunctionType]:
    """The functions that a member of a class is made of."""
    if isinstance(member, property):
        found = [member.fget, member.fset, member.fdel]
    elif isinstance(member, functools.cached_property):
        found = [member.func]
    else:
        found = [getattr(member, "__func__", member)]
    return [one for one in found if isinstance(one, types.FunctionType)]


def parameter_names(member: Any) -> set[str]:
    """The names of all parameters of a member, those that it only shows included."""
    # Those that are shown count too: skipping one that is not bound under its name has to fail
    # where the function is decorated, lest it is recorded among *args.
    return {
        name
        for one in functions_of(member)
        for signature in _signatures(one)
        for name in signature.parameters
    }


def _signatures(function: Any) -> Iterable[inspect.Signature]:
    if type(function) is types.FunctionType:
        yield own_signature(function)
    try:
        yield inspect.signature(function)
    except (TypeError, ValueError):
        return


def is_own(cls: type, name: str, member: Any) -> bool:
    """Whether the body of a class defines a member that is to be decorated with it."""
    if not isinstance(
        member,
        (types.FunctionType, classmethod, staticmethod, property, functools.cached_property),
    ):
        return False
    functions = functions_of(member)
    return (
        name not in _RUN_BY_THE_INTERPRETER
        and any(site_of_wrapper(one) is None for one in functions)
        and all(_is_written_in(cls, one) for one in functions)
    )


def _is_written_in(cls: type, function: types.FunctionType) -> bool:
    innermost = inspect.unwrap(function)
    # What is wrapped may be a partial or a builtin, which has less to say than its wrapper.
    written = innermost if isinstance(innermost, types.FunctionType) else function
    # A function that dataclasses or attrs made for the class has no file.
    return (
        written.__qualname__.startswith(f"{cls.__qualname__}.")
        and function.__module__ == cls.__module__
        and not written.__code__.co_filename.startswith("<")
    )


# What the interpreter runs to make, compare, hash, show, copy, look into or destroy an object is
# no work that anyone follows, and describing an argument would itself make such spans.
_RUN_BY_THE_INTERPRETER: Final = frozenset(
    f"__{name}__"
    for name in (
        "new del repr str format bytes hash bool len sizeof dir eq ne lt le gt ge getattr "
        "getattribute setattr delattr get set delete set_name init_subclass class_getitem "
        "subclasshook instancecheck subclasscheck reduce reduce_ex getstate setstate getnewargs "
        "getnewargs_ex copy deepcopy fspath index int float complex"
    ).split()
)
