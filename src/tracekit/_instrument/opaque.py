"""The call sites of callables whose arguments only they can bind, such as builtins and partials."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

from tracekit._base.errors import InstrumentationError
from tracekit._instrument.callable_kinds import CallableKind
from tracekit._instrument.compilation import Parameters
from tracekit._instrument.function_site import FunctionSite, make_site
from tracekit._instrument.options import Options


def opaque_site(subject: Any, options: Options) -> tuple[FunctionSite, CallableKind]:
    """Make the call site of an opaque callable.

    Args:
        subject: The callable.
        options: The options of `@instrument`.

    Returns:
        The call site, and the kind of the callable.

    Raises:
        InstrumentationError: An option names an argument that the callable does not have.
    """
    try:
        parameters = Parameters.of(inspect.signature(subject), with_defaults=True)
    except (TypeError, ValueError):
        if options.skip or any(map(callable, options.fields.values())):
            raise InstrumentationError(
                "its parameters cannot be read, so that no argument can be named"
            ) from None
        parameters = Parameters((), "*args, **kwargs", "*args, **kwargs")
    function = _without_partials(subject)
    return make_site(inspect.unwrap(function), options, parameters), _kind_of(function)


def _without_partials(subject: Any) -> Any:
    while isinstance(subject, functools.partial):
        subject = subject.func
    return subject


def _kind_of(subject: Any) -> CallableKind:
    # The function that an opaque callable wraps does not determine its result: it may run a
    # coroutine to its end, or keep a generator for the next call.
    function = subject.__func__ if type(subject) is types.MethodType else subject
    if type(function) is types.FunctionType:
        return CallableKind.of(function)
    is_marked = inspect.iscoroutinefunction(subject)
    return CallableKind.AWAITABLE if is_marked else CallableKind.FUNCTION
