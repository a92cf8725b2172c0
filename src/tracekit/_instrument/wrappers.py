"""The wrappers of decorated functions: one template for each kind of callable.

A template is the whole path of a call, from top to bottom. In it, `{tk}` is a prefix with which no
parameter of the function begins, `{declared}` is the function's parameter list, `{passed}` is the
list of the same arguments in a call, and `{captured}` the span's attributes and parentage.

Where an exception leaves a wrapper, the wrapper lets go of its arguments (`{released}`). The
traceback of the exception holds the frame, and an argument that is the exception would be in a
cycle with it. The wrapper of a generator lets go of them when it has passed them on.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from tracekit._filters.call_sites import CallSite
from tracekit._instrument.compilation import (
    ANY_PARAMETERS,
    Parameters,
    Place,
    can_run_in_wrapper,
    compile_code,
    make_function,
    put_at,
)
from tracekit._instrument.function_site import CallableKind, FunctionSite
from tracekit._instrument.generators import (
    NO_SPAN,
    first_step,
    frame_of_caller,
    start_generator_span,
)
from tracekit._recording.current_context import detach, get_current, tracer_for, tracer_for_child
from tracekit._recording.span_lifecycle import ActiveSpan, log_failure, start_active_span

# A `try` costs nothing from Python 3.11 on, and time of every call that is not recorded before.
_CALL_WITHOUT_SPAN: Final = (
    """\
        try:
            return {await_}{tk}_function({passed})
        except {tk}_BaseException:
            {released}
            raise
"""
    if sys.version_info >= (3, 11)
    else """\
        return {await_}{tk}_function({passed})
"""
)

_CALL: Final = (
    """\
{define} wrapper({declared}):
    if {tk}_site.disabled:
        {call_without_span}
    {tk}_span = None
    try:
        {tk}_tracer = {tk}_tracer_for({tk}_site)
        if {tk}_tracer is not None:
            {tk}_span = {tk}_start_active_span({tk}_site, {tk}_tracer, {captured})
    except {tk}_Exception as {tk}_error:
        {tk}_log_failure({tk}_site, {tk}_error)
    if {tk}_span is None:
        {call_without_span}
    try:
        {tk}_result = {await_}{tk}_function({passed})
    except {tk}_BaseException as {tk}_error:
        {tk}_span.fail({tk}_error)
        {released}
        raise
    {tk}_span.succeed({tk}_result)
    return {tk}_result
"""
).replace("        {call_without_span}\n", _CALL_WITHOUT_SPAN)

# The proxy of a coroutine function may return the coroutine, or the result of having run it.
_AWAITABLE_CALL: Final = _CALL.replace(
    "    {tk}_span.succeed({tk}_result)",
    """\
    if {tk}_iscoroutine({tk}_result):
        return {tk}_await_in_span({tk}_span.suspend(), {tk}_result)
    {tk}_span.succeed({tk}_result)""",
)

# The wrapper of a generator keeps no reference to an item, or to a value that was sent, while it is
# suspended. So an item passes through the list `item`, from which it is popped when it is yielded.
# The context is entered and left inline, because calls would take a third of the time of a step.
_START_GENERATOR: Final = """\
{define} wrapper({declared}):
    {tk}_span = {tk}_NO_SPAN
    if not {tk}_site.disabled:
        try:
            {tk}_tracer = {tk}_tracer_for({tk}_site)
            if {tk}_tracer is not None:
                {tk}_span = {tk}_start_generator_span(
                    {tk}_site, {tk}_tracer, {captured}, consumer={tk}_frame_of_caller(1)
                )
        except {tk}_Exception as {tk}_error:
            {tk}_log_failure({tk}_site, {tk}_error)
    {tk}_attach, {tk}_reset = {tk}_span.attach, {tk}_span.reset
    {tk}_consumer_context = {tk}_body_context = None
"""

_ENTER_CONTEXT: Final = """\
            {tk}_current = {tk}_get_current()
            if {tk}_current is not {tk}_consumer_context:
                {tk}_consumer_context = {tk}_current
                {tk}_body_context = {tk}_span.body_context({tk}_current)
            {tk}_token = {tk}_attach({tk}_body_context)
"""

# The steps of an async generator may run in different contexts. The token of another context is
# rejected by `reset`.
_LEAVE_CONTEXT: Final = """\
                {tk}_current = {tk}_get_current()
                if {tk}_current is not {tk}_body_context:
                    {tk}_body_context = {tk}_span.keep({tk}_current)
                try:
                    {tk}_reset({tk}_token)
                except {tk}_Exception:
                    {tk}_detach({tk}_token)
                {tk}_token = None
"""


def _generator_template(steps: str) -> str:
    steps = steps.replace("            {enter_context}\n", _ENTER_CONTEXT)
    return _START_GENERATOR + steps.replace("                {leave_context}\n", _LEAVE_CONTEXT)


_GENERATOR: Final = _generator_template("""\
    {tk}_generator = {tk}_function({passed})
    {released}
    if {tk}_span is {tk}_NO_SPAN:
        return (yield from {tk}_generator)
    {tk}_resume, {tk}_sent, {tk}_item = {tk}_generator.send, None, []
    try:
        while True:
            {enter_context}
            try:
                {tk}_item.append({tk}_resume({tk}_sent))
            except {tk}_StopIteration as {tk}_stop:
                {tk}_result = {tk}_stop.value
                break
            finally:
                {tk}_sent = None
                {leave_context}
            try:
                {tk}_sent = yield {tk}_item.pop()
                {tk}_resume = {tk}_generator.send
            except {tk}_BaseException as {tk}_error:
                {tk}_resume, {tk}_sent = {tk}_generator.throw, {tk}_error
    except {tk}_BaseException as {tk}_error:
        {tk}_sent = None
        {tk}_span.fail({tk}_error)
        raise
    {tk}_span.succeed({tk}_result)
    return {tk}_result
""")

_ASYNC_GENERATOR: Final = _generator_template("""\
    {tk}_generator = {tk}_function({passed})
    {released}
    {tk}_step, {tk}_item = {tk}_first_step({tk}_generator), []
    try:
        while True:
            {enter_context}
            try:
                {tk}_item.append(await {tk}_step)
            except {tk}_StopAsyncIteration:
                break
            finally:
                {tk}_step = None
                {leave_context}
            try:
                {tk}_step = {tk}_generator.asend((yield {tk}_item.pop()))
            except {tk}_BaseException as {tk}_error:
                {tk}_step = {tk}_generator.athrow({tk}_error)
    except {tk}_BaseException as {tk}_error:
        {tk}_step = None
        {tk}_span.fail({tk}_error)
        raise
    {tk}_span.succeed(None)
""")

_TEMPLATES: Final = {
    CallableKind.FUNCTION: (_CALL, "def", ""),
    CallableKind.COROUTINE: (_CALL, "async def", "await "),
    CallableKind.AWAITABLE: (_AWAITABLE_CALL, "def", ""),
    CallableKind.GENERATOR: (_GENERATOR, "def", ""),
    CallableKind.ASYNC_GENERATOR: (_ASYNC_GENERATOR, "async def", "await "),
}


async def _await_in_span(span: ActiveSpan, coroutine: Coroutine[Any, Any, Any]) -> Any:
    span.resume()
    try:
        result = await coroutine
    except BaseException as error:
        span.fail(error)
        raise
    span.succeed(result)
    return result


_CLOSURE: Final[dict[str, object]] = {
    "BaseException": BaseException,
    "Exception": Exception,
    "NO_SPAN": NO_SPAN,
    "StopAsyncIteration": StopAsyncIteration,
    "StopIteration": StopIteration,
    "await_in_span": _await_in_span,
    "detach": detach,
    "first_step": first_step,
    "frame_of_caller": frame_of_caller,
    "get_current": get_current,
    "iscoroutine": inspect.iscoroutine,
    "log_failure": log_failure,
    "start_active_span": start_active_span,
    "start_generator_span": start_generator_span,
}

_CELLS: Final = {name: types.CellType(value) for name, value in _CLOSURE.items()}
_TRACER_CELL: Final = types.CellType(tracer_for)
_CHILD_TRACER_CELL: Final = types.CellType(tracer_for_child)


def wrap_function(function: types.FunctionType, site: FunctionSite, kind: CallableKind) -> Any:
    """Make the wrapper of a function: of the same kind, name, place, parameters and defaults."""
    code = function.__code__
    place = Place(function.__name__, function.__qualname__, code.co_filename, code.co_firstlineno)
    parameters = site.capture.parameters
    wrapper = _make_wrapper(function, site, kind, parameters, function.__globals__, place)
    wrapper.__defaults__, wrapper.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    functools.update_wrapper(wrapper, function)
    setattr(wrapper, _SITE, site)
    if code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        types.coroutine(wrapper)
    if can_run_in_wrapper(code):
        site.bypass(wrapper, code)
    return wrapper


def wrap_opaque(function: Callable[..., Any], site: FunctionSite, kind: CallableKind) -> Any:
    """Make the wrapper of a callable whose arguments only it can bind, such as a builtin."""
    place = site.capture.place._replace(name=site.name.rpartition(".")[2], qualname=site.name)
    return _make_wrapper(function, site, kind, ANY_PARAMETERS, {}, place)


def _make_wrapper(
    function: Callable[..., Any],
    site: FunctionSite,
    kind: CallableKind,
    parameters: Parameters,
    module_globals: dict[str, Any],
    place: Place,
) -> types.FunctionType:
    tk = parameters.free_name("_tk")
    class_cell = _class_cell(function)
    form = _compile_form(
        kind, parameters.kinds, tk, site.parentage is not None, class_cell is not None
    )
    code = put_at(form.code, place, dict(zip(form.stand_ins, parameters.names, strict=True)))
    own = {"site": types.CellType(site), "function": types.CellType(function), "class": class_cell}
    cells = [own[cell] if type(cell) is str else cell for cell in form.cells]
    return make_function(code, place, cells, module_globals)


class _Form(NamedTuple):
    """The wrapper of all functions with one form of parameter list.

    Attributes:
        code: Its code, with names that stand in for those of the parameters.
        stand_ins: These names.
        cells: The cell of each free name, or what is in it: `site`, `function` or `class`.
    """

    code: types.CodeType
    stand_ins: tuple[str, ...]
    cells: tuple[types.CellType | str, ...]


@functools.lru_cache(maxsize=1_024)
def _compile_form(
    kind: CallableKind, kinds: tuple[Any, ...], tk: str, has_parentage: bool, has_class_cell: bool
) -> _Form:
    template, define, await_ = _TEMPLATES[kind]
    parameters = Parameters(tuple(f"{tk}{number}" for number in range(len(kinds))), kinds)
    passed = parameters.passed
    captured = f"{tk}_site.attributes({passed})"
    if has_parentage:
        captured += f", {tk}_site.parentage({passed})"
    source = template.format(
        define=define,
        await_=await_,
        tk=tk,
        declared=parameters.declared,
        passed=passed,
        captured=captured,
        released="".join(f"{name} = " for name in parameters.names) + "None" if kinds else "pass",
    )
    if has_class_cell:
        source += "    if 0: __class__\n"
    cells: dict[str, types.CellType | str] = {f"{tk}_{name}": _CELLS[name] for name in _CELLS}
    cells[f"{tk}_tracer_for"] = _TRACER_CELL if has_parentage else _CHILD_TRACER_CELL
    cells |= {f"{tk}_site": "site", f"{tk}_function": "function", "__class__": "class"}
    code = compile_code(source, cells)
    return _Form(code, parameters.names, tuple(cells[name] for name in code.co_freevars))


def _class_cell(function: object) -> types.CellType | None:
    # attrs recreates a class to give it slots, and then updates the cell that `super()` reads in
    # the functions of the class. The wrapper has to share that cell with the function.
    if type(function) is not types.FunctionType or "__class__" not in function.__code__.co_freevars:
        return None
    return (function.__closure__ or ())[function.__code__.co_freevars.index("__class__")]


# The attribute of a wrapper that holds its call site.
_SITE: Final = "_tracekit_site"


def site_of_wrapper(function: object) -> CallSite | None:
    """Return the call site of a decorated function; None for any other object."""
    site: CallSite | None = getattr(function, _SITE, None)
    return site
