"""The attributes, parent and links of a call's span, compiled from the function's parameters."""

from __future__ import annotations

import inspect
import threading
import types
from collections.abc import Callable, Mapping, Set
from typing import Any, Final, NamedTuple

from tracekit._base.errors import InstrumentationError
from tracekit._instrument.compilation import (
    Parameters,
    Place,
    compile_code,
    make_function,
    put_at,
)
from tracekit._instrument.options import Options
from tracekit._recording.arguments import (
    ACCEPTED,
    CURRENT,
    Parentage,
    parent_context,
    resolve_links,
    resolve_parentage,
    warn_not_evaluated,
)
from tracekit._recording.attributes import thread_name
from tracekit._values.attribute_values import to_attribute_value
from tracekit._values.redaction import REDACTED, Redaction

_LINKS: Final = f"links, or a list of {ACCEPTED}"
_RECEIVERS: Final = frozenset({"self", "cls", "mcs", "metacls"})


class Expression(NamedTuple):
    """A callable, and the source text of the function's arguments that are passed to it."""

    function: Callable[..., Any]
    passed: str

    @classmethod
    def of(cls, function: Callable[..., Any], parameters: Parameters, option: str) -> Expression:
        """Match a callable's parameters with a function's arguments, by name."""
        try:
            needed = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            raise InstrumentationError(
                f"{option}: the parameters of {function!r} cannot be read; write a lambda around it"
            ) from None
        passed = []
        for parameter in needed:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if parameter.name in parameters.names:
                # By keyword, because a parameter with a default may be left out before it.
                is_positional = parameter.kind is parameter.POSITIONAL_ONLY
                name = parameter.name
                passed.append(name if is_positional else f"{name}={name}")
            elif parameter.default is parameter.empty:
                raise InstrumentationError(
                    f"{option} asks for {parameter.name!r}, which is not an argument of the "
                    f"function; {_arguments_text(parameters.names)}"
                )
        return cls(function, ", ".join(passed))


class Capture(NamedTuple):
    """What is recorded of a call; the plan that is compiled.

    Attributes:
        constants: The attributes that every span of the function has.
        arguments: The names of the arguments that are recorded.
        fields: The attributes that are evaluated, by name.
        parent: The span's parent, an expression of it, or `CURRENT`.
        links: The span's links, an expression of them, or None.
    """

    parameters: Parameters
    constants: Mapping[str, str | int]
    function_name: str
    arguments: tuple[str, ...]
    fields: Mapping[str, Expression]
    parent: Any = CURRENT
    links: Any = None
    has_thread: bool = True

    @classmethod
    def of(
        cls,
        parameters: Parameters,
        options: Options,
        constants: Mapping[str, str | int],
        *,
        has_receiver: bool,
    ) -> Capture:
        """Plan what is recorded of the calls of a function.

        With `has_receiver` the first argument is the instance or class, whatever its name.
        """
        names = parameters.names
        unknown = [name for name in options.skip if name not in names]
        if unknown:
            raise InstrumentationError(
                f"skip names {', '.join(map(repr, unknown))}, which is not an argument of the "
                f"function; {_arguments_text(names)}"
            )
        receiver = names[:1] if has_receiver or (names[:1] and names[0] in _RECEIVERS) else ()
        left_out = {*receiver, *options.skip, *options.fields}
        parent = options.parent
        if parent is not CURRENT:
            parent = _checked("parent", parent, parent_context, f"None, {ACCEPTED}", parameters)
        return cls(
            parameters=parameters,
            # A field replaces a constant of the same name.
            constants={n: value for n, value in constants.items() if n not in options.fields}
            if options.fields
            else constants,
            function_name=str(constants.get("code.function.name", "a callable")),
            arguments=()
            if options.skip_all
            else tuple(name for name in names if name not in left_out),
            fields={
                name: _expression(value, parameters, f"fields[{name!r}]")
                for name, value in options.fields.items()
            },
            parent=parent,
            links=_checked("links", options.links, resolve_links, _LINKS, parameters),
        )

    @property
    def place(self) -> Place:
        """Where the function is written."""
        file, line = self.constants.get("code.file.path"), self.constants.get("code.line.number")
        if not isinstance(file, str) or not isinstance(line, int):
            file, line = f"<tracekit wrapper of {self.function_name}>", 1
        qualname = self.function_name
        return Place(qualname.rpartition(".")[2], qualname, file, line)

    @property
    def has_parentage(self) -> bool:
        """Whether the options name a parent or links."""
        return self.parent is not CURRENT or self.links is not None

    def split(self, names: frozenset[str]) -> tuple[Capture, Capture]:
        """Return a capture of the arguments and fields with these names, and one of the rest."""
        return self._part(names, has_thread=False), self._part({*self.order} - names)

    def _part(self, names: Set[str], *, has_thread: bool = True) -> Capture:
        return self._replace(
            has_thread=has_thread,
            arguments=tuple(name for name in self.arguments if name in names),
            fields={name: one for name, one in self.fields.items() if name in names},
        )

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the attributes, in the order in which they are recorded."""
        thread = ("thread.id", "thread.name") if self.has_thread else ()
        return *thread, *self.arguments, *self.fields

    def compile_attributes(self, redaction: Redaction) -> Callable[..., dict[str, Any]]:
        """Compile the function that returns a span's attributes for the arguments of a call.

        The constants are not among them, because the call site holds them.
        """
        inner = self.parameters.free_name("_tk")
        closure: dict[str, Any] = {
            f"{inner}_value": to_attribute_value,
            f"{inner}_Exception": Exception,
            f"{inner}_not_evaluated": warn_not_evaluated,
            f"{inner}_where": self.function_name,
            f"{inner}_ident": threading.get_ident,
            f"{inner}_thread": thread_name,
        }
        entries = []
        if self.has_thread:
            entries.append(f"'thread.id': ({inner} := {inner}_ident())")
            entries.append(f"'thread.name': {inner}_thread({inner})")
        for name in self.arguments:
            value = repr(REDACTED) if redaction.hides(name) else f"{inner}_value({name})"
            entries.append(f"{name!r}: {value}")
        lines = [f"{inner} = {{{', '.join(entries)}}}"]
        for index, (name, expression) in enumerate(self.fields.items()):
            if redaction.hides(name):
                lines.append(f"{inner}[{name!r}] = {REDACTED!r}")
                continue
            closure[f"{inner}_field{index}"] = expression.function
            evaluated = f"{inner}_value({inner}_field{index}({expression.passed}))"
            field = f"the field {name!r}"
            lines += _FIELD.format(
                tk=inner, name=name, field=field, evaluated=evaluated
            ).splitlines()
        lines.append(f"return {inner}")
        return self._function("capture", lines, closure)

    def compile_parentage(self) -> Callable[..., Parentage]:
        """Compile the function that returns a span's parent and links for a call's arguments."""
        inner = self.parameters.free_name("_tk")
        parent, parent_source = _source(self.parent, f"{inner}_parent")
        links, links_source = _source(self.links, f"{inner}_links")
        closure = {
            f"{inner}_parent": parent,
            f"{inner}_links": links,
            f"{inner}_resolve": resolve_parentage,
            f"{inner}_where": self.function_name,
        }
        resolved = f"{inner}_resolve({inner}_where, {parent_source}, {links_source})"
        return self._function("parentage", [f"return {resolved}"], closure)

    def _function(self, name: str, lines: list[str], closure: dict[str, Any]) -> Callable[..., Any]:
        body = "".join(f"    {line}\n" for line in lines)
        code = compile_code(f"def {name}({self.parameters.declared}):\n{body}", closure)
        cells = [types.CellType(closure[name]) for name in code.co_freevars]
        place = self.place._replace(name=name, qualname=name)
        compiled = make_function(put_at(code, place), place, cells, {})
        self.parameters.set_defaults(compiled)
        return compiled


def _expression(value: Any, parameters: Parameters, option: str) -> Expression:
    if callable(value):
        return Expression.of(value, parameters, option)
    return Expression(lambda: value, "")


def _checked(
    option: str, value: Any, resolve: Callable[[Any], Any], expected: str, parameters: Parameters
) -> Any:
    if callable(value):
        return Expression.of(value, parameters, option)
    try:
        resolve(value)
    except InstrumentationError:
        raise InstrumentationError(
            f"{option}={value!r}: expected {expected}, or a callable of the arguments that returns "
            f"such a value"
        ) from None
    return value


def _source(value: Any, name: str) -> tuple[Any, str]:
    if isinstance(value, Expression):
        return value.function, f"lambda: {name}({value.passed})"
    return (lambda: value), name


_FIELD: Final = """\
try:
    {tk}[{name!r}] = {evaluated}
except {tk}_Exception as {tk}_error:
    {tk}_not_evaluated({field!r}, {tk}_where, {tk}_error)
"""


def _arguments_text(names: tuple[str, ...]) -> str:
    return f"it has {', '.join(map(repr, names))}" if names else "it has no arguments"
