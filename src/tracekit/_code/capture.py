"""What a decorated function's span is made of, compiled from the function's parameters."""

from __future__ import annotations

import inspect
import threading
import types
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from opentelemetry.trace import Link

from tracekit._code.current import get_current
from tracekit._code.options import CURRENT, Options
from tracekit._code.parents import ACCEPTED, context_of, links_of
from tracekit._code.recording import Parentage, RecordingSite, name_of_thread
from tracekit._code.scopes import Judged, current_scope
from tracekit._ground.callsite import CallSite
from tracekit._ground.compile import Parameters, make_function
from tracekit._ground.constants import Constants
from tracekit._ground.errors import InstrumentationError
from tracekit._ground.log import warn_once
from tracekit._ground.verdicts import NOBODY, FilterSet, Judge
from tracekit._values.describing import describe
from tracekit._values.redaction import REDACTED, Redaction, current_redaction

_RECEIVERS = frozenset({"self", "cls", "mcs", "metacls"})


@dataclass(frozen=True)
class Expression:
    """A callable of a function's arguments, and how it is called with them.

    Attributes:
        function: The callable.
        passed: The source text of its arguments.
    """

    function: Callable[..., Any]
    passed: str

    @classmethod
    def of(cls, function: Callable[..., Any], parameters: Parameters, option: str) -> Expression:
        """Check a callable's parameters against the names of a function's arguments.

        Raises:
            InstrumentationError: A parameter without a default is no argument of the function.
        """
        try:
            wanted = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            raise InstrumentationError(
                f"{option}: the parameters of {function!r} cannot be read; write a lambda around it"
            ) from None
        passed = []
        for parameter in wanted:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if parameter.name in parameters.names:
                # By keyword, so that one with a default can be left out before it.
                by_place = parameter.kind is parameter.POSITIONAL_ONLY
                passed.append(parameter.name if by_place else f"{parameter.name}={parameter.name}")
            elif parameter.default is parameter.empty:
                raise InstrumentationError(
                    f"{option} asks for {parameter.name!r}, which is no argument of the function; "
                    f"{_there_are(parameters.names)}"
                )
        return cls(function, ", ".join(passed))


@dataclass(frozen=True)
class Capture:
    """What is recorded of a call, before it is compiled.

    Attributes:
        parameters: The function's parameters.
        constants: The attributes that every span of the function has.
        function_name: What messages call the function.
        arguments: The names of the arguments that are recorded.
        fields: The attributes that are evaluated, by name.
        parent: Where the span hangs, or `CURRENT`.
        links: What the span points at, or None.
        has_thread: Whether the thread is recorded.
    """

    parameters: Parameters
    constants: Mapping[str, str | int]
    function_name: str
    arguments: tuple[str, ...]
    fields: Mapping[str, Expression] = field(default_factory=dict)
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
        """Plan what is recorded.

        Args:
            parameters: The function's parameters.
            options: What was asked for.
            constants: The attributes that every span of the function has.
            has_receiver: Whether the first argument is the instance or class whatever its name.

        Raises:
            InstrumentationError: An option names an argument that the function does not have.
        """
        names = parameters.names
        unknown = [name for name in options.skip if name not in names]
        if unknown:
            raise InstrumentationError(
                f"skip names {', '.join(map(repr, unknown))}, which is no argument of the "
                f"function; {_there_are(names)}"
            )
        receiver = names[:1] if has_receiver or (names[:1] and names[0] in _RECEIVERS) else ()
        left_out = {*receiver, *options.skip, *options.fields}
        return cls(
            parameters=parameters,
            # A field of the same name counts.
            constants={n: value for n, value in constants.items() if n not in options.fields},
            function_name=str(constants.get("code.function.name", "a callable")),
            arguments=()
            if options.skip_all
            else tuple(name for name in names if name not in left_out),
            fields={
                name: _expression(value, parameters, f"fields[{name!r}]")
                for name, value in options.fields.items()
            },
            parent=_parent_option(options.parent, parameters),
            links=_links_option(options.links, parameters),
        )

    @property
    def has_parentage(self) -> bool:
        """Whether a parent or links are named."""
        return self.parent is not CURRENT or self.links is not None

    def only(self, names: frozenset[str]) -> Capture:
        """The same with nothing but the arguments and fields of these names."""
        return replace(
            self,
            has_thread=False,
            arguments=tuple(name for name in self.arguments if name in names),
            fields={name: one for name, one in self.fields.items() if name in names},
        )

    def without(self, names: frozenset[str]) -> Capture:
        """The same without the arguments and fields of these names."""
        return replace(
            self,
            arguments=tuple(name for name in self.arguments if name not in names),
            fields={name: one for name, one in self.fields.items() if name not in names},
        )

    @property
    def order(self) -> tuple[str, ...]:
        """The names of all that is captured, in the order in which it is recorded."""
        thread = ("thread.id", "thread.name") if self.has_thread else ()
        return *thread, *self.arguments, *self.fields

    def compile_attributes(self, redaction: Redaction) -> Callable[..., dict[str, Any]]:
        """Make the function that takes a call's arguments and gives its span's attributes.

        The constants are not among them: they go with the call site.
        """
        inner = self.parameters.free_name("_tk")
        closure: dict[str, Any] = {
            f"{inner}_describe": describe,
            f"{inner}_Exception": Exception,
            f"{inner}_not_evaluated": _not_evaluated,
            f"{inner}_where": self.function_name,
            f"{inner}_ident": threading.get_ident,
            f"{inner}_thread": name_of_thread,
        }
        entries = []
        if self.has_thread:
            entries.append(f"'thread.id': ({inner} := {inner}_ident())")
            entries.append(f"'thread.name': {inner}_thread({inner})")
        for name in self.arguments:
            value = repr(REDACTED) if redaction.hides(name) else f"{inner}_describe({name})"
            entries.append(f"{name!r}: {value}")
        lines = [f"{inner} = {{{', '.join(entries)}}}"]
        for index, (name, expression) in enumerate(self.fields.items()):
            if redaction.hides(name):
                lines.append(f"{inner}[{name!r}] = {REDACTED!r}")
                continue
            closure[f"{inner}_field{index}"] = expression.function
            evaluated = f"{inner}_describe({inner}_field{index}({expression.passed}))"
            field = f"the field {name!r}"
            lines += _FIELD.format(
                tk=inner, name=name, field=field, evaluated=evaluated
            ).splitlines()
        lines.append(f"return {inner}")
        return self._function("capture", lines, closure)

    def compile_parentage(self) -> Callable[..., Parentage]:
        """Make the function that takes a call's arguments and gives its span's parent and links."""
        inner = self.parameters.free_name("_tk")
        parent, parent_source = _source(self.parent, f"{inner}_parent")
        links, links_source = _source(self.links, f"{inner}_links")
        closure = {
            f"{inner}_parent": parent,
            f"{inner}_links": links,
            f"{inner}_resolve": resolve_parentage,
            f"{inner}_where": self.function_name,
        }
        asked = f"{inner}_resolve({inner}_where, {parent_source}, {links_source})"
        return self._function("parentage", [f"return {asked}"], closure)

    def _function(self, name: str, lines: list[str], closure: dict[str, Any]) -> Callable[..., Any]:
        body = "".join(f"    {line}\n" for line in lines)
        made = make_function(
            f"def {name}({self.parameters.declared}):\n{body}",
            name=name,
            closure=closure,
            module_globals={},
            title=f"<tracekit {name} of {self.function_name}>",
        )
        self.parameters.fill_in(made)
        return made


class _Led(NamedTuple):
    """A wrapper that runs the function's own code while nothing is to be recorded."""

    wrapper: weakref.ref[types.FunctionType]
    through: types.CodeType
    past: types.CodeType

    def follow(self, site: CallSite) -> None:
        wrapper = self.wrapper()
        # Another thread may change the verdict after it was read here: it is looked at until it is
        # the one that was followed.
        while wrapper is not None:
            code = self.past if site.off else self.through
            if wrapper.__code__ is code:
                return
            wrapper.__code__ = code


class FunctionSite(RecordingSite):
    """The call site of a decorated function.

    Attributes:
        plan: What is recorded of a call.
        attributes: Takes a call's arguments and gives its span's attributes; None where the
            filters want no span of this call.
        parentage: Takes a call's arguments and gives its span's parent and links, where any are
            named.
    """

    __slots__ = ("_capture", "_led", "_redaction", "attributes", "parentage", "plan")

    def __init__(self, target: str, options: Options, name: str, plan: Capture) -> None:
        self.plan = plan
        self.parentage = plan.compile_parentage() if plan.has_parentage else None
        self._redaction: Redaction | None = None
        self._led: _Led | None = None
        super().__init__(
            target,
            options.level,
            name=name,
            kind=options.kind,
            constants=Constants(dict(plan.constants)),
            err=options.err,
            expected=options.expected,
            ret=options.ret,
        )

    def lead(self, wrapper: types.FunctionType, *, past: types.CodeType | None) -> None:
        """Lead calls past a wrapper while no span of this place is wanted.

        Args:
            wrapper: The wrapper of the function.
            past: What it runs then, or None where it has to look at the verdict itself.
        """
        if past is not None:
            self._led = _Led(weakref.ref(wrapper), wrapper.__code__, past)
            self._led.follow(self)

    def is_ended_by(self, error: BaseException) -> bool:
        """Whether an iterator's method says that there are no more items."""
        if not isinstance(error, (StopIteration, StopAsyncIteration)):
            return False
        return self.plan.function_name.endswith((".__next__", ".__anext__"))

    def refresh(self, filters: FilterSet) -> None:
        """Take a new verdict, and compile the capture anew where other names are redacted."""
        redaction = current_redaction()
        if redaction != self._redaction:
            self._redaction = redaction
            self._capture = self.plan.compile_attributes(redaction)
        super().refresh(filters)
        if self._led is not None:
            self._led.follow(self)
        self.attributes = self._capture if self.judge is None else self._ask(self.judge, redaction)

    def make_judge(self, filters: FilterSet) -> Judge | None:
        """What decides call by call about the spans of this function."""
        return filters.judge(self.target, self.level, self.name)

    def _ask(self, judge: Judge, redaction: Redaction) -> Callable[..., Judged | None]:
        # Only what the directives name is looked at before the span is known to be wanted.
        if judge.needs:
            return self._ask_about_fields(judge, redaction)
        capture = self._capture
        needs_scope = judge.needs_scope

        def ask(*args: Any, **kwargs: Any) -> Judged | None:
            outer = current_scope()
            if needs_scope and outer is None:
                return None
            judgement = judge.decide({}, outer)
            if judgement.wanted != NOBODY:
                return Judged(capture(*args, **kwargs), judgement)
            return None if judgement.scope is outer else Judged({}, judgement)

        return ask

    def _ask_about_fields(self, judge: Judge, redaction: Redaction) -> Callable[..., Judged | None]:
        # What was looked at for the decision is not evaluated again for the span.
        needed = self.plan.only(judge.needs).compile_attributes(redaction)
        others = self.plan.without(judge.needs).compile_attributes(redaction)
        order = self.plan.order
        needs_scope = judge.needs_scope

        def ask(*args: Any, **kwargs: Any) -> Judged | None:
            outer = current_scope()
            if needs_scope and outer is None:
                return None
            fields = needed(*args, **kwargs)
            judgement = judge.decide(fields, outer)
            if judgement.wanted != NOBODY:
                every = {**others(*args, **kwargs), **fields}
                return Judged({name: every[name] for name in order if name in every}, judgement)
            return None if judgement.scope is outer else Judged({}, judgement)

        return ask

    def __reduce__(self) -> tuple[Any, ...]:
        # A function of __main__ is pickled with its closure: the site goes along as its plan.
        values = {
            name: getattr(self, name)
            for name in ("target", "level", "name", "kind", "err", "expected", "ret", "plan")
        }
        return _restore, (values,)


def _restore(values: dict[str, Any]) -> FunctionSite:
    site = FunctionSite.__new__(FunctionSite)
    site.plan = values.pop("plan")
    site.parentage = site.plan.compile_parentage() if site.plan.has_parentage else None
    site._redaction = site._led = None
    values["constants"] = Constants(dict(site.plan.constants))
    target, level = values.pop("target"), values.pop("level")
    RecordingSite.__init__(site, target, level, **values)
    return site


def _expression(value: Any, parameters: Parameters, option: str) -> Expression:
    if callable(value):
        return Expression.of(value, parameters, option)
    return Expression(_Constant(value), "")


@dataclass(frozen=True)
class _Constant:
    value: Any

    def __call__(self) -> Any:
        return self.value


def _parent_option(value: Any, parameters: Parameters) -> Any:
    if value is CURRENT or value is None:
        return value
    if callable(value):
        return Expression.of(value, parameters, "parent")
    try:
        context_of(value)
    except (InstrumentationError, TypeError):
        raise InstrumentationError(
            f"parent={value!r}: expected None, {ACCEPTED}, or a callable of the arguments that "
            f"gives one"
        ) from None
    return value


def _links_option(value: Any, parameters: Parameters) -> Any:
    if callable(value):
        return Expression.of(value, parameters, "links")
    try:
        links_of(value)
    except (InstrumentationError, TypeError):
        raise InstrumentationError(
            f"links={value!r}: expected links, or a list of {ACCEPTED}, or a callable of the "
            f"arguments that gives them"
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


def resolve_parentage(where: str, parent: Callable[[], Any], links: Callable[[], Any]) -> Parentage:
    """Find a span's parent and links; what cannot be found is logged and left out.

    Args:
        where: What a message calls the place.
        parent: Gives the parent, or `CURRENT`.
        links: Gives the links.
    """
    try:
        found = parent()
        context = get_current() if found is CURRENT else context_of(found)
    except Exception as error:
        _not_evaluated("the parent", where, error)
        context = get_current()
    pointed_at: tuple[Link, ...] = ()
    try:
        pointed_at = links_of(links())
    except Exception as error:
        _not_evaluated("the links", where, error)
    return context, pointed_at


def _not_evaluated(what: str, where: str, error: Exception) -> None:
    warn_once(
        (what, where, type(error)),
        "%s of %s could not be evaluated (%s); the traced program is not affected",
        what,
        where,
        type(error).__name__,
        error=error,
    )


def _there_are(names: tuple[str, ...]) -> str:
    return f"it has {', '.join(map(repr, names))}" if names else "it has no arguments"
