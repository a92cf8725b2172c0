"""Decoration of callables: functions, context manager functions, and callable objects."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable
from typing import Any, Final

from tracekit._base.errors import InstrumentationError
from tracekit._instrument.compilation import Parameters
from tracekit._instrument.function_site import CallableKind, make_site, opaque_site
from tracekit._instrument.options import Options
from tracekit._instrument.wrappers import wrap_function, wrap_opaque
from tracekit._values.type_names import qualified_name


def decorate_callable(subject: Any, options: Options, *, has_receiver: bool = False) -> Any:
    """Decorate a callable: return a function for a function, and a proxy for any other object.

    With `has_receiver` the first argument is the instance or class, whatever its name.
    """
    # The exact type counts: a proxy pretends to be an instance of the class of its object.
    if type(subject) is not types.FunctionType:
        return _decorate_object(subject, options)
    if subject.__code__ in _CONTEXT_MANAGERS and hasattr(subject, "__wrapped__"):
        return _decorate_context_manager(subject, options)
    return _decorate_function(subject, options, CallableKind.of(subject), has_receiver=has_receiver)


def _decorate_function(
    subject: types.FunctionType, options: Options, kind: CallableKind, *, has_receiver: bool
) -> Any:
    if kind is CallableKind.ASYNC_GENERATOR and options.ret is not None:
        raise InstrumentationError("ret: an async generator has no result that could be recorded")
    parameters = Parameters.of_function(subject)
    site = make_site(subject, options, parameters, has_receiver=has_receiver)
    return wrap_function(subject, site, kind)


def _decorate_context_manager(subject: types.FunctionType, options: Options) -> Any:
    # The function above @contextmanager only makes the context manager. The function below it does
    # the work. It returns a generator, whether it is a generator function or a decorated one.
    context_manager, kind = _CONTEXT_MANAGERS[subject.__code__]
    inner = vars(subject)["__wrapped__"]
    if type(inner) is types.FunctionType and CallableKind.of(inner) is CallableKind.FUNCTION:
        decorated = _decorate_function(inner, options, kind, has_receiver=False)
    else:
        decorated = decorate_callable(inner, options)
    made = context_manager(decorated)
    vars(made).update({n: value for n, value in vars(subject).items() if n != "__wrapped__"})
    return made


# The code of the functions that contextlib's decorators return.
_CONTEXT_MANAGERS: Final[dict[types.CodeType, tuple[Callable[..., Any], CallableKind]]] = {
    contextlib.contextmanager(decorate_callable).__code__: (
        contextlib.contextmanager,
        CallableKind.GENERATOR,
    ),
    contextlib.asynccontextmanager(decorate_callable).__code__: (
        contextlib.asynccontextmanager,
        CallableKind.ASYNC_GENERATOR,
    ),
}


def _decorate_object(subject: Any, options: Options) -> Any:
    if not callable(subject):
        raise InstrumentationError(
            f"{type_text(subject)} cannot be decorated; expected a function, a method, a class or "
            f"another callable"
        )
    # wrapt loads asyncio and more, which a program that only decorates functions does not need.
    from tracekit._instrument.proxy import make_proxy

    call = type(subject).__call__
    if isinstance(call, types.FunctionType):
        named = options._replace(name=options.name or f"{type(subject).__qualname__}.__call__")
        method = types.MethodType(decorate_callable(call, named, has_receiver=True), subject)
        return make_proxy(subject, method, options, decorate_callable)
    wrapper = wrap_opaque(subject, *opaque_site(subject, options))
    return make_proxy(subject, wrapper, options, decorate_callable)


def type_text(subject: object) -> str:
    """Return the type of an object for an error message."""
    return f"an object of type {qualified_name(type(subject))}"
