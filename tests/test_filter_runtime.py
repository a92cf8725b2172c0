"""Filters at run time: for spans of tracekit and of libraries, in scopes, for each exporter."""

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


def test_a_directive_that_raises_enables_everything_inside():
    """It applies to matching calls only, in any target."""
    with capture_spans(filter="info,[handle{user=42}]=debug") as spans:
        handle(41, query)
        handle(42, query)
        query()
    assert [("handle", []), ("handle", [("query", [])])] == tree(spans)
    assert ["rows"] == [name for name, _ in spans["query"].events]


def test_a_scope_includes_spans_that_no_directive_matches():
    """A scope applies at any depth."""

    def deeper():
        with span("between"):
            handle(1, query)

    with capture_spans(filter="info,[handle{user=42}]=debug") as spans:
        handle(42, deeper)
    assert [("handle", [("between", [("handle", [("query", [])])])])] == tree(spans)


def test_a_scope_enables_the_level_of_its_directive():
    """A more verbose level stays disabled."""
    with capture_spans(filter="info,[handle]=debug") as spans:
        handle(1, fine)
    assert [("handle", [])] == tree(spans)


def test_a_directive_that_lowers_affects_matching_spans_only():
    """The parent of the spans inside is the nearest span that is recorded."""
    with capture_spans(filter="debug,[query]=off,[handle{user=7}]=warn") as spans:
        handle(1, lambda: query() or handle(7, lambda: handle(8)))
    assert [("handle", [("handle", [])])] == tree(spans)


def test_only_fields_that_a_directive_names_are_evaluated_for_a_decision():
    """Other fields are evaluated after the span is enabled."""
    evaluated = []

    @instrument(
        "work",
        level="debug",
        fields={
            "a": lambda user: evaluated.append("a") or user,
            "b": lambda: evaluated.append("b") or 1,
        },
    )
    def work(user):
        pass

    with capture_spans(filter="info,[work{a=42}]=debug") as spans:
        work(41)
        assert ["a"] == evaluated
        work(42)
    assert {"user": 42, "a": 42, "b": 1} == spans["work"].attributes


def test_a_field_that_a_directive_names_is_evaluated_once():
    """Its attribute keeps its position among the others."""
    evaluated = []

    @instrument("work", fields={"size": lambda: evaluated.append(1) or 3, "last": 4})
    def work(n, user):
        pass

    with capture_spans(filter="info,[{size=3}]=trace,[{user=ada}]=trace") as spans:
        work(1, "ada")
    expected = [("n", 1), ("user", "ada"), ("size", 3), ("last", 4)]
    assert [1] == evaluated
    assert expected == list(spans["work"].attributes.items())


def test_recorded_values_are_compared():
    """An argument is compared as it is recorded: as text, or redacted."""

    @instrument("work", level="debug")
    def work(path, password):
        pass

    from pathlib import Path

    with capture_spans(filter="info,[work{path=/a/.*}]=debug,[work{password=x}]=debug") as spans:
        work(Path("/a/b"), "y")
        work(Path("/b"), "x")
    assert ["/a/b"] == [one.attributes["path"] for one in spans]


@pytest.mark.parametrize("kind", ["thread", "task", "copied context", "generator"])
def test_a_scope_follows_the_context(kind):
    """It applies in any thread or task that runs in the context."""

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


def test_generators_and_blocks_are_matched_by_fields():
    """The fields are a generator's arguments and a block's attributes."""
    with capture_spans(filter="info,[steps{user=42}]=debug,[block{n=1}]=debug") as spans:
        list(steps(41))
        list(steps(42))
        for n in range(3):
            with span("block", level="debug", n=n) as current:
                assert (n == 1) == current.is_recording()
    assert [("steps", [("query", [])]), ("block", [])] == tree(spans)


def test_coroutines_are_matched_by_fields():
    """The fields are a coroutine's arguments."""

    @instrument("job", level="debug")
    async def job(user):
        query()

    with capture_spans(filter="info,[job{user=42}]=debug") as spans:
        asyncio.run(job(41))
        asyncio.run(job(42))
    assert [("job", [("query", [])])] == tree(spans)


def test_fields_without_a_span_match_events():
    """An event with the field is enabled at the level of the directive."""
    with capture_spans(filter="info,[{tenant=acme}]=debug") as spans, span("work"):
        event("seen", level="debug", tenant="acme")
        event("unseen", level="debug", tenant="other")
    assert ["seen"] == [name for name, _ in spans["work"].events]


def test_a_span_that_is_not_made_opens_its_scope():
    """Attributes that are recorded inside go to the span around it."""
    with capture_spans(filter="error,[quiet]=warn") as spans:
        with span("outer", level="error"), span("quiet", level="info"):
            record(seen=1)
            with span("warned", level="warn"):
                pass
        with span("warned", level="warn"):
            pass
    assert [("outer", [("warned", [])])] == tree(spans)
    assert {"seen": 1} == spans["outer"].attributes


def test_a_suppressed_call_does_not_end_the_span_around_it():
    """Its result and its failure are not recorded on the span around it."""

    @instrument("quiet", ret=True)
    def quiet(fail):
        if fail:
            raise ValueError

    with capture_spans(filter="error,[quiet]=warn") as spans, span("outer", level="error"):
        quiet(False)
        with pytest.raises(ValueError):
            quiet(True)
    outer = spans["outer"]
    assert {} == outer.attributes
    assert [] == outer.events
    assert "UNSET" == outer.status


# Spans of other libraries.


def library_span(name, scope="lib.db", **attributes):
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
def test_spans_of_libraries_match_by_scope_name_and_attributes(directives, names):
    """They have the level INFO."""
    with capture_spans(filter=directives) as spans:
        with library_span("connect"):
            pass
        with library_span("SELECT", **{"db.system": "sqlite"}):
            pass
    assert names == [one.name for one in spans]


def test_children_of_a_filtered_span_of_a_library_move_up():
    """Attributes that the library sets on the span are dropped."""
    with capture_spans(filter="info,lib=off") as spans, span("outer"):
        with library_span("connect") as dropped:
            dropped.set_attribute("lost", 1)
            with span("inner"):
                pass
    assert [("outer", [("inner", [])])] == tree(spans)
    assert {} == spans["outer"].attributes


def test_record_and_event_skip_a_filtered_span_of_a_library():
    """They act on the nearest span around it that is made."""
    with capture_spans(filter="info,lib=off") as spans, span("outer"), library_span("connect"):
        record(seen=1)
        event("happened")
    assert {"seen": 1} == spans["outer"].attributes
    assert ["happened"] == [name for name, _ in spans["outer"].events]


def test_a_span_of_a_library_opens_a_scope():
    """Everything inside it is enabled at the level of the directive."""
    with capture_spans(filter="info,lib.db[connect]=debug") as spans, library_span("connect"):
        query()
    assert [("connect", [("query", [])])] == tree(spans)


def test_a_scope_includes_spans_of_libraries():
    """It applies inside spans that are made and inside spans that are filtered out."""
    with capture_spans(filter="info,[handle]=debug,lib[connect]=off") as spans:

        def work():
            with library_span("SELECT"), library_span("connect"):
                query()

        handle(1, work)
    assert [("handle", [("SELECT", [("query", [])])])] == tree(spans)


def test_a_filtered_span_propagates_the_context_of_the_span_around_it():
    """Other processes continue the trace from the span around it."""
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    with capture_spans(filter="info,lib=off") as spans, span("outer"), library_span("connect"):
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


def test_each_exporter_gets_a_complete_tree(pair):
    """The parent of a span is the nearest span around it that the exporter gets."""
    coarse, detailed = pair
    with tracekit.init_telemetry("test", exporter=[coarse, detailed]):
        with span("root"), span("middle", level="debug"), span("below", level="debug"):
            with span("leaf"), span("too fine", level="trace"):
                pass
    assert {"root": None, "leaf": "root"} == edges(coarse)
    assert {"root": None, "middle": "root", "below": "middle", "leaf": "below"} == edges(detailed)


def test_an_exporter_without_the_root(pair):
    """The children of the root become roots, or children of the remote parent."""
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


def test_events_go_to_the_exporters_that_enable_them(pair):
    """An exporter gets no event or exception that its filter disables."""
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


def test_every_exporter_gets_the_stack_of_an_exception(pair):
    """The stack is on the innermost span that the exporter gets."""
    coarse, detailed = pair
    with tracekit.init_telemetry("test", exporter=[coarse, detailed]):
        with pytest.raises(ValueError), span("outer"), span("inner", level="debug"):
            raise ValueError("boom")
    assert {"outer"} == {one.name for one in coarse.spans}
    for exporter in pair:
        innermost = exporter.spans[0]
        assert "Traceback" in innermost.events[0].attributes["exception.stacktrace"]


def test_spans_of_libraries_go_to_the_exporters_that_enable_them():
    """The filter of each exporter decides."""
    with_lib, without_lib = exporters.memory(), exporters.memory(filter="info,lib=off")
    with tracekit.init_telemetry("test", exporter=[with_lib, without_lib]):
        with span("outer"), library_span("connect"), span("inner"):
            pass
    assert {"outer": None, "connect": "outer", "inner": "connect"} == edges(with_lib)
    assert {"outer": None, "inner": "outer"} == edges(without_lib)


def test_a_scope_applies_to_the_exporter_whose_filter_opens_it():
    """The other exporter gets no more spans."""
    plain = exporters.memory()
    raising = exporters.memory(filter="info,[handle{user=42}]=debug")
    with tracekit.init_telemetry("test", exporter=[plain, raising]):
        handle(42, query)
    assert {"handle": None} == edges(plain)
    assert {"handle": None, "query": "handle"} == edges(raising)


def test_a_span_that_no_exporter_enables_is_not_made(pair):
    """No span is started."""
    with tracekit.init_telemetry("test", exporter=list(pair)) as telemetry:
        fine()
        assert 0 == telemetry.stats.started


def test_the_builder_sets_the_filter_of_each_exporter():
    """The filter of `with_exporter` replaces that of the exporter."""
    first, second = exporters.memory(filter="off"), exporters.memory()
    builder = TelemetryBuilder("t").with_exporter(first, filter="info")
    with builder.with_exporter(second, filter="info,lib=off").build() as telemetry:
        telemetry.tracer_provider.get_tracer("lib").start_span("theirs").end()
        telemetry.tracer_provider.get_tracer("app").start_span("ours").end()
    assert ["theirs", "ours"] == [one.name for one in first.spans]
    assert ["ours"] == [one.name for one in second.spans]
    assert {"memory": Filter("info"), "memory-2": Filter("info,lib=off")} == telemetry.filters


# Changes while the program runs.


def test_set_filter_of_one_exporter(pair):
    """A new filter does not change open spans."""
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
    assert Filter("trace") == telemetry.filter
    assert {Filter("trace")} == set(telemetry.filters.values())


def test_an_exporter_without_an_open_span_does_not_get_it_after_a_change(pair):
    """The parent of a later span is the nearest span that the exporter gets."""
    coarse, detailed = pair
    with tracekit.init_telemetry("test", exporter=[coarse, detailed]) as telemetry:
        with span("root"), span("middle", level="debug"):
            telemetry.set_filter("trace")
            with span("leaf"):
                pass
    assert {"root": None, "leaf": "root"} == edges(coarse)
    assert {"root": None, "middle": "root", "leaf": "middle"} == edges(detailed)


def test_set_filter_applies_to_existing_tracers():
    """A tracer of a library follows the filter."""
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory) as telemetry:
        tracer = trace.get_tracer("lib")
        tracer.start_span("a").end()
        telemetry.set_filter("off")
        tracer.start_span("b").end()
        telemetry.set_filter("info")
        tracer.start_span("c").end()
    assert ["a", "c"] == [one.name for one in memory.spans]


def test_set_filter_of_an_unknown_exporter(pair):
    """The error names the exporters of the set-up."""
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
def test_the_filter_of_an_exporter_must_parse(make):
    """The error is raised before a file or connection is opened."""
    with pytest.raises(FilterSyntaxError, match="expected a level"):
        make()


def test_the_last_of_a_thousand_filters_applies():
    """Threads that call while filters change do not leave a stale interest."""
    memory = exporters.memory()
    stop = threading.Event()
    failures = []

    def load():
        while not stop.is_set():
            try:
                handle(42, query)
                with library_span("connect"), span("block", level="debug"):
                    event("e", level="debug")
            except Exception as error:
                failures.append(error)
                return

    filters = ["off", "info", "info,[handle{user=42}]=debug", "trace,lib=off"]
    with tracekit.init_telemetry("test", exporter=memory) as telemetry:
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1000):
            telemetry.set_filter(filters[number % len(filters)])
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
def test_a_warning_suggests_the_level_for_a_misspelt_word(word, caplog):
    """The word is parsed as a target, which disables everything else."""
    with tracekit.init_telemetry("test", exporter="memory", filter=word):
        pass
    (message,) = caplog.messages
    assert f"{word!r} is taken for a target" in message


def test_every_filter_is_checked_for_misspelt_levels(caplog):
    """The check covers filters of one exporter, and `set_filter`."""
    memory = exporters.memory()
    builder = TelemetryBuilder("t").with_exporter(memory, filter="inof")
    with builder.build() as telemetry:
        telemetry.set_filter("debg")
    assert 2 == sum("is taken for a target" in one for one in caplog.messages)


@pytest.mark.parametrize("directives", ["info", "shop", "info,tracer=debug", "shop.db"])
def test_targets_are_not_misspelt_levels(directives, caplog):
    """A word that does not resemble a level causes no warning."""
    with tracekit.init_telemetry("test", exporter="memory", filter=directives):
        pass
    assert [] == caplog.messages


def test_a_mistake_in_the_environment_is_logged_once(monkeypatch, caplog):
    """The variable is read at the first decoration and at set-up."""
    monkeypatch.setenv("TRACEKIT_FILTER", "shop=loud,info")
    from tracekit._filters.call_sites import registry

    registry.configure(None, None)
    with tracekit.init_telemetry("test", exporter="memory"):
        pass
    assert 1 == sum("directive skipped" in one for one in caplog.messages)
