"""Decoration of classes and their members: methods, class and static methods, properties."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any, Final

from tracekit._base.errors import InstrumentationError
from tracekit._instrument.callables import decorate_callable, type_text
from tracekit._instrument.compilation import Parameters
from tracekit._instrument.options import Options
from tracekit._instrument.wrappers import site_of_wrapper


def decorate_descriptor(subject: Any, options: Options) -> Any:
    """Decorate a descriptor, or another callable."""
    if isinstance(subject, (classmethod, staticmethod)):
        return _decorate_wrapped_method(subject, options)
    if isinstance(subject, property):
        return _decorate_property(subject, options)
    if isinstance(subject, functools.cached_property):
        made = copy(subject)
        made.func = decorate_callable(subject.func, options, has_receiver=True)
        return made
    if isinstance(subject, functools.partialmethod):
        function = decorate_callable(subject.func, options)
        return type(subject)(function, *subject.args, **subject.keywords)
    if isinstance(subject, types.MethodType):
        function = decorate_callable(subject.__func__, options, has_receiver=True)
        return types.MethodType(function, subject.__self__)
    return decorate_callable(subject, options)


def _decorate_wrapped_method(subject: Any, options: Options) -> Any:
    has_receiver = isinstance(subject, classmethod)
    made = type(subject)(decorate_callable(subject.__func__, options, has_receiver=has_receiver))
    # Since Python 3.10 it copies the function's attributes, and it may have more of its own.
    vars(made).update({n: value for n, value in vars(subject).items() if n not in vars(made)})
    return made


def _decorate_property(subject: property, options: Options) -> property:
    if options.skip:
        check_skip(options, parameter_names(subject), "accessor of the property")
    made = subject
    for name, replace in (("fget", "getter"), ("fset", "setter"), ("fdel", "deleter")):
        accessor = getattr(subject, name)
        if accessor is not None and site_of_wrapper(accessor) is None:
            own_options = options_for(accessor, options)
            decorated = decorate_callable(accessor, own_options, has_receiver=True)
            made = getattr(made, replace)(decorated)
    return made


def options_for(member: Any, options: Options) -> Options:
    """Return the options without the names to skip that a member does not have."""
    if not options.skip:
        return options
    names = parameter_names(member)
    return options._replace(skip=tuple(name for name in options.skip if name in names))


def check_skip(options: Options, names: set[str], owner: str) -> None:
    """Check that each name to skip is a parameter of some member."""
    unknown = [name for name in options.skip if name not in names]
    if unknown:
        raise InstrumentationError(
            f"skip names {', '.join(map(repr, unknown))}, which no {owner} takes"
        )


def functions_of(member: Any) -> list[types.FunctionType]:
    """Return the functions of which a member of a class consists."""
    if isinstance(member, property):
        found = [member.fget, member.fset, member.fdel]
    elif isinstance(member, functools.cached_property):
        found = [member.func]
    else:
        found = [getattr(member, "__func__", member)]
    return [one for one in found if isinstance(one, types.FunctionType)]


def parameter_names(member: Any) -> set[str]:
    """Return the names of all parameters of a member, and those that its signature only shows."""
    # If a name that is only shown were left out here, skipping it would do nothing, and the value
    # would be recorded among *args.
    return {name for function in functions_of(member) for name in _names_of_parameters(function)}


def _names_of_parameters(function: types.FunctionType) -> Iterable[str]:
    yield from Parameters.of_function(function).names
    try:
        yield from inspect.signature(function).parameters
    except (TypeError, ValueError):
        return


def decorate_class(subject: type, options: Options) -> type:
    """Decorate the functions of a class in place."""
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
    if options.skip:
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


@contextmanager
def locate_errors(subject: Any) -> Iterator[None]:
    """Add the location of a decorated object to the `InstrumentationError`s of a block.

    Blocks must not be nested, because each adds a location.
    """
    try:
        yield
    except InstrumentationError as error:
        message = f"@instrument on {_location_of(subject)}: {error}"
        raise InstrumentationError(message) from None


def _location_of(subject: Any) -> str:
    functions = [] if inspect.isclass(subject) else functions_of(subject)
    named = functions[0] if functions else subject
    name = getattr(named, "__qualname__", None)
    if name is None:
        return type_text(subject)
    code = getattr(named, "__code__", None)
    line = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
    return f"{getattr(named, '__module__', '?')}.{name}{line}"
