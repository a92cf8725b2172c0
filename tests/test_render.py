"""The layout of a block of spans as lines."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind

from tests.finished_spans import TRACE, make_context, make_event, make_exception_event, make_span
from tracekit._console.render import MAX_LINES, Page, render
from tracekit._console.terminal_text import count_cells, escape
from tracekit._console.trace_buffer import Block

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.trace import ReadableSpan

HEADER = f"shop  {TRACE:032x}  10.0 ms  "
SGR = re.compile(r"\x1b\[[0-9;]+m")
ANY_TEXT = st.text(st.characters(codec=None), max_size=40)


def show(*spans: ReadableSpan, mark: str = "", known: Iterable[int] = (), **page: Any) -> list[str]:
    """Return the lines of a block without the header and the empty line at the end."""
    return text_of(*spans, mark=mark, known=known, **page).split("\n")[1:-2]


def text_of(*spans: ReadableSpan, mark: str = "", known: Iterable[int] = (), **page: Any) -> str:
    return render(Block(TRACE, list(spans), frozenset(known), mark), Page(**page))


def header(*spans: ReadableSpan, **rest: Any) -> str:
    return text_of(*spans, **rest).split("\n")[0]


def test_a_whole_block() -> None:
    """A trace is a header, a line for each span with its guides, and an empty line."""
    spans = [
        make_span(1, name="POST /users", kind=SpanKind.SERVER),
        make_span(2, 1, "create_user", start=1, ms=8, attributes={"user.name": "ada"}),
        make_span(3, 2, "validate", start=1, ms=0.812),
        make_span(4, 2, "insert", start=2, ms=6, error="KeyError: 'ada'"),
        make_span(5, 1, "notify", start=9, ms=0.0004, kind=SpanKind.PRODUCER),
    ]
    expected = (
        f"{HEADER}5 spans  1 error\n"
        " 10.0 ms 100%  POST /users  server\n"
        " 8.00 ms  80%  ├─ create_user  user.name=ada\n"
        "  812 µs   8%  │  ├─ validate\n"
        " 6.00 ms  60%  │  └─ ✗ insert  KeyError: 'ada'\n"
        "  400 ns  <1%  └─ notify  producer\n"
        "\n"
    )
    assert expected == text_of(*spans, width=80)


@pytest.mark.parametrize(
    ("failures", "expected"),
    [([None], "1 span"), ([None, ""], "2 spans  1 error"), (["", ""], "2 spans  2 errors")],
)
def test_header_counts(failures: list[str | None], expected: str) -> None:
    """The header counts spans and errors, with the singular for one."""
    spans = [make_span(n, n - 1 or None, error=error) for n, error in enumerate(failures, 1)]
    assert HEADER + expected == header(*spans)


def test_header_fits_a_terminal() -> None:
    """The header of an ordinary trace fits into 80 columns."""
    spans = [make_span(n, n - 1 or None, error="", ms=12.4) for n in range(1, 8)]
    service = Resource({"service.name": "user-service"})
    assert 80 >= len(header(*(make_span(9, 8), *spans, make_span(10, resource=service))))


def test_header_has_the_mark() -> None:
    """The header of a block that is part of a trace has the block's mark."""
    assert f"{HEADER}1 span  (continued)" == header(make_span(1), mark="continued")


def test_service_without_name() -> None:
    """A resource without a service name is an unknown service."""
    assert header(make_span(1, resource=Resource({}))).startswith("unknown_service  ")


def test_total_is_the_duration_of_the_root() -> None:
    """Shares refer to the duration of the root, even if a child lasts longer."""
    spans = [make_span(1), make_span(2, 1, ms=25)]
    assert header(*spans).startswith(HEADER)
    assert " 25.0 ms 250%  └─ work" == show(*spans)[1]


def test_a_part_has_no_shares() -> None:
    """Without the root there are no shares, and the missing parent is named."""
    assert [" 10.0 ms  work  (parent 0000000000000009 not seen)"] == show(make_span(1, 9))


@pytest.mark.parametrize(
    ("remote", "known", "expected"),
    [
        (True, (), "(continues 0000000000000009)"),
        (False, (9,), "(parent 0000000000000009 shown before)"),
    ],
)
def test_parents_elsewhere(remote: bool, known: tuple[int, ...], expected: str) -> None:
    """A span at the top names its remote parent, or its parent in an earlier block."""
    assert show(make_span(1, 9, remote=remote), known=known)[0].endswith(f"work  {expected}")


def test_fields() -> None:
    """Attributes follow the name as key=value, without the standard ones."""
    attributes = {
        "n": 1,
        "who": "ada l",
        "code.function.name": "f",
        "thread.id": 3,
        "telemetry.x": 1,
        "codes": [1, 2],
    }
    assert [' 10.0 ms 100%  work  n=1  who="ada l"  codes=[1, 2]'] == show(
        make_span(1, attributes=attributes)
    )


def test_fields_continue_on_the_next_line() -> None:
    """Fields that do not fit continue on the next line, right of the guides."""
    spans = [make_span(1, attributes={f"key{n}": "v" * 13 for n in range(6)}), make_span(2, 1)]
    assert [
        " 10.0 ms 100%  work  key0=vvvvvvvvvvvvv  key1=vvvvvvvvvvvvv",
        "               │  key2=vvvvvvvvvvvvv  key3=vvvvvvvvvvvvv",
        "               │  key4=vvvvvvvvvvvvv  key5=vvvvvvvvvvvvv",
        " 10.0 ms 100%  └─ work",
    ] == show(*spans, width=60)


def test_a_long_value_is_cut() -> None:
    """A value that is longer than a line is cut at its end."""
    span = make_span(1, attributes={"sql": "x" * 500})
    lines = show(span, width=60)
    assert ["                  sql=" + "x" * 37 + "…"] == lines[1:]


def test_an_error_message_has_three_lines() -> None:
    """A long error message is cut after three lines."""
    lines = show(make_span(1, error="E: " + "x" * 500), width=70)
    assert [70, 70, 70] == [len(line) for line in lines[1:]]
    assert lines[-1].endswith("…")


@pytest.mark.parametrize(
    "description", ["", "no luck", "Broken: no luck", "app.errors.Broken: no luck"]
)
def test_the_exception_of_a_failure_is_shown_once(description: str) -> None:
    """An exception that is the reason of a failure is shown after the name, and not as an event."""
    span = make_span(1, error=description, events=[make_exception_event()])
    assert [" 10.0 ms 100%  ✗ work  Broken: no luck"] == show(span)


def test_an_exception_that_is_not_the_reason() -> None:
    """An exception that differs from the reason of the failure is shown as an event."""
    span = make_span(1, error="gave up", events=[make_exception_event(at=2)])
    assert [
        " 10.0 ms 100%  ✗ work  gave up",
        "+2.00 ms          · Broken: no luck",
    ] == show(span)


def test_exception_without_message() -> None:
    """An exception without a message is shown by its type."""
    span = make_span(1, error="", events=[make_exception_event("KeyError", "")])
    assert [" 10.0 ms 100%  ✗ work  KeyError"] == show(span)


def test_failure_without_reason() -> None:
    """A failure without description or exception is shown by its sign."""
    assert [" 10.0 ms 100%  ✗ work"] == show(make_span(1, error=""))


def test_a_failure_that_a_child_shares() -> None:
    """If a child failed for the same reason, only the child's line has the message."""
    spans = [make_span(1, error="E: no"), make_span(2, 1, error="E: no")]
    assert [
        " 10.0 ms 100%  ✗ work  E (see below)",
        " 10.0 ms 100%  └─ ✗ work  E: no",
    ] == show(*spans)


def test_events() -> None:
    """Events are below their span with offset, level, name and attributes."""
    events = [
        make_event("miss", at=1.2, cache__key="a b", level="WARN"),
        make_event("hit", at=0.0005, thread__id=3),
        make_event("early", at=-1),
    ]
    assert [
        " 10.0 ms 100%  work",
        '+1.20 ms       │  · WARN  miss  cache.key="a b"',
        " +500 ns       │  · hit",
        "-1.00 ms       │  · early",
        " 10.0 ms 100%  └─ work",
    ] == show(make_span(1, events=events), make_span(2, 1))


def test_handled_exception() -> None:
    """An exception event of a span that did not fail shows type and message, no stack trace."""
    event = make_exception_event(at=1, exception__expected=True)
    assert [
        " 10.0 ms 100%  work",
        "+1.00 ms          · Broken: no luck  exception.expected=true",
    ] == show(make_span(1, events=[event]))


def test_folded_siblings() -> None:
    """Similar siblings share a line with count, total, slowest and common attributes."""
    loads = [
        make_span(n, 1, "load", start=n, ms=n - 1, attributes={"n": n, "bucket": "a"})
        for n in (2, 3, 4)
    ]
    reads = [make_span(n + 3, n, "read", start=n, ms=1) for n in (2, 3, 4)]
    assert [
        " 10.0 ms 100%  work",
        " 6.00 ms  60%  ├─ load \u00d73  total 6.00 ms, slowest 3.00 ms  bucket=a",
        " 3.00 ms  30%  │  └─ read \u00d73  total 3.00 ms, slowest 1.00 ms",
        " 1.00 ms  10%  └─ save",
    ] == show(make_span(1), *loads, *reads, make_span(9, 1, "save", start=9, ms=1))


def test_an_error_among_many() -> None:
    """A failed span has its own line beside its folded siblings."""
    loads = [make_span(n, 1, "load", start=n, ms=1) for n in range(2, 6)]
    lines = show(make_span(1), *loads, make_span(6, 1, "load", start=6, ms=1, error="E: no"))
    assert [
        " 4.00 ms  40%  ├─ load \u00d74  total 4.00 ms, slowest 1.00 ms",
        " 1.00 ms  10%  └─ ✗ load  E: no",
    ] == lines[1:]


def test_links_are_counted() -> None:
    """The number of links is shown."""
    links = [Link(make_context(7)), Link(make_context(8))]
    assert [" 10.0 ms 100%  work  2 links"] == show(make_span(1, links=links))


def test_dropped_attributes_are_counted() -> None:
    """Attributes that the SDK's limits dropped are counted."""
    from opentelemetry.attributes import BoundedAttributes

    attributes = BoundedAttributes(1, {"a": 1, "b": 2, "c": 3})
    assert [" 10.0 ms 100%  work  c=3  (2 attributes dropped)"] == show(
        make_span(1, attributes=attributes)
    )


def test_verbose_shows_everything() -> None:
    """A verbose page has resource, standard attributes, ids, scope, links and stack traces."""
    span = make_span(
        1,
        error="Broken: no luck",
        events=[make_exception_event()],
        attributes={"code.line.number": 7},
        links=[Link(make_context(8), {"why": "retry"})],
        instrumentation_scope=InstrumentationScope("shop.db"),
    )
    assert [
        f"{HEADER}1 span  1 error  started=1970-01-01T00:16:40+00:00",
        "  host.name=web-1",
        " 10.0 ms 100%  ✗ work  code.line.number=7  span_id=0000000000000001  scope=shop.db",
        f"                  link={TRACE:032x}/0000000000000008 why=retry",
        "                  app.errors.Broken: no luck",
        "                    Traceback:",
        "                      File x, line 1",
        "                    app.errors.Broken: no luck",
        "",
        "",
    ] == text_of(span, verbose=True).split("\n")


def test_verbose_does_not_fold() -> None:
    """A verbose page shows every sibling, without a limit of lines."""
    spans = [make_span(1), *(make_span(n, 1) for n in range(2, 1_002))]
    assert 1_001 == sum(
        "─ work" in line or "%  work" in line for line in show(*spans, verbose=True)
    )


def test_the_rest_is_counted_after_the_limit() -> None:
    """The last line counts the remaining spans and their errors."""
    spans = [make_span(n, 1, f"s{n}", start=n) for n in range(2, 100_001)]
    spans.append(make_span(100_001, 1, start=100_001, error="E"))
    lines = text_of(make_span(1), *spans).split("\n")
    assert MAX_LINES + 3 == len(lines)
    left = 100_001 - (MAX_LINES - 1)
    assert f"               … {left:,} more spans, 1 error among them" == lines[MAX_LINES]


def test_one_remaining_span() -> None:
    """A single remaining span has the singular."""
    spans = [make_span(n, 1, f"s{n}", start=n) for n in range(2, MAX_LINES + 1)]
    assert "               … 1 more span" == show(make_span(1), *spans)[-1]


def test_deep_trees() -> None:
    """Guides take at most half a line; the depth replaces guides that are cut."""
    chain = [make_span(n, n - 1 or None, f"s{n - 1}") for n in range(1, 5_001)]
    lines = show(*chain, width=80)
    assert " 10.0 ms 100%  " + " " * 27 + "└─ s10" == lines[10]
    assert " 10.0 ms 100%  …57" + " " * 27 + "└─ s57" == lines[57]
    assert "               … 4,501 more spans" == lines[-1]


def test_ascii() -> None:
    """If the encoding lacks the guides, they are ASCII, and letters outside it are escaped."""
    loads = [make_span(n, 1, "load", ms=0.5) for n in (2, 3, 4)]
    events = [make_event("hit", at=1)]
    top = make_span(1, name="山", events=events, attributes={"k": "é" + "x" * 200})
    lines = show(
        top, *loads, make_span(5, 1, "fail", start=5, error=""), encoding="ascii", width=70
    )
    assert [
        r" 10.0 ms 100%  \u5c71",
        r"               |  k=\xe9" + "x" * 43 + "...",
        "+1.00 ms       |  * hit",
        " 1.50 ms  15%  |- load x3  total 1.50 ms, slowest 500 us",
        " 10.0 ms 100%  `- ! fail",
    ] == lines


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "no-such-encoding"])
def test_fits_the_encoding(encoding: str) -> None:
    """The text of a block can be encoded, for any content."""
    text = text_of(make_span(1, name="山é\ud800", attributes={"ключ": "€"}), encoding=encoding)
    text.encode("ascii" if encoding == "no-such-encoding" else encoding)


def test_wide_characters_take_two_columns() -> None:
    """A line with wide characters fits the page."""
    lines = show(make_span(1, name="山" * 40, attributes={"k": "田" * 40}), width=60)
    assert 2 == len(lines)
    assert {59, 60} >= {count_cells(line) for line in lines}


def test_colour() -> None:
    """Colour adds SGR sequences to the same text, and a failure is red."""
    spans = [make_span(1, error="E: no"), *(make_span(n, 1, "load") for n in (2, 3, 4))]
    coloured = text_of(*spans, colour=True)
    assert text_of(*spans) == SGR.sub("", coloured)
    assert "\x1b[1;31m✗ work\x1b[0m" in coloured
    assert {"0", "1", "2", "31", "36", "1;31"} >= set(re.findall(r"\x1b\[([0-9;]+)m", coloured))


def made_with(text: str) -> list[ReadableSpan]:
    """Return spans that have `text` in every place for text."""
    event = make_event(text or "e", at=1, **{"level": "WARN"})
    event._attributes = {text: text, "list": (text, text)}
    exception = make_exception_event(text, text, at=2)
    resource = Resource({"service.name": text, "other": text})
    return [
        make_span(1, name=text, error=text, resource=resource, events=[event, exception]),
        make_span(2, 1, text, attributes={text: text, "list": (text,)}, resource=resource),
        make_span(3, 2, text, error="x", events=[exception], attributes={"k": {text: text}}),
    ]


def is_harmful(character: str) -> bool:
    bidi = "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"
    return bidi or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


@given(ANY_TEXT, st.booleans(), st.booleans(), st.sampled_from([None, "utf-8", "ascii"]))
def test_no_control_character_is_printed(
    text: str, colour: bool, verbose: bool, encoding: str | None
) -> None:
    """For any text, the only control characters are line ends and the colours."""
    page = {"colour": colour, "verbose": verbose, "encoding": encoding, "width": 60}
    printed = text_of(*made_with(text), **page)
    foreign = SGR.sub("", printed).replace("\n", "")
    assert [] == [each for each in foreign if is_harmful(each)]
    if not colour:
        assert "\x1b" not in printed


@given(ANY_TEXT, st.sampled_from(["\n", "\r\n", "\u2028", "\x85", "\x0b", "\x1b[2J"]))
def test_no_line_can_be_forged(text: str, breaker: str) -> None:
    """Each line starts with the gutter, because a line break in a value does not start a line."""
    forged = text + breaker + " 10.0 ms 100%  forged" + breaker
    lines = show(*made_with(forged), width=1_000)
    gutter = re.compile(r"[ \d.]{5} (ns|µs|ms|s )[ <\d]{4}%  |\+[ \d.]{4} ms {7}| {15}")
    assert [] == [line for line in lines if not gutter.match(line)]
    assert [] == [line for line in lines if line.startswith(" 10.0 ms 100%  forged")]
    harmless = made_with(escape(forged))
    assert len(show(*harmless, width=10_000)) == len(show(*made_with(forged), width=10_000))


@given(ANY_TEXT, st.integers(40, 120))
def test_lines_fit_the_page(text: str, width: int) -> None:
    """Every line fits the width of the page."""
    lines = text_of(*made_with(text), width=width).split("\n")
    assert [] == [line for line in lines if count_cells(line) > width]
