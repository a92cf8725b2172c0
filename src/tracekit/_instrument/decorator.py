"""`@instrument`: the decorator."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, overload

from opentelemetry.trace import SpanKind

from tracekit._base.levels import Level
from tracekit._instrument.classes import decorate_class, decorate_descriptor, locate_errors
from tracekit._instrument.options import (
    ErrOption,
    ExpectedOption,
    Options,
    RetOption,
    parse_err,
    parse_expected,
    parse_fields,
    parse_ret,
    parse_skip,
)
from tracekit._recording.arguments import (
    CURRENT,
    check_name,
    check_target,
    parse_kind,
    parse_level,
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
    """Record a span for every call of a function.

    The span covers the work of the function: that of a coroutine function from its first step until
    it has been awaited, that of a generator from its first step until it is exhausted or closed.
    The arguments are recorded under their own names, with their values at entry; `self` and `cls`
    are not recorded. The function's result, exceptions, signature and type do not change.

    It decorates functions, coroutine functions, generators and async generators; methods, above or
    below `@classmethod`, `@staticmethod`, `@property` and `@contextmanager`; `functools.partial`
    and other callable objects; and classes, with every function that the class body defines.

    Args:
        name: The span's name; by default the function's qualified name. Without options, the
            decorated object is passed here.
        level: The span's level for filters.
        target: The target for filters; by default the module's `__name__`. It is also the name of
            the span's instrumentation scope.
        kind: The span's kind, as OpenTelemetry's enum or its name in any case.
        skip: The names of arguments that are not recorded.
        skip_all: Whether no argument is recorded. `fields` are recorded nevertheless.
        fields: More attributes: constants, or callables whose parameters are names of the
            function's arguments (`lambda user, n: user.id + n`). They are called in order, and only
            if the span is recorded. A field with the name of an argument replaces it.
        err: Whether an `Exception` that leaves the function is recorded as an `exception` event and
            the status ERROR; or the level of the event, with the status only at level `ERROR`.
        ret: Whether the result is recorded as `return`; or a callable that makes the value from it.
        expected: Exception types that are not errors. They are recorded on the span, and its status
            does not change.
        parent: None for a new trace; a span, a span context, an OpenTelemetry context or a carrier
            (a message's headers); or a callable of the arguments that returns one. By default the
            current span.
        links: A list of what `parent` accepts, or a callable of the arguments that returns one.

    Returns:
        The decorated function, or a decorator if only options are given.

    Raises:
        InstrumentationError: An option names an argument that the function does not have, options
            contradict each other, or the object cannot be decorated.

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
        name=check_name(name) if has_name else None,
        level=parse_level(level),
        target=check_target(target),
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
        return functools.partial(_decorate, options=options)
    return _decorate(name, options)


def _decorate(subject: Any, options: Options) -> Any:
    if inspect.isclass(subject):
        return decorate_class(subject, options)
    with locate_errors(subject):
        return decorate_descriptor(subject, options)
