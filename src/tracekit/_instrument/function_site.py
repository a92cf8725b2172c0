"""The call site of a decorated function or another callable."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import weakref
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from tracekit._base.errors import InstrumentationError
from tracekit._filters.call_sites import CallSite, registry
from tracekit._filters.filter_set import DynamicFilter, FilterSet
from tracekit._instrument.capture import Capture
from tracekit._instrument.compilation import ANY_PARAMETERS, Parameters
from tracekit._instrument.options import Options
from tracekit._recording.attributes import SiteAttributes
from tracekit._recording.filter_decisions import DecidedSpan, decide_span
from tracekit._recording.span_lifecycle import SpanCallSite
from tracekit._values.redaction import Redaction, current_redaction


class CallableKind(Enum):
    """The kind of a callable; it decides what the span of a call covers."""

    FUNCTION = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator function"
    ASYNC_GENERATOR = "async generator function"
    AWAITABLE = "callable object that is marked as a coroutine function"

    @classmethod
    def of(cls, function: Callable[..., Any]) -> CallableKind:
        """Return the kind of a function; one that is marked as a coroutine function is one."""
        if type(function) is types.FunctionType and not vars(function):
            return _KINDS.get(function.__code__.co_flags & _KIND_FLAGS, cls.FUNCTION)
        if inspect.isasyncgenfunction(function):
            return cls.ASYNC_GENERATOR
        if inspect.isgeneratorfunction(function):
            return cls.GENERATOR
        return cls.COROUTINE if inspect.iscoroutinefunction(function) else cls.FUNCTION


# The flags of a function's code say what it is, unless an attribute of the function marks it.
_KINDS: Final = {
    inspect.CO_COROUTINE: CallableKind.COROUTINE,
    inspect.CO_GENERATOR: CallableKind.GENERATOR,
    inspect.CO_ASYNC_GENERATOR: CallableKind.ASYNC_GENERATOR,
}
_KIND_FLAGS: Final = sum(_KINDS)


class FunctionSite(SpanCallSite):
    """The call site of a decorated function.

    `attributes` returns the attributes of a span for the arguments of a call, with the decision of
    the filters if they decide call by call; None if no span is made. `parentage` returns the parent
    and the links in the same way; it is None if neither option is set.
    """

    __slots__ = ("_bypass", "_redaction", "attributes", "capture", "parentage")

    attributes: Callable[..., dict[str, Any] | DecidedSpan | None]
    _redaction: Redaction

    def __init__(self, target: str, options: Options, name: str, capture: Capture) -> None:
        self._prepare(capture)
        super().__init__(
            target,
            options.level,
            name=name,
            kind=options.kind,
            site_attributes=SiteAttributes(capture.constants),
            err=options.err,
            expected=options.expected,
            ret=options.ret,
        )

    def _prepare(self, capture: Capture) -> None:
        self.capture = capture
        self.parentage = capture.compile_parentage() if capture.has_parentage else None
        self._redaction = current_redaction()
        self._bypass: _Bypass | None = None
        self.dynamic_filter = None

    def bypass(self, wrapper: types.FunctionType, function_code: types.CodeType) -> None:
        """Let a wrapper run the function's own code while this call site is disabled.

        Any other wrapper tests at each call whether the site is disabled.
        """
        self._bypass = _Bypass(wrapper, function_code)
        self._bypass.update(self)

    def is_end_of_iteration(self, error: BaseException) -> bool:
        """Whether an exception is how an iterator's method signals that there are no more items."""
        if not isinstance(error, (StopIteration, StopAsyncIteration)):
            return False
        return self.capture.function_name.endswith((".__next__", ".__anext__"))

    def update_interest(self, filters: FilterSet) -> None:
        """Cache what the filters say, and drop a capture that was compiled for other settings."""
        before = self._redaction, self.dynamic_filter
        self._redaction = current_redaction()
        super().update_interest(filters)
        if self._bypass is not None:
            self._bypass.update(self)
        if before != (self._redaction, self.dynamic_filter):
            with contextlib.suppress(AttributeError):
                del self.attributes

    def __getattr__(self, name: str) -> Any:
        # An empty slot comes here: the capture is compiled when it is first needed.
        if name != "attributes":
            raise AttributeError(f"a {type(self).__name__} has no attribute {name!r}")
        redaction, dynamic_filter = self._redaction, self.dynamic_filter
        compiled = self._compile_attributes(redaction, dynamic_filter)
        with registry.lock:
            # A capture that would show what must be redacted now is not kept.
            if self._redaction is redaction and self.dynamic_filter is dynamic_filter:
                self.attributes = compiled
        return compiled

    def find_dynamic_filter(self, filters: FilterSet) -> DynamicFilter | None:
        """Return the filter that decides about the spans of this function at each call."""
        return filters.dynamic_filter_for(self.target, self.level, self.name)

    def _compile_attributes(
        self, redaction: Redaction, dynamic_filter: DynamicFilter | None
    ) -> Callable[..., dict[str, Any] | DecidedSpan | None]:
        if dynamic_filter is None:
            return self.capture.compile_attributes(redaction)
        # The fields that decide are evaluated first, and not again for the span.
        needed_capture, other_capture = self.capture.split(dynamic_filter.needed_fields)
        describe_needed = needed_capture.compile_attributes(redaction)
        describe_others = other_capture.compile_attributes(redaction)
        order = self.capture.order

        def describe_all(fields: dict[str, Any], /, *args: Any, **kwargs: Any) -> dict[str, Any]:
            attributes: dict[str, Any] = describe_others(*args, **kwargs)
            if not fields:
                return attributes
            attributes |= fields
            return {name: attributes[name] for name in order if name in attributes}

        return functools.partial(decide_span, dynamic_filter, describe_needed, describe_all)

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle pickles a function of __main__ with its closure. The compiled functions cannot
        # be pickled, so they are compiled again from the capture.
        names = ("target", "level", "name", "kind", "err", "expected", "ret", "capture")
        return _restore, ({name: getattr(self, name) for name in names},)


def _restore(values: dict[str, Any]) -> FunctionSite:
    site = FunctionSite.__new__(FunctionSite)
    capture: Capture = values.pop("capture")
    site._prepare(capture)
    SpanCallSite.__init__(site, site_attributes=SiteAttributes(capture.constants), **values)
    return site


class _Bypass:
    """A wrapper, and the codes that it runs while its call site is enabled and disabled."""

    __slots__ = ("_disabled_code", "_enabled_code", "_function_code", "_wrapper")

    def __init__(self, wrapper: types.FunctionType, function_code: types.CodeType) -> None:
        self._wrapper = weakref.ref(wrapper)
        self._enabled_code = wrapper.__code__
        self._function_code = function_code
        self._disabled_code: types.CodeType | None = None

    def update(self, site: CallSite) -> None:
        wrapper = self._wrapper()
        # Another thread may disable or enable the call site after it was read here, so it is read
        # again until nothing is left to change.
        while wrapper is not None:
            code = self._code_while_disabled() if site.disabled else self._enabled_code
            if wrapper.__code__ is code:
                return
            wrapper.__code__ = code

    def _code_while_disabled(self) -> types.CodeType:
        if self._disabled_code is None:
            names = self._enabled_code.co_freevars
            self._disabled_code = self._function_code.replace(co_freevars=names)
        return self._disabled_code


def make_site(
    function: Any, options: Options, parameters: Parameters, *, has_receiver: bool = False
) -> FunctionSite:
    """Make the call site of a function.

    With `has_receiver` the first argument is the instance or class, whatever its name.
    """
    module = getattr(function, "__module__", None)
    qualname = str(getattr(function, "__qualname__", None) or type(function).__qualname__)
    constants: dict[str, str | int] = {
        "code.function.name": f"{module}.{qualname}" if module else qualname
    }
    code = getattr(function, "__code__", None)
    if code is not None:
        constants["code.file.path"] = code.co_filename
        constants["code.line.number"] = code.co_firstlineno
    capture = Capture.of(parameters, options, constants, has_receiver=has_receiver)
    name = options.name or qualname.replace("<locals>.", "")
    return FunctionSite(options.target or module or "builtins", options, name, capture)


def opaque_site(subject: Any, options: Options) -> tuple[FunctionSite, CallableKind]:
    """Make the call site of a callable whose arguments only it can bind, and return its kind."""
    try:
        parameters = Parameters.of_signature(inspect.signature(subject))
    except (TypeError, ValueError):
        if options.skip or any(map(callable, options.fields.values())):
            raise InstrumentationError(
                "its parameters cannot be read, so that no argument can be named"
            ) from None
        # The names of its arguments are not known, so that none is recorded.
        parameters, options = ANY_PARAMETERS, options._replace(skip_all=True)
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
