"""Decoration of descriptors: methods, class methods, static methods and properties."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable
from copy import copy
from typing import Any

from tracekit._base.errors import InstrumentationError
from tracekit._instrument.callables import decorate_callable
from tracekit._instrument.compilation import own_signature
from tracekit._instrument.options import Options
from tracekit._instrument.wrappers import site_of_wrapper


def decorate_descriptor(subject: Any, options: Options) -> Any:
    """Decorate a descriptor, or another callable.

    Raises:
        InstrumentationError: The object cannot be decorated with these options.
    """
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
    names = parameter_names(member)
    return options._replace(skip=tuple(name for name in options.skip if name in names))


def check_skip(options: Options, names: set[str], owner: str) -> None:
    """Check that each name to skip is a parameter of some member.

    Raises:
        InstrumentationError: One is not.
    """
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
    return {
        name
        for function in functions_of(member)
        for signature in _signatures(function)
        for name in signature.parameters
    }


def _signatures(function: Any) -> Iterable[inspect.Signature]:
    if type(function) is types.FunctionType:
        yield own_signature(function)
    try:
        yield inspect.signature(function)
    except (TypeError, ValueError):
        return
