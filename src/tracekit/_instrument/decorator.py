"""`@instrument`: the decorator, and what it does to each thing that can be decorated."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, overload

from opentelemetry.trace import SpanKind

from tracekit._base.errors import InstrumentationError
from tracekit._base.levels import Level
from tracekit._instrument.capture import Capture
from tracekit._instrument.compilation import Parameters, own_signature
from tracekit._instrument.function_site import FunctionSite
from tracekit._instrument.members import (
    functions_of,
    is_own,
    known_to,
    parameter_names,
    put_in_place,
    refuse_unknown,
)
from tracekit._instrument.wrappers import Kind, site_of_wrapper, wrap_function, wrap_opaque
from tracekit._recording.exceptions import type_name
from tracekit._recording.options import (
    CURRENT,
    ErrOption,
    ExpectedOption,
    Options,
    RetOption,
    parse_err,
    parse_expected,
    parse_fields,
    parse_kind,
    parse_level,
    parse_name,
    parse_ret,
    parse_skip,
    parse_target,
)

T = TypeVar("T")


@overload
def instrument(
    name: str | None = None,
    *,
    level: Level | str | int = ...,
    target: str | None = ...,
    kind: SpanKind | str = ...,
    skip: Iterable[str] = ...,
    skip_all: bool = ...,
    fields: Mapping[str, Any] | None = ...,
    err: ErrOption = ...,
    ret: RetOption = ...,
    expected: ExpectedOption = ...,
    parent: Any = ...,
    links: Any = ...,
) -> Callable[[T], T]: ...
@overload
def instrument(function: T, /) -> T: ...


def instrument(
    name: Any = None,
    *,
    level: Level | str | int = Level.INFO,
    target: str | None = None,
    kind: SpanKind | str = SpanKind.INTERNAL,
    skip: Iterable[str] = (),
    skip_all: bool = False,
    fields: Mapping[str, Any] | None = None,
    err: ErrOption = True,
    ret: RetOption = False,
    expected: ExpectedOption = (),
    parent: Any = CURRENT,
    links: Any = None,
) -> Any:
    """Give every call of a function a span.

    The span lasts as long as the function's work: a coroutine function's from its first step until
    it was awaited to the end, a generator's from its first step until it is exhausted or closed.
    The arguments are recorded under their own names as they are at entry; `self` and `cls` never.
    The function's result, exceptions, signature and type stay as they are.

    It goes on functions, coroutine functions, generators and async generators; on methods, above or
    below `@classmethod`, `@staticmethod`, `@property` and `@contextmanager`; on `functools.partial`
    and other callable objects; and on a class, for every function that its body defines.

    Args:
        name: The span's name; by default the function's qualified name. Without options, what is
            decorated stands in its place.
        level: How important the span is; filters match on it.
        target: What filters match on; by default the module's `__name__`. It is also the name of
            the span's instrumentation scope.
        kind: The span's kind, as OpenTelemetry's enum or its name in any case.
        skip: The names of arguments that are not recorded.
        skip_all: Record no arguments; `fields` are recorded all the same.
        fields: Attributes to record besides: constants, or callables whose parameters are names of
            the function's arguments (`lambda user, n: user.id + n`), called in order and only when
            the span is recorded. A field named like an argument replaces it.
        err: Whether an `Exception` that escapes becomes an `exception` event and the status ERROR;
            or the level of the event, where the status becomes ERROR only at level `ERROR`.
        ret: Whether the result is recorded as `return`; or a callable that makes the value from it.
        expected: Exception types that are no errors: noted on the span, its status untouched.
        parent: None for a new trace; a span, a span context, an OpenTelemetry context or a carrier
            (a message's headers); or a callable of the arguments that gives one. By default the
            current span.
        links: A list of what `parent` takes, or a callable of the arguments that gives one.

    Returns:
        The decorated function, or the decorator where only options were given.

    Raises:
        InstrumentationError: An option names an argument that the function does not have, options
            contradict each other, or the thing cannot be decorated.

    Example:
        ```python
        from tracekit import instrument

        @instrument(skip=["db"], fields={"user.name": lambda new_user: new_user["name"]})
        def create_user(db, new_user):
            db.append(new_user)
        ```
    """
    has_name = name is None or isinstance(name, str)
    options = Options(
        name=parse_name(name) if has_name else None,
        level=parse_level(level),
        target=parse_target(target),
        kind=parse_kind(kind),
        skip=parse_skip(skip, skip_all=skip_all),
        skip_all=skip_all,
        fields=parse_fields(fields),
        err=parse_err(err),
        ret=parse_ret(ret),
        expected=parse_expected(expected),
        parent=parent,
        links=links,
    )
    if has_name:
        return functools.partial(decorate, options=options)
    return decorate(name, options)


def decorate(subject: Any, options: Options) -> Any:
    """Decorate anything that can be decorated, or say why not and where."""
    try:
        return _decorate_any(subject, options)
    except InstrumentationError as error:
        if getattr(error, "_placed", False):
            raise
        placed = InstrumentationError(f"@instrument on {_place(subject)}: {error}")
        placed._placed = True  # type: ignore[attr-defined]  # said once, by the innermost
        raise placed from None


def _decorate_any(subject: Any, options: Options) -> Any:
    if isinstance(subject, (classmethod, staticmethod)):
        has_receiver = isinstance(subject, classmethod)
        inner = _decorate_function(subject.__func__, options, has_receiver=has_receiver)
        made = type(subject)(inner)
        # Since Python 3.10 it has the function's attributes, and may have some of its own.
        vars(made).update({n: v for n, v in vars(subject).items() if n not in vars(made)})
        return made
    if isinstance(subject, property):
        return _decorate_property(subject, options)
    if isinstance(subject, functools.cached_property):
        return _decorate_cached_property(subject, options)
    if inspect.isclass(subject):
        return _decorate_class(subject, options)
    return _decorate_bound(subject, options)


def _decorate_bound(subject: Any, options: Options) -> Any:
    if isinstance(subject, functools.partialmethod):
        inner = _decorate_function(subject.func, options)
        return type(subject)(inner, *subject.args, **subject.keywords)
    if isinstance(subject, types.MethodType):
        inner = _decorate_function(subject.__func__, options, has_receiver=True)
        return types.MethodType(inner, subject.__self__)
    return _decorate_function(subject, options)


def _decorate_function(subject: Any, options: Options, *, has_receiver: bool = False) -> Any:
    # By its very type: a proxy says that it is an instance of the class of what it stands for.
    if type(subject) is not types.FunctionType:
        return _decorate_object(subject, options)
    if subject.__code__ in _CONTEXTLIB and hasattr(subject, "__wrapped__"):
        return _decorate_with_statement(subject, options)
    return _decorate_plain(subject, options, Kind.of(subject), has_receiver=has_receiver)


def _decorate_with_statement(subject: types.FunctionType, options: Options) -> Any:
    # Above @contextmanager there is only the helper that makes the context manager: the function
    # that does the work stands right below it. What it gives is stepped through, be it a generator
    # function itself or a decorated one.
    rebuild, steps = _CONTEXTLIB[subject.__code__]
    inner: Any = subject.__wrapped__  # type: ignore[attr-defined]  # asked for by the caller
    if type(inner) is types.FunctionType and Kind.of(inner) is Kind.FUNCTION:
        decorated = _decorate_plain(inner, options, steps, has_receiver=False)
    else:
        decorated = _decorate_function(inner, options)
    made = rebuild(decorated)
    kept = {name: value for name, value in vars(subject).items() if name != "__wrapped__"}
    vars(made).update(kept)
    return made


def _decorate_plain(
    subject: types.FunctionType, options: Options, kind: Kind, *, has_receiver: bool
) -> Any:
    if kind is Kind.ASYNC_GENERATOR and options.ret is not None:
        raise InstrumentationError("ret: an async generator has no result that could be recorded")
    plan = Capture.of(
        Parameters.of(own_signature(subject)),
        options,
        _constants(subject),
        has_receiver=has_receiver,
    )
    return wrap_function(subject, _site(subject, options, plan), kind)


_CONTEXTLIB: Final[dict[types.CodeType, tuple[Callable[..., Any], Kind]]] = {
    contextlib.contextmanager(_decorate_any).__code__: (contextlib.contextmanager, Kind.GENERATOR),
    contextlib.asynccontextmanager(_decorate_any).__code__: (
        contextlib.asynccontextmanager,
        Kind.ASYNC_GENERATOR,
    ),
}


def _decorate_object(subject: Any, options: Options) -> Any:
    if not callable(subject):
        raise InstrumentationError(
            f"{_kind_of(subject)} cannot be decorated; expected a function, a method, a class or "
            f"another callable"
        )
    call = type(subject).__call__
    if isinstance(call, types.FunctionType):
        named = options._replace(name=options.name or f"{type(subject).__qualname__}.__call__")
        wrapper = _decorate_function(call, named, has_receiver=True)
        return _stand_in(subject, types.MethodType(wrapper, subject), options)
    return _stand_in(subject, wrap_opaque(subject, *opaque_site(subject, options)), options)


def _stand_in(subject: Any, call: Callable[..., Any], options: Options) -> Any:
    # Loaded with the first object that is decorated: with wrapt come asyncio and much else, for
    # which a program that decorates functions has no use.
    from tracekit._instrument.proxy import instrumented

    return instrumented(subject, call, options)


def opaque_site(subject: Any, options: Options) -> tuple[FunctionSite, Kind]:
    """The call site of a callable whose arguments only it can bind, and how it runs."""
    function = _innermost(subject)
    kind = _opaque_kind(_without_partials(subject))
    try:
        parameters = Parameters.of(inspect.signature(subject), with_defaults=True)
    except (TypeError, ValueError):
        if options.skip or any(map(callable, options.fields.values())):
            raise InstrumentationError(
                "its parameters cannot be read, so that no argument can be named"
            ) from None
        parameters = Parameters((), "*args, **kwargs", "*args, **kwargs")
    plan = Capture.of(parameters, options, _constants(function), has_receiver=False)
    return _site(function, options, plan), kind


def _innermost(subject: Any) -> Any:
    return inspect.unwrap(_without_partials(subject))


def _without_partials(subject: Any) -> Any:
    while isinstance(subject, functools.partial):
        subject = subject.func
    return subject


def _opaque_kind(subject: Any) -> Kind:
    # What an opaque callable wraps says nothing of what it gives: it may run a coroutine to its
    # end, or keep a generator for the next call.
    function = subject.__func__ if type(subject) is types.MethodType else subject
    if type(function) is types.FunctionType:
        return Kind.of(function)
    return Kind.AWAITABLE if inspect.iscoroutinefunction(subject) else Kind.FUNCTION


def _site(function: Any, options: Options, plan: Capture) -> FunctionSite:
    target = options.target or getattr(function, "__module__", None) or "builtins"
    return FunctionSite(target, options, options.name or _short_name(function), plan)


def _short_name(function: Any) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).replace("<locals>.", "")


def _constants(function: Any) -> dict[str, str | int]:
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    constants: dict[str, str | int] = {
        "code.function.name": f"{module}.{name}" if module else str(name)
    }
    code = getattr(function, "__code__", None)
    if code is not None:
        constants["code.file.path"] = code.co_filename
        constants["code.line.number"] = code.co_firstlineno
    return constants


def _decorate_property(subject: property, options: Options) -> property:
    refuse_unknown(options, parameter_names(subject), "accessor of the property")
    made = subject
    for name, rebuild in (("fget", "getter"), ("fset", "setter"), ("fdel", "deleter")):
        accessor = getattr(subject, name)
        if accessor is not None and site_of_wrapper(accessor) is None:
            known = known_to(accessor, options)
            made = getattr(made, rebuild)(_decorate_function(accessor, known, has_receiver=True))
    return made


def _decorate_cached_property(subject: Any, options: Options) -> Any:
    made = copy.copy(subject)
    made.func = _decorate_function(subject.func, options, has_receiver=True)
    return made


def _decorate_class(subject: type, options: Options) -> type:
    if options.name is not None:
        raise InstrumentationError(
            f"name={options.name!r} would be the name of every method's spans; leave it out"
        )
    functions = {
        name: member for name, member in vars(subject).items() if is_own(subject, name, member)
    }
    if not functions:
        raise InstrumentationError("the class body defines no function that could be decorated")
    parameters = {p for member in functions.values() for p in parameter_names(member)}
    refuse_unknown(options, parameters, "function of the class")
    made = {
        name: _decorate_member(member, known_to(member, options))
        for name, member in functions.items()
    }
    put_in_place(subject, made, functions)
    return subject


def _decorate_member(member: Any, options: Options) -> Any:
    if isinstance(member, types.FunctionType):
        return _decorate_function(member, options, has_receiver=True)
    return decorate(member, options)


def _place(subject: Any) -> str:
    functions = [] if inspect.isclass(subject) else functions_of(subject)
    named = functions[0] if functions else subject
    name = getattr(named, "__qualname__", None)
    if name is None:
        return _kind_of(subject)
    code = getattr(named, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
    return f"{getattr(named, '__module__', '?')}.{name}{where}"


def _kind_of(subject: Any) -> str:
    return f"an object of type {type_name(type(subject))}"
