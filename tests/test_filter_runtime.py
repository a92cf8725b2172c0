"""Filters at run time: whatever makes the span, wherever it stands, for each exporter."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext, TraceFlags

import tracekit
from tracekit import (
    ConfigurationError,
    Filter,
    FilterSyntaxError,
    TelemetryBuilder,
    event,
    exporters,
    instrument,
    record,
    span,
)
from tracekit.testing import capture_spans

pytestmark = pytest.mark.usefixtures("global_telemetry")

REMOTE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


@instrument("handle")
def handle(user, work=lambda: None):
    work()


@instrument("query", level="debug")
def query(sql=""):
    event("rows", level="debug", n=1)


@instrument("fine", level="trace")
def fine():
    pass


@instrument("steps", level="debug")
def steps(user):
    yield 1
    query()
    yield 2


def tree(spans):
    return [name_and_children(root) for root in spans.roots]


def name_and_children(one):
    return (one.name, [name_and_children(child) for child in one.children])


# Directives with a span or fields.


def test_what_a_directive_raises_is_on_for_everything_inside():
    """For user 42 only, whatever the target."""
    with capture_spans(filter="info,[handle{user=42}]=debug") as spans:
        handle(41, query)
        handle(42, query)
        query()
    assert [("handle", []), ("handle", [("query", [])])] == tree(spans)
    assert ["rows"] == [name for name, _ in spans["query"].events]


def test_the_scope_goes_through_spans_that_nothing_is_said_about():
    """It is open for everything below, however deep."""

    def deeper():
        with span("between"):
            handle(1, query)

    with capture_spans(filter="info,[handle{user=42}]=debug") as spans:
        handle(42, deeper)
    assert [("handle", [("between", [("handle", [("query", [])])])])] == tree(spans)


def test_the_scope_is_as_verbose_as_was_said():
    """And no more."""
    with capture_spans(filter="info,[handle]=debug") as spans:
        handle(1, fine)
    assert [("handle", [])] == tree(spans)


def test_a_directive_lowers_just_those_spans():
    """What is inside of them hangs under the nearest one that is recorded."""
    with capture_spans(filter="debug,[query]=off,[handle{user=7}]=warn") as spans:
        handle(1, lambda: query() or handle(7, lambda: handle(8)))
    assert [("handle", [("handle", [])])] == tree(spans)


def test_only_what_a_directive_names_is_looked_at():
    """Before the span is made; a field that it does not name is not evaluated for nothing."""
    looked_at = []

    @instrument(
        "work",
        level="debug",
        fields={
            "a": lambda user: looked_at.append("a") or user,
            "b": lambda: looked_at.append("b") or 1,
        },
    )
    def work(user):
        pass

    with capture_spans(filter="info,[work{a=42}]=debug") as spans:
        work(41)
        assert ["a"] == looked_at
        work(42)
    assert {"user": 42, "a": 42, "b": 1} == spans["work"].attributes


def test_what_a_directive_names_is_evaluated_once():
    """And recorded in its place among the others."""
    evaluated = []

    @instrument("work", fields={"size": lambda: evaluated.append(1) or 3, "last": 4})
    def work(n, user):
        pass

    with capture_spans(filter="info,[{size=3}]=trace,[{user=ada}]=trace") as spans:
        work(1, "ada")
    assert ([1], [("n", 1), ("user", "ada"), ("size", 3), ("last", 4)]) == (
        evaluated,
        list(spans["work"].attributes.items()),
    )


def test_recorded_values_are_compared():
    """An argument as it is recorded, a redacted one as redacted."""

    @instrument("work", level="debug")
    def work(path, password):
        pass

    from pathlib import Path

    with capture_spans(filter="info,[work{path=/a/.*}]=debug,[work{password=x}]=debug") as spans:
        work(Path("/a/b"), "y")
        work(Path("/b"), "x")
    assert ["/a/b"] == [one.attributes["path"] for one in spans]


@pytest.mark.parametrize("kind", ["thread", "task", "copied context", "generator"])
def test_the_scope_travels_with_the_context(kind):
    """In whatever thread or task the inside runs."""

    def in_thread():
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(query,))
        thread.start()
        thread.join()

    async def in_task():
        async def job():
            query()

        await asyncio.create_task(job())

    work = {
        "thread": in_thread,
        "task": lambda: asyncio.run(in_task()),
        "copied context": lambda: contextvars.copy_context().run(query),
        "generator": lambda: list(steps(1)),
    }[kind]
    with capture_spans(filter="info,[handle{user=42}]=debug") as spans:
        handle(42, work)
        handle(1, work)
    assert 1 == len(spans.named("query"))


def test_generators_and_blocks_ask_too():
    """A generator by its arguments, a block by its attributes."""
    with capture_spans(filter="info,[steps{user=42}]=debug,[block{n=1}]=debug") as spans:
        list(steps(41))
        list(steps(42))
        for n in range(3):
            with span("block", level="debug", n=n) as current:
                assert (n == 1) == current.is_recording()
    assert [("steps", [("query", [])]), ("block", [])] == tree(spans)


def test_a_coroutine_asks_too():
    """By its arguments."""

    @instrument("job", level="debug")
    async def job(user):
        query()

    with capture_spans(filter="info,[job{user=42}]=debug") as spans:
        asyncio.run(job(41))
        asyncio.run(job(42))
    assert [("job", [("query", [])])] == tree(spans)


def test_fields_without_a_span_are_about_events_too():
    """An event of that field is wanted where it would not be otherwise."""
    with capture_spans(filter="info,[{tenant=acme}]=debug") as spans, span("work"):
        event("seen", level="debug", tenant="acme")
        event("unseen", level="debug", tenant="other")
    assert ["seen"] == [name for name, _ in spans["work"].events]


def test_what_is_raised_inside_of_a_span_that_is_not_made():
    """The scope is open all the same, and what is recorded goes to the span around it."""
    with capture_spans(filter="error,[quiet]=warn") as spans:
        with span("outer", level="error"), span("quiet", level="info"):
            record(seen=1)
            with span("warned", level="warn"):
                pass
        with span("warned", level="warn"):
            pass
    assert [("outer", [("warned", [])])] == tree(spans)
    assert {"seen": 1} == spans["outer"].attributes


def test_a_function_that_is_passed_over_ends_nothing():
    """Its result and its failure are not written on the span around it."""

    @instrument("quiet", ret=True)
    def quiet(fail):
        if fail:
            raise ValueError

    with capture_spans(filter="error,[quiet]=warn") as spans, span("outer", level="error"):
        quiet(False)
        with pytest.raises(ValueError):
            quiet(True)
    assert ({}, [], "UNSET") == (
        spans["outer"].attributes,
        spans["outer"].events,
        spans["outer"].status,
    )


# Spans of other libraries.


def foreign(name, scope="lib.db", **attributes):
    return trace.get_tracer(scope).start_as_current_span(name, attributes=attributes)


@pytest.mark.parametrize(
    ("directives", "names"),
    [
        ("info", ["connect", "SELECT"]),
        ("info,lib=off", []),
        ("warn", []),
        ("info,lib.db[connect]=off", ["SELECT"]),
        ("info,[{db.system=sqlite}]=off", ["connect"]),
        ("off,lib.db[{db.system=sqlite}]=info", ["SELECT"]),
        ('info,["SELECT"]=off', ["connect"]),
    ],
)
def test_foreign_spans_obey_by_scope_name_and_attributes(directives, names):
    """As spans of level INFO."""
    with capture_spans(filter=directives) as spans:
        with foreign("connect"):
            pass
        with foreign("SELECT", **{"db.system": "sqlite"}):
            pass
    assert names == [one.name for one in spans]


def test_children_of_a_foreign_span_that_is_dropped_go_further_up():
    """And what it is told goes nowhere."""
    with capture_spans(filter="info,lib=off") as spans, span("outer"):
        with foreign("connect") as dropped:
            dropped.set_attribute("lost", 1)
            with span("inner"):
                pass
    assert [("outer", [("inner", [])])] == tree(spans)
    assert {} == spans["outer"].attributes


def test_what_is_recorded_inside_of_a_dropped_foreign_span_goes_to_the_one_around_it():
    """Unlike what its library tells it."""
    with capture_spans(filter="info,lib=off") as spans, span("outer"), foreign("connect"):
        record(seen=1)
        event("happened")
    assert ({"seen": 1}, ["happened"]) == (
        spans["outer"].attributes,
        [name for name, _ in spans["outer"].events],
    )


def test_a_foreign_span_raises_too():
    """Everything inside of it is wanted at that level."""
    with capture_spans(filter="info,lib.db[connect]=debug") as spans, foreign("connect"):
        query()
    assert [("connect", [("query", [])])] == tree(spans)


def test_a_scope_goes_through_foreign_spans():
    """Made or dropped, what is inside of them is inside of the span around them."""
    with capture_spans(filter="info,[handle]=debug,lib[connect]=off") as spans:

        def work():
            with foreign("SELECT"), foreign("connect"):
                query()

        handle(1, work)
    assert [("handle", [("SELECT", [("query", [])])])] == tree(spans)


def test_context_goes_out_with_the_span_that_is_current():
    """A dropped span passes the ids of the one around it on, to other processes too."""
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    with capture_spans(filter="info,lib=off") as spans, span("outer"), foreign("connect"):
        propagate.inject(carrier)
    outer = spans["outer"].span.context
    assert f"00-{outer.trace_id:032x}-{outer.span_id:016x}" == carrier["traceparent"][:-3]


# One filter for each exporter.


@pytest.fixture
def pair():
    return exporters.memory(filter="info"), exporters.memory(filter="debug")


def edges(exporter):
    by_id = {one.context.span_id: one.name for one in exporter.spans}
    return {
        one.name: by_id.get(one.parent.span_id, one.parent.span_id) if one.parent else None
        for one in exporter.spans
    }


def test_each_exporter_has_its_own_tree(pair):
    """Children of a span that it does not want hang under the nearest one that it does."""
    coarse, detailed = pair
    with tracekit.init_telemetry("test", exporter=[coarse, detailed]):
        with span("root"), span("middle", level="debug"), span("below", level="debug"):
            with span("leaf"), span("too fine", level="trace"):
                pass
    assert {"root": None, "leaf": "root"} == edges(coarse)
    assert {"root": None, "middle": "root", "below": "middle", "leaf": "below"} == edges(detailed)


def test_a_root_that_an_exporter_does_not_want(pair):
    """Its children are roots there, or children of the remote parent."""
    coarse, detailed = pair
    with tracekit.init_telemetry("test", exporter=[coarse, detailed]):
        with span("root", level="debug"), span("leaf"):
            pass
        with span("continued", level="debug", parent=REMOTE), span("inside"):
            pass
    assert {"leaf": None, "inside": REMOTE.span_id} == edges(coarse)
    assert {
        "root": None,
        "leaf": "root",
        "continued": REMOTE.span_id,
        "inside": "continued",
    } == edges(detailed)


def test_events_go_to_those_who_want_them(pair):
    """An exporter does not see the events below its level; exceptions neither."""
    coarse, detailed = pair

    @instrument("work", err="debug")
    def work():
        event("kept")
        event("fine", level="debug")
        raise ValueError

    with tracekit.init_telemetry("test", exporter=[coarse, detailed]), pytest.raises(ValueError):
        work()
    seen = [[one.name for one in exporter.spans[0].events] for exporter in pair]
    assert [["kept"], ["kept", "fine", "exception"]] == seen


def test_every_exporter_sees_the_stack_of_an_exception(pair):
    """On the innermost span that it wants."""
    coarse, detailed = pair
    with tracekit.init_telemetry("test", exporter=[coarse, detailed]):
        with pytest.raises(ValueError), span("outer"), span("inner", level="debug"):
            raise ValueError("boom")
    assert {"outer"} == {one.name for one in coarse.spans}
    for exporter in pair:
        innermost = exporter.spans[0]
        assert "Traceback" in innermost.events[0].attributes["exception.stacktrace"]


def test_foreign_spans_go_to_those_who_want_them():
    """By the filter of each exporter."""
    with_lib, without_lib = exporters.memory(), exporters.memory(filter="info,lib=off")
    with tracekit.init_telemetry("test", exporter=[with_lib, without_lib]):
        with span("outer"), foreign("connect"), span("inner"):
            pass
    assert {"outer": None, "connect": "outer", "inner": "connect"} == edges(with_lib)
    assert {"outer": None, "inner": "outer"} == edges(without_lib)


def test_a_raised_scope_is_of_the_exporter_that_raises_it():
    """The other one sees no more than before."""
    plain = exporters.memory()
    raising = exporters.memory(filter="info,[handle{user=42}]=debug")
    with tracekit.init_telemetry("test", exporter=[plain, raising]):
        handle(42, query)
    assert {"handle": None} == edges(plain)
    assert {"handle": None, "query": "handle"} == edges(raising)


def test_what_no_exporter_wants_is_not_made(pair):
    """Not even its arguments are looked at."""
    with tracekit.init_telemetry("test", exporter=list(pair)) as telemetry:
        fine()
        assert 0 == telemetry.stats.started


def test_the_builder_gives_each_exporter_a_filter():
    """With a private pipeline too; the step's filter wins over the exporter's own."""
    first, second = exporters.memory(filter="off"), exporters.memory()
    builder = TelemetryBuilder("t").with_exporter(first, filter="info")
    with builder.with_exporter(second, filter="info,lib=off").build() as telemetry:
        telemetry.tracer_provider.get_tracer("lib").start_span("theirs").end()
        telemetry.tracer_provider.get_tracer("app").start_span("ours").end()
    assert (["theirs", "ours"], ["ours"]) == (
        [one.name for one in first.spans],
        [one.name for one in second.spans],
    )
    assert {"memory": Filter("info"), "memory-2": Filter("info,lib=off")} == telemetry.filters


# Live.


def test_filters_change_live_for_one_exporter(pair):
    """Open spans end as they began."""
    coarse, detailed = pair
    with tracekit.init_telemetry("test", exporter=[coarse, detailed]) as telemetry:
        with span("open"):
            telemetry.set_filter("off", exporter="memory")
            with span("later"):
                pass
        telemetry.set_filter("trace")
        fine()
    assert ["open", "fine"] == [one.name for one in coarse.spans]
    assert ["later", "open", "fine"] == [one.name for one in detailed.spans]
    assert (Filter("trace"), {Filter("trace")}) == (
        telemetry.filter,
        set(telemetry.filters.values()),
    )


def test_a_span_open_across_a_change_is_missed_by_who_did_not_want_it(pair):
    """What is started below it later hangs under the nearest one that the exporter has."""
    coarse, detailed = pair
    with tracekit.init_telemetry("test", exporter=[coarse, detailed]) as telemetry:
        with span("root"), span("middle", level="debug"):
            telemetry.set_filter("trace")
            with span("leaf"):
                pass
    assert {"root": None, "leaf": "root"} == edges(coarse)
    assert {"root": None, "middle": "root", "leaf": "middle"} == edges(detailed)


def test_filters_change_live_for_foreign_spans():
    """Of tracers that were made before."""
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory) as telemetry:
        tracer = trace.get_tracer("lib")
        tracer.start_span("a").end()
        telemetry.set_filter("off")
        tracer.start_span("b").end()
        telemetry.set_filter("info")
        tracer.start_span("c").end()
    assert ["a", "c"] == [one.name for one in memory.spans]


def test_an_exporter_that_is_not_set_up_is_refused(pair):
    """The error names those that are."""
    with tracekit.init_telemetry("test", exporter=list(pair)) as telemetry:
        with pytest.raises(ConfigurationError, match="'otlp' is not set up; exporters: 'memory'"):
            telemetry.set_filter("info", exporter="otlp")
        with pytest.raises(FilterSyntaxError):
            telemetry.set_filter("info=loud", exporter="memory")


@pytest.mark.parametrize(
    "make",
    [
        lambda: exporters.console(filter="a=loud"),
        lambda: exporters.memory(filter="a=loud"),
        lambda: exporters.otlp(filter="a=loud"),
        lambda: exporters.otlp(protocol="http", filter="a=loud"),
        lambda: exporters.file("/nowhere/at/all", filter="a=loud"),
        lambda: TelemetryBuilder("t").with_exporter("memory", filter="a=loud").build(),
    ],
)
def test_an_exporters_filter_that_does_not_parse_is_refused(make):
    """Before anything is opened."""
    with pytest.raises(FilterSyntaxError, match="expected a level"):
        make()


def test_nothing_is_stale_after_a_thousand_flips_under_load():
    """Calls go on while filters change, and the last filter counts."""
    memory = exporters.memory()
    stop = threading.Event()
    failures = []

    def load():
        while not stop.is_set():
            try:
                handle(42, query)
                with foreign("connect"), span("block", level="debug"):
                    event("e", level="debug")
            except Exception as error:
                failures.append(error)
                return

    flips = ["off", "info", "info,[handle{user=42}]=debug", "trace,lib=off"]
    with tracekit.init_telemetry("test", exporter=memory) as telemetry:
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1000):
            telemetry.set_filter(flips[number % len(flips)])
            if number % 100 == 0:
                memory.clear()
        stop.set()
        for thread in threads:
            thread.join()
        for directives, names in [
            ("off", []),
            ("info", ["handle"]),
            ("info,[handle{user=42}]=debug", ["query", "handle"]),
        ]:
            memory.clear()
            telemetry.set_filter(directives)
            handle(42, query)
            assert names == [one.name for one in memory.spans]
    assert [] == failures


@pytest.mark.parametrize("word", ["inof", "debg", "wran", "eror"])
def test_a_word_that_looks_like_a_level_is_pointed_out(word, caplog):
    """It is taken for a target, which leaves nothing of the program's own wanted."""
    with tracekit.init_telemetry("test", exporter="memory", filter=word):
        pass
    assert [True] == [f"{word!r} is taken for a target" in one for one in caplog.messages]


def test_a_misspelt_level_is_pointed_out_wherever_a_filter_is_given(caplog):
    """For one exporter, and while the program runs."""
    memory = exporters.memory()
    builder = TelemetryBuilder("t").with_exporter(memory, filter="inof")
    with builder.build() as telemetry:
        telemetry.set_filter("debg")
    assert 2 == sum("is taken for a target" in one for one in caplog.messages)


@pytest.mark.parametrize("directives", ["info", "shop", "info,tracer=debug", "shop.db"])
def test_other_words_are_not(directives, caplog):
    """A target is a target."""
    with tracekit.init_telemetry("test", exporter="memory", filter=directives):
        pass
    assert [] == caplog.messages


def test_a_bad_directive_of_the_environment_is_said_once(monkeypatch, caplog):
    """Although it is read at the first decoration and at set-up."""
    monkeypatch.setenv("TRACEKIT_FILTER", "shop=loud,info")
    from tracekit._filters.call_sites import registry

    registry.configure(None, None)
    with tracekit.init_telemetry("test", exporter="memory"):
        pass
    assert 1 == sum("directive skipped" in one for one in caplog.messages)
