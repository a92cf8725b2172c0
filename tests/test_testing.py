"""Spans in tests of users."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext

import tracekit
from tracekit import event, exporters, instrument, span
from tracekit.testing import SteadyIds, capture_spans


@instrument("greet")
def greet(name):
    with span("shout", loud=True):
        event("said", n=1)


def test_they_compare_with_plain_data(spans):
    """A span is its name, or a tuple of name, attributes and children."""
    greet("ada")
    greet("bob")
    assert spans == [
        ("greet", {"name": "ada"}, [("shout", {"loud": True})]),
        ("greet", ["shout"]),
    ]


@pytest.mark.parametrize(
    "expected",
    [
        [],
        ["greet"],
        ["other"],
        [("greet", {"name": "bob"}, ["shout"])],
        [("greet", ["whisper"])],
        [("greet", ["shout", "shout"])],
        [("greet", ["shout"]), "more"],
        [("greet", 7)],
        [7],
        [()],
    ],
)
def test_what_differs_is_not_equal(spans, expected):
    """Names, attributes where given, children, and their number."""
    greet("ada")
    assert not (spans == expected)


def test_they_compare_with_lists_only(spans):
    """Anything else is simply different."""
    assert spans != 7


def test_a_span_is_found_by_its_name(spans):
    """One by its name, all of a name, by their place, or all in order."""
    greet("ada")
    assert ("greet", {"loud": True}) == (spans["greet"].name, spans["shout"].attributes)
    assert [spans["greet"]] == spans.named("greet") == spans.roots
    assert ["greet", "shout"] == [one.name for one in spans]
    assert (spans[0], 2) == (spans["greet"], len(spans))


def test_a_name_that_is_not_the_only_one_is_refused(spans):
    """The error lists what was captured."""
    greet("ada")
    greet("ada")
    with pytest.raises(KeyError, match="2 spans are named 'greet'; captured: "):
        spans["greet"]
    with pytest.raises(KeyError, match="0 spans are named 'nobody'"):
        spans["nobody"]


def test_they_print_as_a_tree(spans):
    """With attributes, events and failures."""
    greet("ada")
    with pytest.raises(ValueError), span("fails"):
        raise ValueError("boom")
    assert [
        "greet name='ada'",
        "  shout loud=True",
        "    • said {'level': 'INFO', 'n': 1}",
        "fails [ERROR: ValueError: boom]",
        "  • exception {'exception.type': 'ValueError', 'exception.message': 'boom'}",
    ] == str(spans).splitlines()
    assert "('greet', {'name': 'ada'}, [('shout', {'loud': True}, [])])" in repr(spans)


def test_ids_and_times_are_steady_on_request():
    """They count from one, and in milliseconds."""
    for _ in range(2):
        with capture_spans(steady=True) as spans:
            greet("ada")
        outer, inner = spans
        assert (1, 1, 2) == (
            outer.span.context.trace_id,
            outer.span.context.span_id,
            inner.span.context.span_id,
        )
        assert outer.start <= inner.start <= inner.end <= outer.end <= 3_000_000


def test_clear_forgets(spans):
    """What came before is gone."""
    greet("ada")
    spans.clear()
    assert spans == []


def test_all_spans_are_captured_whoever_makes_them(spans):
    """Those of other libraries too, with whatever tracer they have."""
    trace.get_tracer("foreign").start_span("theirs").end()
    assert spans == ["theirs"]


def test_a_tracer_kept_from_an_earlier_test_works_in_the_next():
    """Libraries keep the tracer that they got first."""
    tracer = trace.get_tracer("kept")
    for _ in range(2):
        with capture_spans() as spans:
            tracer.start_span("theirs").end()
        assert spans == ["theirs"]


def test_nothing_is_installed_afterwards():
    """The provider, the filter and the current span are as before."""
    before = trace.get_tracer_provider(), trace.get_current_span()
    with capture_spans():
        greet("ada")
    assert before == (trace.get_tracer_provider(), trace.get_current_span())
    with span("nobody listens") as current:
        assert not current.is_recording()


@pytest.mark.usefixtures("global_telemetry")
def test_an_installed_set_up_goes_on_afterwards():
    """It receives nothing of the block, and everything after it."""
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, filter="info"):
        with capture_spans() as spans:
            greet("ada")
        assert 0 == len(memory.spans)
        greet("bob")
        with span("fine", level="debug"):
            pass
    assert (2, 2) == (len(spans), len(memory.spans))


@pytest.mark.usefixtures("global_telemetry")
def test_a_foreign_provider_is_put_back():
    """Whatever it was."""
    foreign = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(foreign)
    with capture_spans() as spans:
        greet("ada")
    assert (2, foreign) == (len(spans), trace.get_tracer_provider())


def test_a_filter_may_be_named():
    """By default everything is captured."""
    with capture_spans(filter="off") as spans:
        greet("ada")
    assert spans == []


def test_steady_ids_are_valid():
    """Zero is no id."""
    ids = SteadyIds()
    assert [1, 2] == [ids.generate_trace_id(), ids.generate_trace_id()]
    assert 1 == ids.generate_span_id()


def test_the_fixture_is_there_without_being_imported(pytester):
    """Pytest finds it through the entry point, and its plugin imports nothing by itself."""
    pytester.makepyfile(
        "import sys\n"
        "def test_lazy():\n"
        "    assert 'opentelemetry.sdk' not in sys.modules\n"
        "def test_spans(spans):\n"
        "    import tracekit\n"
        "    with tracekit.span('work'): pass\n"
        "    assert spans == ['work']\n"
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_a_difference_is_shown_as_trees(pytester):
    """What was captured stands above what was expected."""
    pytester.makepyfile(
        "def test_spans(spans):\n"
        "    import tracekit\n"
        "    with tracekit.span('outer'), tracekit.span('inner'): pass\n"
        "    assert spans == ['outer']\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(
        ["*the spans differ", "*captured:", "*outer", "*  inner", "*['outer']"]
    )


def test_a_parent_is_one_of_the_same_trace(spans):
    """A span of another trace with an equal id is none."""
    with span("outer") as outer:
        pass
    own = outer.get_span_context()
    elsewhere = SpanContext(own.trace_id ^ 1, own.span_id, is_remote=True)
    with span("other", parent=elsewhere):
        pass
    assert spans == ["outer", "other"]
