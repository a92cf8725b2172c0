"""Functions made to measure: wrappers and captures written from a function's own parameter list.

A wrapper that is compiled with the parameters of the function it wraps lets the interpreter bind
the arguments: a wrong call fails with the very `TypeError` of the undecorated function, defaults
are filled in, and nothing is bound twice. What the made function needs reaches it through its
closure, so that its globals can stay those of the user's module, where tools look annotations up.
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


class Parameters(NamedTuple):
    """A parameter list as source text.

    Attributes:
        names: The names, in order; without the stars.
        declared: What stands between the parentheses of the `def`; a default stands as `None` and
            is put in its place afterwards.
        passed: What stands between the parentheses of a call that hands every argument on.
        defaults: The defaults by name, where they are not filled in before; else empty.
    """

    names: tuple[str, ...]
    declared: str
    passed: str
    defaults: Mapping[str, Any] = _NO_DEFAULTS

    @classmethod
    def of(cls, signature: inspect.Signature, *, with_defaults: bool = False) -> Parameters:
        """Write the parameter list of a signature.

        Args:
            signature: The signature.
            with_defaults: Whether the defaults are kept, for a function that is called with the
                arguments as the caller wrote them.
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

    def fill_in(self, function: types.FunctionType) -> None:
        """Give a function with these parameters their defaults."""
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
        """A name like the wanted one that no parameter has."""
        while any(name.startswith(wanted) for name in self.names):
            wanted += "_"
        return wanted


def own_signature(function: types.FunctionType) -> inspect.Signature:
    """The parameters that calls of a function are bound to, whatever it says of itself.

    What `inspect.signature` gives may be a `__signature__` set for show, or that of a function
    below.
    """
    bare = types.FunctionType(
        function.__code__, {}, "bare", function.__defaults__, function.__closure__
    )
    bare.__kwdefaults__ = function.__kwdefaults__
    return inspect.signature(bare)


def _declared(parameters: list[_Parameter]) -> Iterable[str]:
    kinds = [parameter.kind for parameter in parameters]
    starred = False
    for index, parameter in enumerate(parameters):
        if parameter.kind is _Parameter.KEYWORD_ONLY and not starred:
            yield "*"
            starred = True
        starred = starred or parameter.kind is _Parameter.VAR_POSITIONAL
        default = "" if parameter.default is _Parameter.empty else "=None"
        yield _STARS.get(parameter.kind, "") + parameter.name + default
        last_positional_only = parameter.kind is _Parameter.POSITIONAL_ONLY and (
            _Parameter.POSITIONAL_ONLY not in kinds[index + 1 :]
        )
        if last_positional_only:
            yield "/"


def _passed(parameter: _Parameter) -> str:
    if parameter.kind is _Parameter.KEYWORD_ONLY:
        return f"{parameter.name}={parameter.name}"
    return _STARS.get(parameter.kind, "") + parameter.name


_STARS: dict[Any, str] = {_Parameter.VAR_POSITIONAL: "*", _Parameter.VAR_KEYWORD: "**"}


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
        source: The definition, of a function called `name`.
        name: What the definition calls the function.
        closure: The free names of the source and what they stand for.
        module_globals: What the function's `__globals__` are to be.
        title: What a traceback shows as the file of the function's frame.
        cells: More free names of the source, with the very cells that they are to share.

    Returns:
        The function.
    """
    shared = cells or {}
    body = "".join(f"    {line}\n" for line in source.splitlines())
    text = f"def _factory({', '.join([*closure, *shared])}):\n{body}    return {name}\n"
    namespace: dict[str, Any] = {}
    exec(_compiled(text, title), module_globals, namespace)  # noqa: S102 - the text is made here, from identifiers alone
    factory: Callable[..., types.FunctionType] = namespace["_factory"]
    made = factory(**closure, **dict.fromkeys(shared))
    return _with_cells(made, shared) if shared else made


def _compiled(text: str, title: str) -> types.CodeType:
    # Closures are decorated anew at every call of the function around them, from the same text.
    code = _codes.get((text, title))
    if code is None:
        code = compile(text, title, "exec", dont_inherit=True)
        while len(_codes) >= _MOST_CODES:
            with contextlib.suppress(KeyError, StopIteration, RuntimeError):
                oldest = next(iter(_codes))
                del _codes[oldest]
                linecache.cache.pop(oldest[1], None)
        _codes[text, title] = code
    # Without an entry a traceback shows a frame with no source line; None keeps checkcache() off.
    linecache.cache[title] = (len(text), None, text.splitlines(keepends=True), title)
    return code


_MOST_CODES: Final = 4_096
_codes: Final[dict[tuple[str, str], types.CodeType]] = {}


def _with_cells(
    made: types.FunctionType, cells: Mapping[str, types.CellType]
) -> types.FunctionType:
    own = dict(zip(made.__code__.co_freevars, made.__closure__ or (), strict=True))
    closure = tuple((own | dict(cells))[name] for name in own)
    return types.FunctionType(made.__code__, made.__globals__, made.__name__, None, closure)


def disguise(made: types.FunctionType, original: Callable[..., Any], defaults_of: object) -> None:
    """Give a made function the name and the defaults of the function that it stands for.

    Args:
        made: The function that was compiled.
        original: What it stands for; the source of its name.
        defaults_of: The function that the defaults are shared with.
    """
    name = getattr(original, "__name__", made.__name__)
    qualname = getattr(original, "__qualname__", name)
    renamed = {"co_name": name}
    if hasattr(made.__code__, "co_qualname"):
        renamed["co_qualname"] = qualname
    made.__code__ = made.__code__.replace(**renamed)  # type: ignore[arg-type]  # co_qualname is new in 3.11
    made.__name__, made.__qualname__ = name, qualname
    made.__defaults__ = getattr(defaults_of, "__defaults__", None)
    made.__kwdefaults__ = getattr(defaults_of, "__kwdefaults__", None)


def code_of_same_closure(
    function: types.FunctionType, made: types.FunctionType
) -> types.CodeType | None:
    """A function's own code, in a form that the function made for it can run in its place.

    Python lets a function change its code for one with as many free names. Those of the made one
    are added to a code that has none, and never looks at them.

    Returns:
        The code, or None where the function has free names of its own, or would find those that
        were added among its locals.
    """
    code = function.__code__
    if code.co_freevars or not _LOCALS_LEAVE_OUT_WHAT_IS_UNBOUND:
        return None
    return code.replace(co_freevars=made.__code__.co_freevars)


# Before Python 3.13 a frame's locals hold every free name of its code. In 3.10 the function would
# see the wrapper's; in 3.11 and 3.12, where they are never bound, `locals()` ends the process. What
# a later release makes of them is to be tried first.
_LOCALS_LEAVE_OUT_WHAT_IS_UNBOUND: Final = sys.version_info[:2] == (3, 13)
