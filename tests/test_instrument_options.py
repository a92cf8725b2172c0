"""The options of `@instrument` and what they record."""

from __future__ import annotations

import logging
import sys

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from tracekit import instrument
from tracekit.testing import capture_spans


def test_the_arguments_are_recorded_in_order_under_their_own_names(spans):
    """Positional-only, keyword-only, starred and defaulted arguments are recorded by name."""

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
    """The receiver is not recorded, whatever its name below a descriptor."""

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


def test_arguments_are_recorded_as_they_are_at_entry(spans):
    """A later change of an argument by the function is not recorded."""

    @instrument("work")
    def work(items):
        items.append(4)

    work([1, 2, 3])
    assert (1, 2, 3) == spans["work"].attributes["items"]


def test_skip_leaves_arguments_out(spans):
    """Skipped names are not recorded, and all others are."""

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
    """Callables get the arguments that have the names of their parameters."""

    @instrument("work", fields={"tier": "db", "b.first": lambda b, a: (b, a), "last": lambda: "x"})
    def work(a, *, b=2):
        pass

    work(1)
    assert [("a", 1), ("b", 2), ("tier", "db"), ("b.first", (2, 1)), ("last", "x")] == list(
        spans["work"].attributes.items()
    )


def test_a_field_named_like_an_argument_replaces_it(spans):
    """The argument's own value is not recorded."""

    @instrument("work", fields={"user": lambda user: user["name"]})
    def work(user):
        pass

    work({"name": "ada"})
    assert {"user": "ada"} == spans["work"].attributes


def test_a_field_may_use_self(spans):
    """`self` is not recorded, but fields can use it."""

    class Service:
        name = "mailer"

        @instrument("work", fields={"service.name": lambda self: self.name})
        def work(self):
            pass

    Service().work()
    assert {"service.name": "mailer"} == spans["work"].attributes


def test_a_field_that_raises_is_left_out_and_logged_once(spans, caplog):
    """The call continues, and the other fields are recorded."""

    @instrument("work", fields={"bad": lambda a: 1 / a, "good": 1})
    def work(a):
        return "result"

    assert ["result", "result"] == [work(0), work(0)]
    assert [{"a": 0, "good": 1}] * 2 == [one.attributes for one in spans]
    assert 1 == sum("the field 'bad'" in record.getMessage() for record in caplog.records)


def test_fields_of_a_filtered_span_are_not_evaluated():
    """The callable of a field is not called."""
    asked = []

    @instrument(level="debug", fields={"n": asked.append})
    def work(object):
        pass

    with capture_spans(filter="info") as spans:
        work(1)
    assert [] == asked
    assert [] == list(spans)


def test_ret_records_the_result(spans):
    """The attribute is `return`; for a generator it is the return value."""

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


def test_ret_records_nothing_if_the_call_raises(spans):
    """A call that raises has no result."""

    @instrument("work", ret=True)
    def work():
        raise ValueError

    with pytest.raises(ValueError):
        work()
    assert {} == spans["work"].attributes


def test_the_standard_attributes(spans):
    """The location of the code and the thread are recorded, by the semantic conventions."""

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


def test_name_target_and_kind(spans):
    """The name and kind are the span's, and the target is the name of its instrumentation scope."""

    @instrument("lookup", target="shop.cache", kind="client")
    def work():
        pass

    work()
    made = spans["lookup"].span
    assert SpanKind.CLIENT == made.kind
    assert "shop.cache" == made.instrumentation_scope.name


def test_the_default_name_is_the_qualified_name_without_locals(spans):
    """A method is named with its class, and `<locals>` is left out."""

    class Service:
        @instrument
        def work(self):
            pass

    Service().work()
    name = "test_the_default_name_is_the_qualified_name_without_locals.Service.work"
    assert [name] == [one.name for one in spans]


def test_children_of_a_filtered_span_attach_to_the_nearest_recorded_one():
    """A filtered span leaves no gap in the tree."""

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


def test_nothing_is_recorded_while_instrumentation_is_suppressed(spans):
    """`suppress_instrumentation` of OpenTelemetry has its effect."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    @instrument("work")
    def work():
        pass

    with suppress_instrumentation():
        work()
    assert [] == list(spans)


def test_a_failure_of_recording_is_logged_once_and_the_call_continues(caplog):
    """An exception of the tracer provider does not reach the program."""

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


def test_an_exit_while_a_result_is_recorded_ends_the_program(spans):
    """`SystemExit` is not caught, and the span ends."""

    @instrument("work", ret=lambda result: sys.exit(result))
    def work():
        return 4

    with pytest.raises(SystemExit):
        work()
    assert ["work"] == spans


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
