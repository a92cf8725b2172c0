"""Functions that are compiled from the parameter list of another function.

A wrapper with the parameters of the function that it wraps lets the interpreter bind the arguments:
a wrong call fails with the `TypeError` of the undecorated function, defaults are filled in, and the
arguments are bound only once. The compiled function gets what it needs through its closure, so that
its globals can be those of the user's module, where annotations are resolved.

To compile takes longer than everything else in a decoration. So a wrapper is compiled once for each
form of parameter list, with names that stand in for the parameters. Each wrapper has a copy of that
code with the names of its function, in the function's own file and line.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
import types
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

_Kind = inspect._ParameterKind
_POSITIONAL_ONLY: Final = _Kind.POSITIONAL_ONLY
_POSITIONAL: Final = _Kind.POSITIONAL_OR_KEYWORD
_KEYWORD_ONLY: Final = _Kind.KEYWORD_ONLY
_PREFIXES: Final[Mapping[_Kind, str]] = {_Kind.VAR_POSITIONAL: "*", _Kind.VAR_KEYWORD: "**"}
_NO_DEFAULTS: Final[Mapping[str, Any]] = {}


class Parameters(NamedTuple):
    """A parameter list.

    Attributes:
        names: The names in order, without stars.
        kinds: The kind of each.
        defaults: The defaults by name; empty if the caller of the compiled function fills them in.
    """

    names: tuple[str, ...]
    kinds: tuple[_Kind, ...]
    defaults: Mapping[str, Any] = _NO_DEFAULTS

    @classmethod
    def of_function(cls, function: types.FunctionType) -> Parameters:
        """Return the parameters to which calls of a function are bound, without the defaults.

        `inspect.signature` may return others: those of `__signature__` or `__wrapped__`.
        """
        code = function.__code__
        positional, keyword = code.co_argcount, code.co_kwonlyargcount
        has_star = bool(code.co_flags & inspect.CO_VARARGS)
        has_stars = bool(code.co_flags & inspect.CO_VARKEYWORDS)
        kinds = _kinds(code.co_posonlyargcount, positional, keyword, has_star, has_stars)
        names = code.co_varnames[: len(kinds)]
        if has_star:
            star = positional + keyword
            names = (*names[:positional], names[star], *names[positional:star], *names[star + 1 :])
        return cls(names, kinds)

    @classmethod
    def of_signature(cls, signature: inspect.Signature) -> Parameters:
        """Return the parameters of a signature, with their defaults."""
        parameters = signature.parameters.values()
        return cls(
            names=tuple(one.name for one in parameters),
            kinds=tuple(one.kind for one in parameters),
            defaults={one.name: one.default for one in parameters if one.default is not one.empty},
        )

    @property
    def declared(self) -> str:
        """The text between the parentheses of the `def`, without defaults."""
        return ", ".join(self._declared())

    @property
    def passed(self) -> str:
        """The text between the parentheses of a call that passes every argument on."""
        return ", ".join(
            f"{name}={name}" if kind is _KEYWORD_ONLY else _PREFIXES.get(kind, "") + name
            for name, kind in zip(self.names, self.kinds, strict=True)
        )

    def _declared(self) -> Iterable[str]:
        kinds = self.kinds
        last_positional_only = kinds.count(_POSITIONAL_ONLY) - 1
        needs_star = _Kind.VAR_POSITIONAL not in kinds
        for index, (name, kind) in enumerate(zip(self.names, kinds, strict=True)):
            if kind is _KEYWORD_ONLY and needs_star:
                yield "*"
                needs_star = False
            yield _PREFIXES.get(kind, "") + name
            if index == last_positional_only:
                yield "/"

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


@lru_cache(maxsize=1_024)
def _kinds(
    positional_only: int, positional: int, keyword: int, has_star: bool, has_stars: bool
) -> tuple[_Kind, ...]:
    return (
        *[_POSITIONAL_ONLY] * positional_only,
        *[_POSITIONAL] * (positional - positional_only),
        *[_Kind.VAR_POSITIONAL] * has_star,
        *[_KEYWORD_ONLY] * keyword,
        *[_Kind.VAR_KEYWORD] * has_stars,
    )


ANY_PARAMETERS: Final = Parameters(("args", "kwargs"), (_Kind.VAR_POSITIONAL, _Kind.VAR_KEYWORD))
"""`*args, **kwargs`, for a callable whose arguments only it can bind."""


class Place(NamedTuple):
    """Where a compiled function is for tracebacks, debuggers and `inspect`."""

    name: str
    qualname: str
    file: str
    line: int


def compile_code(definition: str, free_names: Iterable[str]) -> types.CodeType:
    """Compile one function definition, and return the code of the function.

    All of it is on one line and has no columns: the source line of a frame is the line of the
    `Place` where the code is put.

    Args:
        definition: The source text. It consists of identifiers and of literals that `repr` wrote.
        free_names: The names in it that a closure holds.
    """
    code = _codes.get(definition)
    if code is None:
        body = "".join(f"    {line}\n" for line in definition.splitlines())
        tree = ast.parse(f"def _factory({', '.join(free_names)}):\n{body}")
        for node in ast.walk(tree):
            if "lineno" in node._attributes:
                vars(node).update(lineno=1, end_lineno=1, col_offset=-1, end_col_offset=-1)
        factory = _inner_code(compile(tree, "<tracekit>", "exec", dont_inherit=True))
        code = _inner_code(factory)
        while len(_codes) >= _MAX_CODES:
            with contextlib.suppress(KeyError, StopIteration, RuntimeError):
                del _codes[next(iter(_codes))]
        _codes[definition] = code
    return code


_MAX_CODES: Final = 1_024
_codes: Final[dict[str, types.CodeType]] = {}


def _inner_code(code: types.CodeType) -> types.CodeType:
    return next(one for one in code.co_consts if type(one) is types.CodeType)


def put_at(
    code: types.CodeType, place: Place, renamed: Mapping[str, str] | None = None
) -> types.CodeType:
    """Return a copy of a code at another place, with other names of the parameters.

    Args:
        code: The code.
        place: Where the copy is.
        renamed: The new name of each parameter that is renamed.
    """
    changes: dict[str, Any] = {
        "co_name": place.name,
        "co_filename": place.file,
        "co_firstlineno": place.line,
    }
    if sys.version_info >= (3, 11):
        changes["co_qualname"] = place.qualname
    if renamed:
        changes["co_varnames"] = tuple([renamed.get(name, name) for name in code.co_varnames])
        # The names of keyword arguments of a call are constants.
        changes["co_consts"] = tuple([_rename_constant(one, renamed) for one in code.co_consts])
    return code.replace(**changes)


def _rename_constant(constant: Any, renamed: Mapping[str, str]) -> Any:
    if type(constant) is str:
        return renamed.get(constant, constant)
    if type(constant) is tuple:
        return tuple([_rename_constant(one, renamed) for one in constant])
    return constant


def make_function(
    code: types.CodeType,
    place: Place,
    cells: Iterable[Any],
    module_globals: dict[str, Any],
) -> types.FunctionType:
    """Make a function of a code, with a cell for each of its free names."""
    made = types.FunctionType(code, module_globals, place.name, None, tuple(cells))
    made.__qualname__ = place.qualname
    return made


def can_run_in_wrapper(code: types.CodeType) -> bool:
    """Whether a wrapper can run its function's own code.

    Python lets a function exchange its code for one with as many free names. So the free names of
    the wrapper are added to the function's code, which never reads them. A function with free names
    of its own, or one that would find the added names among its locals, does not allow that.
    """
    return not code.co_freevars and _UNBOUND_NAMES_ARE_NOT_IN_LOCALS


# Before Python 3.13 a frame's locals hold every free name of its code. In 3.10 the function would
# see the wrapper's; in 3.11 and 3.12, where the names are never bound, `locals()` crashes.
_UNBOUND_NAMES_ARE_NOT_IN_LOCALS: Final = sys.version_info >= (3, 13)
