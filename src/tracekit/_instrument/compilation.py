"""Functions that are compiled from the parameter list of another function.

A wrapper with the parameters of the function that it wraps lets the interpreter bind the arguments:
a wrong call fails with the `TypeError` of the undecorated function, defaults are filled in, and the
arguments are bound only once. The compiled function gets what it needs through its closure, so that
its globals can be those of the user's module, where annotations are resolved.
"""

from __future__ import annotations

import contextlib
import inspect
import linecache
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

_Parameter = inspect.Parameter
_NO_DEFAULTS: Final[Mapping[str, Any]] = {}
_PREFIXES: Final[Mapping[Any, str]] = {_Parameter.VAR_POSITIONAL: "*", _Parameter.VAR_KEYWORD: "**"}


class Parameters(NamedTuple):
    """A parameter list as source text.

    Attributes:
        names: The names in order, without stars.
        declared: The text between the parentheses of the `def`. Every default is `None` there, and
            is replaced by the real one afterwards.
        passed: The text between the parentheses of a call that passes every argument on.
        defaults: The defaults by name; empty if the caller of the compiled function fills them in.
    """

    names: tuple[str, ...]
    declared: str
    passed: str
    defaults: Mapping[str, Any] = _NO_DEFAULTS

    @classmethod
    def of(cls, signature: inspect.Signature, *, with_defaults: bool = False) -> Parameters:
        """Return the parameter list of a signature.

        The defaults are kept for a function that is called with the arguments as the caller wrote
        them.
        """
        parameters = list(signature.parameters.values())
        return cls(
            names=tuple(parameter.name for parameter in parameters),
            declared=", ".join(_declared(parameters)),
            passed=", ".join(map(_passed, parameters)),
            defaults={
                parameter.name: parameter.default
                for parameter in parameters
                if with_defaults and parameter.default is not _Parameter.empty
            },
        )

    def set_defaults(self, function: types.FunctionType) -> None:
        """Set the defaults of a function that has these parameters."""
        if self.defaults:
            code = function.__code__
            positional = code.co_varnames[: code.co_argcount]
            keyword = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
            in_order = [self.defaults[name] for name in positional if name in self.defaults]
            function.__defaults__ = tuple(in_order)
            function.__kwdefaults__ = {
                name: self.defaults[name] for name in keyword if name in self.defaults
            }

    def free_name(self, wanted: str) -> str:
        """Return the wanted name, with underscores appended until no parameter begins with it."""
        while any(name.startswith(wanted) for name in self.names):
            wanted += "_"
        return wanted


def own_signature(function: types.FunctionType) -> inspect.Signature:
    """Return the parameters to which calls of a function are bound.

    `inspect.signature` may return another signature: that of `__signature__` or `__wrapped__`.
    """
    bare = types.FunctionType(
        function.__code__, {}, "bare", function.__defaults__, function.__closure__
    )
    bare.__kwdefaults__ = function.__kwdefaults__
    return inspect.signature(bare)


def _declared(parameters: list[_Parameter]) -> Iterable[str]:
    kinds = [parameter.kind for parameter in parameters]
    has_star = False
    for index, parameter in enumerate(parameters):
        if parameter.kind is _Parameter.KEYWORD_ONLY and not has_star:
            yield "*"
            has_star = True
        has_star = has_star or parameter.kind is _Parameter.VAR_POSITIONAL
        default = "" if parameter.default is _Parameter.empty else "=None"
        yield _PREFIXES.get(parameter.kind, "") + parameter.name + default
        is_last_positional_only = parameter.kind is _Parameter.POSITIONAL_ONLY and (
            _Parameter.POSITIONAL_ONLY not in kinds[index + 1 :]
        )
        if is_last_positional_only:
            yield "/"


def _passed(parameter: _Parameter) -> str:
    if parameter.kind is _Parameter.KEYWORD_ONLY:
        return f"{parameter.name}={parameter.name}"
    return _PREFIXES.get(parameter.kind, "") + parameter.name


def make_function(
    source: str,
    *,
    name: str,
    closure: Mapping[str, object],
    module_globals: dict[str, Any],
    title: str,
    cells: Mapping[str, types.CellType] | None = None,
) -> types.FunctionType:
    """Compile one function definition.

    Args:
        source: The definition.
        name: The name of the function in the definition.
        closure: The values of the free names of the source.
        module_globals: The function's `__globals__`.
        title: The file name of the function's frame in tracebacks.
        cells: More free names of the source, with cells of another function that they share.
    """
    shared = cells or {}
    body = "".join(f"    {line}\n" for line in source.splitlines())
    text = f"def _factory({', '.join([*closure, *shared])}):\n{body}    return {name}\n"
    namespace: dict[str, Any] = {}
    exec(_compiled(text, title), module_globals, namespace)  # noqa: S102 - the text is made above, from identifiers alone
    factory: Callable[..., types.FunctionType] = namespace["_factory"]
    made = factory(**closure, **dict.fromkeys(shared))
    return _with_cells(made, shared) if shared else made


def _compiled(text: str, title: str) -> types.CodeType:
    # A closure is decorated at every call of the function around it, with the same text each time.
    code = _codes.get((text, title))
    if code is None:
        code = compile(text, title, "exec", dont_inherit=True)
        while len(_codes) >= _MAX_CODES:
            with contextlib.suppress(KeyError, StopIteration, RuntimeError):
                oldest = next(iter(_codes))
                del _codes[oldest]
                linecache.cache.pop(oldest[1], None)
        _codes[text, title] = code
    # With this entry a traceback shows the source lines of the frame. The None keeps
    # `linecache.checkcache` from removing it.
    linecache.cache[title] = (len(text), None, text.splitlines(keepends=True), title)
    return code


_MAX_CODES: Final = 4_096
_codes: Final[dict[tuple[str, str], types.CodeType]] = {}


def _with_cells(
    made: types.FunctionType, cells: Mapping[str, types.CellType]
) -> types.FunctionType:
    own = dict(zip(made.__code__.co_freevars, made.__closure__ or (), strict=True))
    closure = tuple((own | dict(cells))[name] for name in own)
    return types.FunctionType(made.__code__, made.__globals__, made.__name__, None, closure)


def rename(made: types.FunctionType, name: str, qualname: str) -> None:
    """Set the name of a compiled function, for tracebacks too."""
    code = made.__code__.replace(co_name=name)
    if sys.version_info >= (3, 11):
        code = code.replace(co_qualname=qualname)
    made.__code__ = code
    made.__name__, made.__qualname__ = name, qualname


def code_for_closure_of(
    wrapper: types.FunctionType, function: types.FunctionType
) -> types.CodeType | None:
    """Return a function's own code in a form that its wrapper can run.

    Python lets a function exchange its code for one with as many free names. So the free names of
    the wrapper are added to the function's code, which never reads them.

    Returns:
        The code. None if the function has free names of its own, or if it would find the added ones
        among its locals.
    """
    code = function.__code__
    if code.co_freevars or not _UNBOUND_NAMES_ARE_NOT_IN_LOCALS:
        return None
    return code.replace(co_freevars=wrapper.__code__.co_freevars)


# Before Python 3.13 a frame's locals hold every free name of its code. In 3.10 the function would
# see the wrapper's; in 3.11 and 3.12, where the names are never bound, `locals()` crashes.
_UNBOUND_NAMES_ARE_NOT_IN_LOCALS: Final = sys.version_info >= (3, 13)
