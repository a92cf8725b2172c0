"""The options of `@instrument`: what is recorded, and what is refused at decoration."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import functools
import gc
import inspect
import logging
import pickle
import sys
import traceback
import weakref
from collections.abc import Mapping
from typing import Any

import cloudpickle
import pytest
import wrapt
from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from tests import callables
from tracekit import InstrumentationError, Level, instrument, span
from tracekit.testing import capture_spans

REMOTE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
CARRIER = {"traceparent": f"00-{0xABC:032x}-{0xDEF:016x}-01"}


# What is recorded.


def test_the_arguments_are_recorded_in_order_under_their_own_names(spans):
    """Positional-only, keyword-only, starred and defaulted arguments all have their names."""

    @instrument
    def work(a, /, b, c=3, *rest, d, e=5, **others):
        return a

    work(1, 2, d=4)
    work(1, 2, 3, "x", "y", d=4, e=6, f=7)
    assert [
        {"a": 1, "b": 2, "c": 3, "rest": (), "d": 4, "e": 5, "others": "{}"},
        {
            "a": 1,
            "b": 2,
            "c": 3,
            "rest": ("x", "y"),
            "d": 4,
            "e": 6,
            "others": "{'f': 7}",
        },
    ] == [one.attributes for one in spans]
    assert list("abc") == list(spans[0].attributes)[:3]


def test_self_and_cls_are_never_recorded(spans):
    """The receiver is no argument, by name or by its place below a descriptor."""

    class Service:
        @instrument
        def method(self, a):
            pass

        @instrument
        @classmethod
        def factory(kind, a):  # noqa: N804 - by its place, not by its name
            pass

    Service().method(1)
    Service.factory(2)
    assert [{"a": 1}, {"a": 2}] == [one.attributes for one in spans]


def test_arguments_are_taken_at_entry(spans):
    """What the function does to an argument later is not seen."""

    @instrument
    def work(items):
        items.append(4)

    work([1, 2, 3])
    assert (1, 2, 3) == spans["test_arguments_are_taken_at_entry.work"].attributes["items"]


def test_skip_leaves_arguments_out(spans):
    """Skipped names are not recorded; the others are."""

    @instrument("work", skip=["db"])
    def work(db, user):
        pass

    work(object(), "ada")
    assert {"user": "ada"} == spans["work"].attributes


def test_skip_all_keeps_the_fields(spans):
    """With `skip_all` only the fields are recorded."""

    @instrument("work", skip_all=True, fields={"size": lambda items: len(items)})
    def work(items, other):
        pass

    work([1, 2], 3)
    assert {"size": 2} == spans["work"].attributes


def test_fields_are_constants_and_callables_in_order_after_the_arguments(spans):
    """Callables get the arguments that their parameters name."""

    @instrument("work", fields={"tier": "db", "b.first": lambda b, a: (b, a), "last": lambda: "x"})
    def work(a, *, b=2):
        pass

    work(1)
    assert [("a", 1), ("b", 2), ("tier", "db"), ("b.first", (2, 1)), ("last", "x")] == list(
        spans["work"].attributes.items()
    )


def test_a_field_named_like_an_argument_replaces_it(spans):
    """The argument's own value is not recorded then."""

    @instrument("work", fields={"user": lambda user: user["name"]})
    def work(user):
        pass

    work({"name": "ada"})
    assert {"user": "ada"} == spans["work"].attributes


def test_a_field_may_use_self(spans):
    """`self` is not recorded, but there to be used."""

    class Service:
        name = "mailer"

        @instrument("work", fields={"service.name": lambda self: self.name})
        def work(self):
            pass

    Service().work()
    assert {"service.name": "mailer"} == spans["work"].attributes


def test_a_field_that_raises_is_left_out_and_said_once(spans, caplog):
    """The call goes on, the other fields are there, and one line is logged."""

    @instrument("work", fields={"bad": lambda a: 1 / a, "good": 1})
    def work(a):
        return "result"

    assert ["result", "result"] == [work(0), work(0)]
    assert [{"a": 0, "good": 1}] * 2 == [one.attributes for one in spans]
    assert 1 == sum("the field 'bad'" in record.getMessage() for record in caplog.records)


def test_fields_are_not_evaluated_when_the_span_is_filtered_out():
    """A call that nobody wants evaluates nothing."""
    asked = []

    @instrument(level="debug", fields={"n": asked.append})
    def work(object):
        pass

    with capture_spans(filter="info") as spans:
        work(1)
    assert ([], []) == (asked, list(spans))


def test_ret_records_the_result(spans):
    """As `return`; of a generator, its return value."""

    @instrument("call", ret=True)
    def call():
        return 42

    @instrument("steps", ret=len)
    def steps():
        yield
        return "four"

    call()
    list(steps())
    assert [42, 4] == [one.attributes["return"] for one in spans]


def test_ret_records_nothing_of_a_failure(spans):
    """A call that raises has no result."""

    @instrument("work", ret=True)
    def work():
        raise ValueError

    with pytest.raises(ValueError):
        work()
    assert {} == spans["work"].attributes


@pytest.mark.parametrize(
    ("err", "status", "level"),
    [
        (True, "ERROR: ValueError: boom", None),
        ("error", "ERROR: ValueError: boom", None),
        (Level.WARN, "UNSET", "WARN"),
        ("info", "UNSET", "INFO"),
    ],
)
def test_err_decides_how_an_exception_shows(spans, err, status, level):
    """As an event at its level; only ERROR makes the status ERROR."""

    @instrument("work", err=err)
    def work():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        work()
    ((name, attributes),) = spans["work"].events
    assert (status, "exception", level) == (spans["work"].status, name, attributes.get("level"))


def test_err_false_records_nothing(spans):
    """No event and no status."""

    @instrument("work", err=False)
    def work():
        raise ValueError

    with pytest.raises(ValueError):
        work()
    assert ("UNSET", []) == (spans["work"].status, spans["work"].events)


def test_an_exception_below_the_filter_is_not_recorded():
    """The event of an exception goes through the filter at its own level."""

    @instrument("work", err="debug")
    def work():
        raise ValueError

    with capture_spans(filter="info") as spans, pytest.raises(ValueError):
        work()
    assert [] == spans["work"].events


def test_the_stack_trace_begins_in_the_users_function(spans):
    """The wrapper's own frame is not part of it."""

    @instrument("work")
    def work():
        raise ValueError("boom")

    with pytest.raises(ValueError):
        work()
    text = spans["work"].span.events[0].attributes["exception.stacktrace"]
    assert ("tracekit wrapper" not in text, True) == (True, 'raise ValueError("boom")' in text)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_program_is_no_error(spans, error):
    """The status stays unset."""

    @instrument("work")
    def work():
        raise error

    with pytest.raises(error):
        work()
    assert ("UNSET", []) == (spans["work"].status, spans["work"].events)


def test_the_standard_attributes(spans):
    """Where the code is and which thread ran it, by the semantic conventions."""

    @instrument("work")
    def work():
        pass

    work()
    recorded = spans["work"].span.attributes
    code = work.__wrapped__.__code__
    assert {
        "code.function.name": f"{__name__}.test_the_standard_attributes.<locals>.work",
        "code.file.path": __file__,
        "code.line.number": code.co_firstlineno,
        "thread.id": recorded["thread.id"],
        "thread.name": "MainThread",
    } == dict(recorded)


def test_name_level_target_and_kind(spans):
    """The name and kind are the span's, the target names its instrumentation scope."""

    @instrument("lookup", target="shop.cache", kind="client")
    def work():
        pass

    work()
    made = spans["lookup"].span
    assert (SpanKind.CLIENT, "shop.cache") == (made.kind, made.instrumentation_scope.name)


def test_the_default_name_is_the_qualified_one_without_locals(spans):
    """A method is named with its class; `<locals>` is left out."""

    class Service:
        @instrument
        def work(self):
            pass

    Service().work()
    name = "test_the_default_name_is_the_qualified_one_without_locals.Service.work"
    assert [name] == [one.name for one in spans]


def test_children_of_a_filtered_span_attach_to_the_nearest_recorded_one():
    """A span that is not wanted leaves no gap in the tree."""

    @instrument("outer")
    def outer():
        middle()

    @instrument("middle", level="debug")
    def middle():
        inner()

    @instrument("inner")
    def inner():
        pass

    with capture_spans(filter="info") as spans:
        outer()
    assert spans == [("outer", ["inner"])]


def test_nothing_is_recorded_where_instrumentation_is_suppressed(spans):
    """OpenTelemetry's own switch in the context is heeded."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    @instrument("work")
    def work():
        pass

    with suppress_instrumentation():
        work()
    assert [] == list(spans)


# Parents and links.


def parent_of(options: Mapping[str, Any], *arguments: Any) -> SpanContext | None:
    @instrument("work", skip_all=True, **options)
    def work(message=None):
        pass

    with capture_spans() as spans, span("around"):
        work(*arguments)
    return spans["work"].span.parent


@pytest.mark.parametrize(
    ("parent", "argument"),
    [
        (REMOTE, None),
        (trace.NonRecordingSpan(REMOTE), None),
        (CARRIER, None),
        (trace.set_span_in_context(trace.NonRecordingSpan(REMOTE), Context()), None),
        (lambda message: message, CARRIER),
        (lambda message: message, [("TraceParent", CARRIER["traceparent"].encode())]),
        (lambda message: message, REMOTE),
    ],
)
def test_a_named_parent_wins_over_the_current_span(parent, argument):
    """A span, span context, context or carrier, or a callable of the arguments that gives one."""
    assert REMOTE.span_id == parent_of({"parent": parent}, argument).span_id


@pytest.mark.parametrize("parent", [None, {}, lambda message: None, lambda: {}])
def test_no_parent_begins_a_new_trace(parent):
    """None, or a carrier that holds no trace."""
    assert parent_of({"parent": parent}) is None


def test_a_parent_that_cannot_be_found_falls_back_to_the_current_span(caplog):
    """The call goes on and one line is logged."""
    assert parent_of({"parent": lambda message: message.headers}) is not None
    assert 1 == sum("the parent" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "links", [[REMOTE], [CARRIER], [Link(REMOTE)], lambda message: [REMOTE], CARRIER]
)
def test_links_point_at_other_spans(links):
    """The same forms as for a parent, and finished links."""

    @instrument("work", links=links)
    def work(message=None):
        pass

    with capture_spans() as spans:
        work()
    assert [REMOTE.span_id] == [link.context.span_id for link in spans["work"].span.links]


def test_a_carrier_without_a_trace_gives_no_link(spans):
    """It is left out rather than pointing nowhere."""

    @instrument("work", links=[{}])
    def work():
        pass

    work()
    assert 0 == len(spans["work"].span.links)


# What the decorated function keeps.


def top_level(a: int, /, b: str = "x", *args: int, c: float, **kwargs: bool) -> list[int]:
    """Its documentation."""
    return [a, *args]


decorated_top_level = top_level
top_level = instrument(top_level)


def test_it_keeps_its_identity():
    """Name, documentation, signature, annotations, defaults, module and `__wrapped__`."""
    original = top_level.__wrapped__
    assert original is decorated_top_level
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__"):
        assert getattr(original, name) == getattr(top_level, name)
    assert original.__defaults__ is top_level.__defaults__
    assert original.__kwdefaults__ is top_level.__kwdefaults__
    assert inspect.signature(original) == inspect.signature(top_level)
    assert original.__globals__ is top_level.__globals__


@pytest.mark.parametrize(
    "predicate",
    [
        inspect.isfunction,
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    ],
)
def test_it_stays_of_its_kind(predicate):
    """The predicates of `inspect` answer as for the undecorated function."""
    from tests.callables import async_generator, coroutine, generator, plain

    for function in (plain, coroutine, generator, async_generator):
        assert predicate(function) == predicate(instrument(function))


def calls():
    return [(), (1,), (1, "x", 2), {"a": 1}, {"b": 2, "c": 3}]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((1,), {}),
        ((1, 2, 3), {}),
        ((), {"a": 1, "c": 2}),
        ((1,), {"c": 2, "b": 3, "d": 4}),
        ((1, 2), {"b": 3, "c": 4}),
    ],
)
def test_a_wrong_call_raises_the_same_type_error(args, kwargs):
    """The text is the undecorated function's, word for word."""

    def work(a, /, b=2, *, c):
        pass

    with pytest.raises(TypeError) as undecorated:
        if args == (1,) and kwargs.get("d"):
            work(*args, **kwargs)
        else:
            work(*args, **{**kwargs, "surplus": 1})
    with capture_spans(), pytest.raises(TypeError) as decorated:
        if args == (1,) and kwargs.get("d"):
            instrument(work)(*args, **kwargs)
        else:
            instrument(work)(*args, **{**kwargs, "surplus": 1})
    assert str(undecorated.value) == str(decorated.value)


def exhaust_coroutine(function):
    callables.step(function("raises"))


def exhaust_async_generator(function):
    async def exhaust():
        async for _ in function("raises"):
            pass

    callables.step(exhaust())


@pytest.mark.parametrize(
    ("function", "run"),
    [
        (callables.plain, lambda function: function("raises")),
        (callables.coroutine, exhaust_coroutine),
        (callables.generator, lambda function: list(function("raises"))),
        (callables.async_generator, exhaust_async_generator),
    ],
)
def test_a_traceback_has_one_frame_more(function, run):
    """Decorating adds a single frame, whose source line can be shown."""

    def frames(subject):
        with pytest.raises(ValueError, match="boom") as caught:
            run(subject)
        return traceback.extract_tb(caught.value.__traceback__)

    with capture_spans():
        decorated = frames(instrument(function))
    assert len(frames(function)) + 1 == len(decorated)
    assert all(frame.line for frame in decorated)


def test_it_pickles_by_name():
    """A decorated function of a module goes through pickle as itself."""
    assert pickle.loads(pickle.dumps(top_level)) is top_level


def test_it_pickles_by_value_from_main(tmp_path, run_python):
    """Cloudpickle takes a decorated function of `__main__` along, with its options."""
    script = f"""
import cloudpickle
from tracekit import instrument

SCALE = 3

@instrument("scaled", skip=["secret_key"], fields={{"twice": lambda n: 2 * n}}, ret=True)
def scaled(n, secret_key):
    return SCALE * n

with open({str(tmp_path / "function")!r}, "wb") as file:
    cloudpickle.dump(scaled, file)
"""
    run_python(script)
    function = cloudpickle.loads((tmp_path / "function").read_bytes())
    with capture_spans() as spans:
        assert 21 == function(7, object())
    assert spans == [("scaled", {"n": 7, "twice": 14, "return": 21})]


def test_a_decorated_callable_object_pickles_with_its_options():
    """What is unpickled is decorated as before."""
    import functools

    copy = pickle.loads(pickle.dumps(instrument("sum", skip_all=True)(functools.partial(sum, [1]))))
    assert isinstance(copy, functools.partial)
    with capture_spans() as spans:
        assert 1 == copy()
    assert spans == [("sum", {})]


def test_a_class_is_decorated_in_place(spans):
    """Every function of the body has spans; what the interpreter runs by itself has none."""

    @instrument(skip=["password"])
    class Account:
        def __init__(self, name):
            self.name = name

        def __repr__(self):
            return "Account()"

        def __eq__(self, other):
            return True

        __hash__ = None

        def login(self, password):
            return self.check(password)

        @staticmethod
        def check(password):
            return True

        @classmethod
        def guest(cls):
            return cls("guest")

        @property
        def label(self):
            return self.name

        @instrument("own name")
        def special(self):
            pass

    account = Account.guest()
    repr(account)
    account.login("x")
    account.label
    account.special()
    prefix = "test_a_class_is_decorated_in_place.Account."
    assert [
        "guest",
        "__init__",
        "login",
        "check",
        "label",
        "own name",
    ] == [one.name.removeprefix(prefix) for one in spans]
    assert all("password" not in one.attributes for one in spans)


def test_what_a_class_inherits_or_dataclasses_made_is_left_alone(spans):
    """Only functions that stand in the body are decorated."""
    import dataclasses

    class Base:
        def inherited(self):
            pass

    @instrument
    @dataclasses.dataclass
    class Point(Base):
        x: int

        def work(self):
            pass

    Point(1).inherited()
    Point(1).work()
    assert 1 == len(spans)


# What is refused.


def a_function(a, b):
    pass


REFUSED = [
    (lambda: instrument(skip=["c"])(a_function), "skip names 'c', which is not an argument"),
    (lambda: instrument(skip=["c"])(a_function), "it has 'a', 'b'"),
    (lambda: instrument(skip=["c"])(a_function), "tests.test_instrument.a_function"),
    (lambda: instrument(skip=["a", "a"])(a_function), "skip names 'a' twice"),
    (lambda: instrument(skip=["a"], skip_all=True)(a_function), "exclude each other"),
    (lambda: instrument(skip=[1]), "skip: 1 is not the name of an argument"),
    (lambda: instrument(fields={"x": lambda c: c})(a_function), r"fields\['x'\] asks for 'c'"),
    (lambda: instrument(fields=["x"])(a_function), r"fields=\['x'\]: expected a mapping"),
    (lambda: instrument(fields={"": 1})(a_function), "fields: '' is not an attribute name"),
    (lambda: instrument(fields={"x": dict.fromkeys})(a_function), "fields"),
    (lambda: instrument(parent=lambda c: c)(a_function), "parent asks for 'c'"),
    (lambda: instrument(parent=7)(a_function), "parent=7: expected None, a span"),
    (lambda: instrument(links=[7])(a_function), r"links=\[7\]: expected links"),
    (lambda: instrument(links=lambda c: c)(a_function), "links asks for 'c'"),
    (lambda: instrument(level="loud")(a_function), "level='loud'.*TRACE, DEBUG"),
    (lambda: instrument(level="off")(a_function), "a span cannot be OFF"),
    (lambda: instrument(kind="outer")(a_function), "kind='outer' is not a span kind"),
    (lambda: instrument(err="loud")(a_function), "err='loud'"),
    (lambda: instrument(ret=1)(a_function), "ret=1: use True, False or a callable"),
    (lambda: instrument(expected=[1])(a_function), "expected: 1 is not an exception type"),
    (lambda: instrument("")(a_function), "name='' is not the name of a span"),
    (lambda: instrument(expected=KeyError()), r"expected: KeyError\(\) is not an exception type"),
    (lambda: instrument(expected="KeyError"), "expected: 'KeyError' is not an exception type"),
    (lambda: instrument(target=3), "target=3 is not a target"),
    (lambda: instrument(7), "an object of type int cannot be decorated"),
    (lambda: instrument([a_function]), "an object of type list cannot be decorated"),
    (lambda: instrument("x")(type("Empty", (), {})), "name='x' would be the name of every"),
    (lambda: instrument(type("Empty", (), {})), "defines no function"),
    (lambda: instrument(int), "defines no function"),
    (lambda: instrument(skip=["a"])(dict.__new__), "not an argument"),
]


@pytest.mark.parametrize(("decorate", "message"), REFUSED)
def test_a_mistake_is_refused_at_decoration(decorate, message):
    """The error names the option, shows the value and says what would be right."""
    with pytest.raises(InstrumentationError, match=message):
        decorate()


def test_an_async_generator_has_no_result():
    """Asking for one is a mistake."""

    async def steps():
        yield 1

    with pytest.raises(InstrumentationError, match="an async generator has no result"):
        instrument(ret=True)(steps)


def test_the_errors_are_what_a_python_user_expects():
    """A mistake in decoration is a `TypeError` too."""
    assert issubclass(InstrumentationError, TypeError)


def test_a_failure_of_recording_is_logged_once_and_the_call_goes_on(caplog):
    """A provider that raises does not reach the program."""

    class Broken(trace.TracerProvider):
        def get_tracer(self, *args, **kwargs):
            raise RuntimeError("no tracer today")

    from tracekit._sdk.provider import global_provider

    @instrument
    def work(a):
        return a + 1

    with global_provider(Broken()), caplog.at_level(logging.WARNING):
        assert [2, 2] == [work(1), work(1)]
    assert 1 == len([r for r in caplog.records if "not recorded whole" in r.getMessage()])


# Callables that bind their own arguments.


def add(a, b=2, *, c=3):
    return a + b + c


@pytest.mark.parametrize(
    ("make", "args", "recorded"),
    [
        (lambda: functools.partial(add, 1, c=4), (), {"b": 2, "c": 4}),
        (lambda: functools.partial(add, b=7), (1,), {"a": 1, "b": 7, "c": 3}),
        (lambda: functools.lru_cache(add), (1,), {"a": 1, "b": 2, "c": 3}),
        (lambda: sorted, ([1],), {"iterable": (1,), "key": "None", "reverse": False}),
    ],
)
def test_defaults_of_any_callable_are_recorded_as_they_are(spans, make, args, recorded):
    """Also where the wrapper does not fill them in itself."""
    undecorated = make()
    assert undecorated(*args) == instrument("work")(make())(*args)
    assert recorded == spans["work"].attributes


def test_a_callable_without_a_signature_is_called_all_the_same(spans):
    """Nothing is recorded of its arguments, and none can be named."""

    class Opaque:
        __call__ = dict.fromkeys
        __signature__ = "none"

    assert {1: None} == instrument("work")(dict.fromkeys)([1])
    with pytest.raises(InstrumentationError, match="cannot be read"):
        instrument(skip=["a"])(Opaque())
    assert 1 == len(spans)


# What stands between the decorator and the function.


def test_what_stands_below_contextmanager_stays_in_place(spans):
    """Another decorator there runs, and the helper keeps its attributes."""
    ran = []

    def noted(function):
        @functools.wraps(function)
        def inner(*args):
            ran.append(args)
            return function(*args)

        return inner

    @contextlib.contextmanager
    @noted
    def work(n):
        yield n

    work.marker = "kept"
    decorated = instrument("work")(work)
    with decorated(3) as value, span("inside"):
        assert (3, [(3,)], "kept") == (value, ran, decorated.marker)
    assert [("work", {"args": (3,)}, ["inside"])] == spans


def test_a_signature_set_for_show_changes_no_call(spans):
    """Arguments are bound as the function itself binds them, and the signature shown stays."""

    def injected(x, *, extra=1, **rest):
        return x, extra, rest

    shown = inspect.Signature([inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)])
    injected.__signature__ = shown
    decorated = instrument("work")(injected)
    assert ((1, 2, {"y": 3}), shown) == (decorated(1, extra=2, y=3), inspect.signature(decorated))
    assert {"x": 1, "extra": 2, "rest": "{'y': 3}"} == spans["work"].attributes


def test_a_class_may_have_methods_with_a_signature_for_show(spans):
    """What `skip` names is looked up in the parameters that are bound."""

    @instrument(skip=["db"])
    class Service:
        def work(self, db, n):
            return n

        work.__signature__ = inspect.Signature()

    assert 2 == Service().work("db", 2)
    assert {"n": 2} == spans[0].attributes


@wrapt.decorator
def handed_on(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)


@wrapt.decorator
def run_to_the_end(wrapped, instance, args, kwargs):
    return asyncio.run(wrapped(*args, **kwargs))


@wrapt.decorator
def listed(wrapped, instance, args, kwargs):
    return list(wrapped(*args, **kwargs))


def test_what_an_opaque_decorator_gives_stays_what_it_is(spans):
    """A coroutine that it runs is a result, a generator that it collects or keeps is one too."""

    async def coroutine(n):
        with span("inside"):
            return n

    def generator(n):
        yield n

    kept = instrument("kept")(functools.lru_cache(generator))
    assert (1, [2], True) == (
        instrument("run")(run_to_the_end(coroutine))(1),
        instrument("listed")(listed(generator))(2),
        kept(3) is kept(3),
    )
    assert [("run", ["inside"]), "listed", "kept", "kept"] == spans


def test_a_coroutine_that_an_opaque_decorator_hands_on_is_covered(spans):
    """The span lasts until it was awaited, and is current in it and nowhere else."""

    async def coroutine(n):
        with span("inside"):
            await asyncio.sleep(0)
            raise ValueError(n)

    decorated = instrument("work")(handed_on(coroutine))
    assert inspect.iscoroutinefunction(decorated)
    running = decorated(1)
    assert not trace.get_current_span().is_recording()
    with pytest.raises(ValueError, match="1"):
        asyncio.run(running)
    assert [("work", {"n": 1}, ["inside"])] == spans
    assert "ERROR: ValueError: 1" == spans["work"].status


def test_a_class_may_have_methods_around_what_has_no_name(spans):
    """A wrapper of a partial or a builtin is no function of the class, and is let be."""

    class Service:
        @functools.wraps(functools.partial(int, "3"))
        def three(self):
            return 3

        @functools.wraps(len)
        def length(self):
            return 4

        def work(self):
            return 5

    service = instrument(Service)()
    assert (3, 4, 5) == (service.three(), service.length(), service.work())
    assert ["work"] == [one.name.rpartition(".")[2] for one in spans if "work" in one.name]


def test_a_class_that_cannot_be_changed_is_left_whole():
    """The functions that were replaced before are put back."""

    class Sealed(type):
        def __setattr__(cls, name, value):
            if name == "second" and hasattr(value, "_tracekit_site"):
                raise TypeError("sealed")
            super().__setattr__(name, value)

    class Service(metaclass=Sealed):
        def first(self):
            pass

        def second(self):
            pass

    before = dict(vars(Service))
    with pytest.raises(InstrumentationError, match="TypeError: sealed"):
        instrument(Service)
    assert before == dict(vars(Service))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: instrument(skip="typo")(property(lambda self: 1)), "skip names 'typo'"),
        (lambda: instrument(skip=5), "skip=5: expected the names of arguments"),
    ],
)
def test_a_mistaken_skip_is_refused(make, message):
    """On a property, and where it is nothing that holds names."""
    with pytest.raises(InstrumentationError, match=message):
        make()


# Exceptions.


def nested(depth, error):
    @instrument
    def work(n):
        if n == 0:
            raise error
        work(n - 1)

    with contextlib.suppress(type(error)):
        work(depth)


def stacks(spans):
    return [one.span.events[0].attributes.get("exception.stacktrace") for one in spans]


def test_the_stack_is_written_on_the_innermost_span_alone(spans):
    """The spans above it have the type, the message and the status."""
    nested(3, ValueError("boom"))
    assert [True, True, True, False] == [one is None for one in stacks(spans)]
    assert {"ERROR: ValueError: boom"} == {one.status for one in spans}


def test_an_exception_that_is_raised_again_elsewhere_shows_its_stack_there(spans):
    """The spans of every trace tell it."""
    error = ValueError("kept")
    nested(1, error)
    nested(1, error)
    assert [True, False, True, False] == [one is None for one in stacks(spans)]


def chained(length):
    error = None
    for n in range(length):
        try:
            raise ValueError(n) from error
        except ValueError as caught:
            error = caught
    return error


@pytest.mark.parametrize("length", [50, 5_000])
def test_a_long_chain_of_exceptions_is_bounded(spans, length):
    """The exception itself is told, and a few of what led to it."""
    nested(0, chained(length))
    (text,) = stacks(spans)
    assert (True, True) == (f"ValueError: {length - 1}" in text, text.count("ValueError: ") <= 51)


class UnspeakableError(Exception):
    def __str__(self):
        raise SystemExit(3)


@pytest.mark.parametrize("run", [callables.call, callables.drive_generator])
def test_the_programs_own_exception_wins(spans, run, caplog):
    """Even where its text ends the program; the span ends."""

    def work(outcome):
        raise UnspeakableError

    def steps(outcome):
        yield 1
        raise UnspeakableError

    function = work if run is callables.call else steps
    expected = run(function, "raises")
    assert (expected, 1) == (run(instrument("work")(function), "raises"), len(spans))
    assert ["SystemExit" in one.getMessage() for one in caplog.records] == [True]


def test_what_ends_the_program_in_recording_a_result_ends_it(spans):
    """And the span with it."""

    @instrument("work", ret=lambda result: sys.exit(result))
    def work():
        return 4

    with pytest.raises(SystemExit):
        work()
    assert ["work"] == spans


def test_the_end_of_an_iteration_is_no_error(spans):
    """It is how `__next__` and `__anext__` say that there is no more."""

    @instrument
    class Items:
        def __next__(self):
            raise StopIteration

        async def __anext__(self):
            raise StopAsyncIteration

        def other(self):
            raise StopIteration

    assert "none" == next(Items(), "none")
    with pytest.raises(StopAsyncIteration):
        asyncio.run(Items().__anext__())
    with pytest.raises(StopIteration):
        Items().other()
    assert [("UNSET", "StopIteration"), ("UNSET", "StopAsyncIteration"), ("ERROR", None)] == [
        (one.status.partition(":")[0], one.attributes.get("tracekit.exit")) for one in spans
    ]


def test_an_expression_may_have_defaults_between_its_arguments(spans):
    """Each argument reaches the parameter of its name."""

    def fields(option):
        return instrument("work", fields={"v": option})

    @fields(lambda a, b=1, c=2: (a, b, c))
    def plain(a, c):
        pass

    @fields(lambda a, b=1, *, c: (a, b, c))
    def keyword_only(a, c):
        pass

    @fields(lambda name, /, function=1, attributes=2: (name, function, attributes))
    def named_as_in_here(name, attributes):
        pass

    for work in (plain, keyword_only, named_as_in_here):
        work(10, 30)
    assert [(10, 1, 30)] * 3 == [one.attributes["v"] for one in spans]


@pytest.mark.parametrize("option", ["parent", "links"])
def test_parentage_that_fails_is_said_once_and_keeps_nothing_alive(spans, caplog, option):
    """However often it is called."""

    class Message:
        pass

    @instrument(**{option: lambda message: message.headers})
    def work(message):
        pass

    messages = [Message() for _ in range(3)]
    for message in messages:
        work(message)
    kept = [weakref.ref(one) for one in messages]
    caplog_texts = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    caplog.clear()
    del message, messages
    gc.collect()
    assert [None] * 3 == [one() for one in kept]
    assert [True] == ["work could not be evaluated" in text for text in caplog_texts]


# Callable objects.


class Adder:
    def __init__(self, n):
        self.n = n

    def __call__(self, m):
        return self.n + m


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_decorated_callable_object_can_be_copied(spans, copied):
    """The copy is one of the object, and decorated."""
    original = instrument("add")(Adder(1))
    made = copied({"f": original})["f"] if copied is copy.deepcopy else copied(original)
    made.n = 5
    assert (6, 2) == (made(1), original(1))
    assert ["add", "add"] == spans


def test_a_decorated_callable_object_pickles_where_its_options_do_not():
    """It arrives undecorated."""
    decorated = instrument(fields={"x": lambda: 1})(functools.partial(callables.leave, "x"))
    assert "result" == pickle.loads(pickle.dumps(decorated))()


class EitherWay:
    """Binds to the class or to the instance, whatever it is looked up on."""

    def __init__(self, function):
        self.function = function
        self.name = None

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return functools.partial(self.function, owner if instance is None else instance)

    def __call__(self, *args):
        return self.function(*args)


def test_a_decorated_descriptor_binds_as_it_did(spans):
    """To the class too, and it is told its name."""

    class Service:
        @instrument("work")
        @EitherWay
        def work(found, n):  # noqa: N805 - a class or an instance
            return found, n

    service = Service()
    assert ((Service, 1), (service, 2)) == (Service.work(1), service.work(n=2))
    assert "work" == vars(Service)["work"].name
    assert [{"n": 1}, {"n": 2}] == [one.attributes for one in spans]


def test_a_method_below_an_opaque_decorator_has_its_instance(spans):
    """As without `@instrument`."""
    seen = []

    @wrapt.decorator
    def noted(wrapped, instance, args, kwargs):
        seen.append((instance, args))
        return wrapped(*args, **kwargs)

    class Service:
        @instrument("work")
        @noted
        def work(self, n):
            return n

    service = Service()
    assert [1, 2] == [service.work(1), service.work(2)]
    assert ([(service, (1,)), (service, (2,))], [("work", {"n": 1}), ("work", {"n": 2})]) == (
        seen,
        [(one.name, one.attributes) for one in spans],
    )


def test_descriptors_keep_their_attributes(spans):
    """What was set on a class method, and the state of a kind of cached property."""

    class Counting(functools.cached_property):
        def __init__(self, function, *, step):
            super().__init__(function)
            self.step = step

    method = classmethod(lambda cls: 1)
    method.marker = "kept"

    class Service:
        value = instrument("value")(Counting(lambda self: 3, step=2))

    assert ("kept", 2, 3) == (
        instrument(method).marker,
        vars(Service)["value"].step,
        Service().value,
    )
    assert ["value"] == spans


# Generators while they are suspended.


def test_a_generator_sees_what_its_consumer_sets_later(spans):
    """Baggage and suppression, at each step what they are for the consumer."""

    @instrument("work")
    def work():
        with span("open"):
            for _ in range(3):
                yield baggage.get_baggage("n"), trace.get_current_span().is_recording()
                with span("inside"):
                    pass

    running, seen = work(), []
    for n in range(3):
        token = attach(baggage.set_baggage("n", n))
        seen.append(next(running))
        detach(token)
    running.close()
    assert [(0, True), (1, True), (2, True)] == seen
    assert [("work", [("open", ["inside", "inside"])])] == spans


def test_what_a_generator_sets_itself_it_finds_again():
    """At its next step, and nobody else does."""

    def work():
        token = attach(baggage.set_baggage("own", 1))
        yield
        yield baggage.get_baggage("own")
        detach(token)
        yield baggage.get_baggage("own")

    with capture_spans():
        running = instrument(work)()
        assert (None, None, 1) == (next(running), baggage.get_baggage("own"), next(running))


class Item:
    pass


def test_a_suspended_generator_keeps_nothing_that_went_through_it(spans):
    """Neither what it gave nor what it was sent or thrown."""

    @instrument
    def work():
        while True:
            with contextlib.suppress(ValueError):
                yield Item()

    running = work()
    given = weakref.ref(next(running))
    sent = Item()
    kept = [given, weakref.ref(sent)]
    running.send(sent)
    del sent
    error = ThrownError()
    kept.append(weakref.ref(error))
    running.throw(error)
    del error
    gc.collect()
    assert [None] * 3 == [one() for one in kept]


class ThrownError(ValueError):
    pass


def test_suspended_generators_keep_nothing_of_their_consumers_context(spans):
    """They go on in that of whoever asks next."""

    @instrument
    def work():
        yield 1

    @instrument
    async def work_async():
        yield 1

    running, running_async = work(), work_async()
    contexts = [contextvars.copy_context() for _ in range(2)]
    contexts[0].run(next, running)
    contexts[1].run(callables.step, running_async.__anext__())
    kept = [weakref.ref(one) for one in contexts]
    contexts.clear()
    gc.collect()
    assert [None] * 2 == [one() for one in kept]
    running.close()
    callables.step(running_async.aclose())


def test_a_suspended_async_generator_keeps_nothing_that_went_through_it(spans):
    """Neither what it gave nor what it was sent."""

    @instrument
    async def work():
        while True:
            yield Item()

    running, sent = work(), Item()
    kept = [weakref.ref(callables.step(running.__anext__())), weakref.ref(sent)]
    callables.step(running.asend(sent))
    del sent
    gc.collect()
    assert [None] * 2 == [one() for one in kept]
    callables.step(running.aclose())
