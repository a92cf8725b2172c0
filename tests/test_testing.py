"""Users capture the spans of their tests and compare them with plain data."""

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
        event("shouted", n=1)


def test_spans_compare_with_plain_data(spans):
    """A span equals its name, or a tuple of its name, attributes and children."""
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
def test_different_spans_are_not_equal(spans, expected):
    """Names, given attributes, children and the number of spans are compared."""
    greet("ada")
    assert not (spans == expected)


def test_spans_compare_with_lists_only(spans):
    """Captured spans never equal anything but a list or tuple."""
    assert spans != 7


def test_access_to_spans(spans):
    """Spans are accessible by name, by index, as roots, and in order of their start."""
    greet("ada")
    assert "greet" == spans["greet"].name
    assert {"loud": True} == spans["shout"].attributes
    assert [spans["greet"]] == spans.named("greet")
    assert [spans["greet"]] == spans.roots
    assert ["greet", "shout"] == [one.name for one in spans]
    assert spans["greet"] == spans[0]
    assert 2 == len(spans)


def test_access_by_an_ambiguous_name_raises(spans):
    """A name of several spans or of none raises an error that lists the captured names."""
    greet("ada")
    greet("ada")
    with pytest.raises(KeyError, match="2 spans are named 'greet'; captured: "):
        spans["greet"]
    with pytest.raises(KeyError, match="0 spans are named 'missing'"):
        spans["missing"]


def test_spans_print_as_a_tree(spans):
    """The tree shows attributes, events and failures."""
    greet("ada")
    with pytest.raises(ValueError), span("fails"):
        raise ValueError("boom")
    assert [
        "greet name='ada'",
        "  shout loud=True",
        "    • shouted {'level': 'INFO', 'n': 1}",
        "fails [ERROR: ValueError: boom]",
        "  • exception {'exception.type': 'ValueError', 'exception.message': 'boom'}",
    ] == str(spans).splitlines()
    assert "('greet', {'name': 'ada'}, [('shout', {'loud': True}, [])])" in repr(spans)


def test_steady_ids_and_times():
    """With `steady=True`, ids count from one and times count in milliseconds."""
    for _ in range(2):
        with capture_spans(steady=True) as spans:
            greet("ada")
        outer, inner = spans
        assert 1 == outer.span.context.trace_id
        assert 1 == outer.span.context.span_id
        assert 2 == inner.span.context.span_id
        assert outer.start <= inner.start <= inner.end <= outer.end <= 3_000_000


def test_clear_forgets(spans):
    """`clear` removes the spans that were captured so far."""
    greet("ada")
    spans.clear()
    assert spans == []


def test_spans_of_other_libraries_are_captured(spans):
    """A span that another library's tracer starts is captured."""
    trace.get_tracer("foreign").start_span("theirs").end()
    assert spans == ["theirs"]


def test_a_tracer_kept_from_an_earlier_test_works_in_the_next():
    """A library that keeps its first tracer is captured in every block."""
    tracer = trace.get_tracer("kept")
    for _ in range(2):
        with capture_spans() as spans:
            tracer.start_span("theirs").end()
        assert spans == ["theirs"]


def test_nothing_stays_installed():
    """After the block, the provider and the current span are the previous ones."""
    provider, current = trace.get_tracer_provider(), trace.get_current_span()
    with capture_spans():
        greet("ada")
    assert provider == trace.get_tracer_provider()
    assert current == trace.get_current_span()
    with span("not recorded") as unrecorded:
        assert not unrecorded.is_recording()


@pytest.mark.usefixtures("global_telemetry")
def test_an_installed_set_up_is_restored():
    """An installed set-up receives no span of the block, and every span after it."""
    memory = exporters.memory()
    with tracekit.init_telemetry("test", exporter=memory, filter="info"):
        with capture_spans() as spans:
            greet("ada")
        assert 0 == len(memory.spans)
        greet("bob")
        with span("fine", level="debug"):
            pass
    assert 2 == len(spans)
    assert 2 == len(memory.spans)


@pytest.mark.usefixtures("global_telemetry")
def test_a_foreign_provider_is_restored():
    """After the block, a foreign provider is the global one again."""
    foreign = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(foreign)
    with capture_spans() as spans:
        greet("ada")
    assert 2 == len(spans)
    assert foreign == trace.get_tracer_provider()


def test_filter():
    """The argument `filter` limits the captured spans."""
    with capture_spans(filter="off") as spans:
        greet("ada")
    assert spans == []


def test_steady_ids_are_valid():
    """Steady ids start at one, because zero is not a valid id."""
    ids = SteadyIds()
    assert 1 == ids.generate_trace_id()
    assert 2 == ids.generate_trace_id()
    assert 1 == ids.generate_span_id()


def test_the_fixture_needs_no_import(pytester):
    """Pytest finds the fixture through the entry point, and its plugin does not import the SDK."""
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


def test_a_failed_comparison_shows_trees(pytester):
    """The report shows the captured spans above the expected ones."""
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


def test_a_span_of_another_trace_is_not_a_parent(spans):
    """A parent with an equal span id but another trace id is not captured as the parent."""
    with span("outer") as outer:
        pass
    own = outer.get_span_context()
    elsewhere = SpanContext(own.trace_id ^ 1, own.span_id, is_remote=True)
    with span("other", parent=elsewhere):
        pass
    assert spans == ["outer", "other"]
