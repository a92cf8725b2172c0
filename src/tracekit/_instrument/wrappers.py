"""The wrappers of decorated functions: one template for each kind of callable.

A template is the whole path of a call, to be read from top to bottom. In it, `{tk}` is a prefix
that no parameter of the function has, `{declared}` the function's parameter list and `{passed}` the
same arguments handed on.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, Final

from tracekit._filters.call_sites import CallSite
from tracekit._instrument.compilation import (
    Parameters,
    code_of_same_closure,
    disguise,
    make_function,
)
from tracekit._instrument.function_site import FunctionSite
from tracekit._instrument.generators import NO_STEPS, caller, start_steps
from tracekit._recording.current_context import detach, get_current
from tracekit._recording.recording import Recording, give_up, start
from tracekit._recording.tracers import tracer_here, tracer_of


class Kind(Enum):
    """How a callable runs, which decides what its span covers."""

    FUNCTION = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator function"
    ASYNC_GENERATOR = "async generator function"
    AWAITABLE = "callable that says it is a coroutine function"

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Kind:
        """Tell a callable's kind; one marked as a coroutine function counts as one."""
        if inspect.isasyncgenfunction(function):
            return cls.ASYNC_GENERATOR
        if inspect.isgeneratorfunction(function):
            return cls.GENERATOR
        return cls.COROUTINE if inspect.iscoroutinefunction(function) else cls.FUNCTION


_CALL: Final = """\
{define} wrapper({declared}):
    if {tk}_site.disabled:
        return {wait}{tk}_function({passed})
    {tk}_recording = None
    try:
        {tk}_tracer = {tk}_tracer_of({tk}_site)
        if {tk}_tracer is not None:
            {tk}_recording = {tk}_start({tk}_site, {tk}_tracer, {captured})
    except {tk}_Exception as {tk}_error:
        {tk}_give_up({tk}_site, {tk}_error)
    if {tk}_recording is None:
        return {wait}{tk}_function({passed})
    try:
        {tk}_result = {wait}{tk}_function({passed})
    except {tk}_BaseException as {tk}_error:
        {tk}_recording.fail({tk}_error)
        raise
    {tk}_recording.succeed({tk}_result)
    return {tk}_result
"""

# A proxy of a coroutine function may give its coroutine, or what that has come to.
_AWAITABLE: Final = _CALL.replace(
    "    {tk}_recording.succeed({tk}_result)",
    """\
    if {tk}_iscoroutine({tk}_result):
        return {tk}_awaited({tk}_recording.suspend(), {tk}_result)
    {tk}_recording.succeed({tk}_result)""",
)

# What is handed to the consumer is kept by nothing here while the generator is suspended. The
# context is entered and left right here: calls for that would be a third of what an item costs.
_STEPS_BEGIN: Final = """\
{define} wrapper({declared}):
    {tk}_steps = {tk}_NO_STEPS
    if not {tk}_site.disabled:
        try:
            {tk}_tracer = {tk}_tracer_of({tk}_site)
            if {tk}_tracer is not None:
                {tk}_steps = {tk}_start_steps(
                    {tk}_site, {tk}_tracer, {captured}, consumer={tk}_caller(1)
                )
        except {tk}_Exception as {tk}_error:
            {tk}_give_up({tk}_site, {tk}_error)
    {tk}_attach, {tk}_reset = {tk}_steps.attach, {tk}_steps.reset
    {tk}_before = {tk}_inside = None
"""

_ENTER: Final = """\
            {tk}_around = {tk}_get_current()
            if {tk}_around is not {tk}_before:
                {tk}_before, {tk}_inside = {tk}_around, {tk}_steps.inside({tk}_around)
            {tk}_token = {tk}_attach({tk}_inside)
"""

# A step of an async generator may be taken in several contexts, where the token is worthless.
_LEAVE: Final = """\
                {tk}_now = {tk}_get_current()
                if {tk}_now is not {tk}_inside:
                    {tk}_inside = {tk}_steps.keep({tk}_now)
                try:
                    {tk}_reset({tk}_token)
                except {tk}_Exception:
                    {tk}_detach({tk}_token)
                {tk}_token = None
"""


def _stepped(template: str) -> str:
    template = template.replace("            {enter}\n", _ENTER)
    return _STEPS_BEGIN + template.replace("                {leave}\n", _LEAVE)


_GENERATOR: Final = _stepped("""\
    {tk}_generator = {tk}_function({passed})
    if {tk}_steps is {tk}_NO_STEPS:
        return (yield from {tk}_generator)
    {tk}_resume, {tk}_value, {tk}_hand = {tk}_generator.send, None, []
    try:
        while True:
            {enter}
            try:
                {tk}_hand.append({tk}_resume({tk}_value))
            except {tk}_StopIteration as {tk}_stop:
                {tk}_result = {tk}_stop.value
                break
            finally:
                {tk}_value = None
                {leave}
            try:
                {tk}_value = yield {tk}_hand.pop()
                {tk}_resume = {tk}_generator.send
            except {tk}_BaseException as {tk}_error:
                {tk}_resume, {tk}_value = {tk}_generator.throw, {tk}_error
    except {tk}_BaseException as {tk}_error:
        {tk}_value = None
        {tk}_steps.fail({tk}_error)
        raise
    {tk}_steps.succeed({tk}_result)
    return {tk}_result
""")

_ASYNC_GENERATOR: Final = _stepped("""\
    {tk}_generator = {tk}_function({passed})
    {tk}_step, {tk}_hand = {tk}_first_step({tk}_generator), []
    try:
        while True:
            {enter}
            try:
                {tk}_hand.append(await {tk}_step)
            except {tk}_StopAsyncIteration:
                break
            finally:
                {tk}_step = None
                {leave}
            try:
                {tk}_step = {tk}_generator.asend((yield {tk}_hand.pop()))
            except {tk}_BaseException as {tk}_error:
                {tk}_step = {tk}_generator.athrow({tk}_error)
    except {tk}_BaseException as {tk}_error:
        {tk}_step = None
        {tk}_steps.fail({tk}_error)
        raise
    {tk}_steps.succeed(None)
""")

_TEMPLATES: Final = {
    Kind.FUNCTION: (_CALL, "def", ""),
    Kind.COROUTINE: (_CALL, "async def", "await "),
    Kind.AWAITABLE: (_AWAITABLE, "def", ""),
    Kind.GENERATOR: (_GENERATOR, "def", ""),
    Kind.ASYNC_GENERATOR: (_ASYNC_GENERATOR, "async def", "await "),
}


async def awaited(recording: Recording, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await a coroutine in the span of the call that gave it."""
    recording.resume()
    try:
        result = await coroutine
    except BaseException as error:
        recording.fail(error)
        raise
    recording.succeed(result)
    return result


def first_step(generator: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Begin an async generator without telling the event loop of it.

    The loop closes every async generator that it was told of when it ends. It knows the wrapper,
    which closes the one within; told of both, it would close the inner one twice at the same time.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


_CLOSURE: Final[dict[str, object]] = {
    "BaseException": BaseException,
    "Exception": Exception,
    "NO_STEPS": NO_STEPS,
    "StopAsyncIteration": StopAsyncIteration,
    "StopIteration": StopIteration,
    "awaited": awaited,
    "caller": caller,
    "detach": detach,
    "first_step": first_step,
    "get_current": get_current,
    "give_up": give_up,
    "iscoroutine": inspect.iscoroutine,
    "start": start,
    "start_steps": start_steps,
}

_ANYTHING: Final = Parameters(("args", "kwargs"), "*args, **kwargs", "*args, **kwargs")


def wrap_function(function: types.FunctionType, site: FunctionSite, kind: Kind) -> Any:
    """Make the wrapper of a Python function, with the function's own parameters.

    Args:
        function: What is called.
        site: Its call site.
        kind: How it runs.

    Returns:
        A function of the same kind, name, signature and defaults.
    """
    wrapper = _make(function, site, kind, site.plan.parameters, function.__globals__)
    disguise(wrapper, function, defaults_of=function)
    functools.update_wrapper(wrapper, function)
    wrapper._tracekit_site = site  # type: ignore[attr-defined]  # functions take attributes
    if function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
        types.coroutine(wrapper)
    site.lead(wrapper, past=code_of_same_closure(function, wrapper))
    return wrapper


def wrap_opaque(callable_: Callable[..., Any], site: FunctionSite, kind: Kind) -> Any:
    """Make the wrapper of a callable whose arguments only it can bind, such as a builtin.

    Args:
        callable_: What is called.
        site: Its call site.
        kind: How it runs.

    Returns:
        A function that takes whatever it is given and hands it on.
    """
    wrapper = _make(callable_, site, kind, _ANYTHING, {})
    name = site.name.rpartition(".")[2]
    disguise(wrapper, types.SimpleNamespace(__name__=name, __qualname__=site.name), None)  # type: ignore[arg-type]  # only its names are read
    return wrapper


def _make(
    function: Callable[..., Any],
    site: FunctionSite,
    kind: Kind,
    parameters: Parameters,
    module_globals: dict[str, Any],
) -> types.FunctionType:
    template, define, wait = _TEMPLATES[kind]
    tk = parameters.free_name("_tk")
    captured = f"{tk}_site.attributes({parameters.passed})"
    tracer = tracer_here if site.parentage is None else tracer_of
    if site.parentage is not None:
        captured += f", {tk}_site.parentage({parameters.passed})"
    source = template.format(
        define=define,
        wait=wait,
        tk=tk,
        declared=parameters.declared,
        passed=parameters.passed,
        captured=captured,
    )
    cells = _class_cell(function)
    if cells:
        source += "    if 0: __class__\n"
    closure = {f"{tk}_{name}": value for name, value in _CLOSURE.items()}
    closure |= {f"{tk}_site": site, f"{tk}_function": function, f"{tk}_tracer_of": tracer}
    return make_function(
        source,
        name="wrapper",
        closure={name: value for name, value in closure.items() if name in source},
        module_globals=module_globals,
        title=f"<tracekit wrapper of {site.plan.function_name}>",
        cells=cells,
    )


def _class_cell(function: object) -> dict[str, types.CellType]:
    # Whoever makes a class anew, as attrs does for its slots, looks for the cell that `super()`
    # reads in the functions of the class; the wrapper has to have the very cell of the function.
    if type(function) is not types.FunctionType:
        return {}
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    return {name: cell for name, cell in zip(names, cells, strict=True) if name == "__class__"}


def site_of_wrapper(function: object) -> CallSite | None:
    """The call site of a function that is decorated already, or None."""
    return getattr(function, "_tracekit_site", None)
