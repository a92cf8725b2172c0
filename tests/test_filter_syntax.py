"""The language of filters: what parses, what is refused and where the caret stands."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.filter_texts import filters
from tracekit import Filter, FilterSyntaxError
from tracekit._base.levels import Level
from tracekit._filters.directives import Directive, Field
from tracekit._filters.field_values import BooleanValue, NumberValue, PatternValue, TextValue
from tracekit._filters.syntax import parse, parse_leniently

DEBUG, INFO, OFF, TRACE, WARN = Level.DEBUG, Level.INFO, Level.OFF, Level.TRACE, Level.WARN


def field_of(text: str) -> Field:
    (directive,) = parse(f"[{{{text}}}]")
    (field,) = directive.fields
    return field


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("info", Directive((), INFO)),
        ("Warning", Directive((), WARN)),
        ("critical", Directive((), Level.ERROR)),
        ("0", Directive((), OFF)),
        ("app", Directive(("app",), TRACE)),
        ("app=", Directive(("app",), TRACE)),
        ("app.*=4", Directive(("app", "*"), DEBUG)),
        ("info=off", Directive(("info",), OFF)),
        ('"info"', Directive(("info",), TRACE)),
        ('"@shop/web.db"=debug', Directive(("@shop/web", "db"), DEBUG)),
        ("[handle]", Directive((), TRACE, "handle")),
        ("app[handle]=debug", Directive(("app",), DEBUG, "handle")),
        ("app[]=debug", Directive(("app",), DEBUG)),
        (" app [ handle ] = debug ", Directive(("app",), DEBUG, "handle")),
        ("[GET /users]=off", Directive((), OFF, "GET /users")),
        ("[a, b]", Directive((), TRACE, "a, b")),
        ('["GET /users/{id}"]', Directive((), TRACE, "GET /users/{id}")),
        (r'["say \"[a]\" or \\"]', Directive((), TRACE, r'say "[a]" or \\'[:-1])),
        ('[""]', Directive((), TRACE, "")),
        ("[{user}]", Directive((), TRACE, None, (Field("user"),))),
        ("[handle{user}]=", Directive((), TRACE, "handle", (Field("user"),))),
        (
            "[handle {\n  b = 1,\n  a\n}\n]",
            Directive((), TRACE, "handle", (Field("a"), Field("b", NumberValue(1)))),
        ),
        ("[{a,a}]", Directive((), TRACE, None, (Field("a"),))),
    ],
)
def test_a_directive_is_read(text, expected):
    """Every form of the grammar, with white space where it is free."""
    assert [expected] == parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=42", NumberValue(42)),
        ("a=-4.5", NumberValue(-4.5)),
        ("a=+1e3", NumberValue(1000)),
        ("a=5.", NumberValue(5)),
        ("a=true", BooleanValue(True)),
        ("a=False", BooleanValue(False)),
        ("a=bob", TextValue("bob")),
        ("a=bob smith", TextValue("bob smith")),
        ("a=b=c", TextValue("b=c")),
        ('a="42"', TextValue("42")),
        ('a="true"', TextValue("true")),
        ('a=""', TextValue("")),
        ('a="x, y}"', TextValue("x, y}")),
        (r'a="\"\\"', TextValue('"\\')),
        ("a=5..", PatternValue("5..")),
        ("a=1e999", TextValue("1e999")),
        ("a=nan", TextValue("nan")),
        ("a=[^,}]+", PatternValue("[^,}]+")),
        ("a=[]}]", PatternValue("[]}]")),
        ("a=x{2,3}", PatternValue("x{2,3}")),
        ("a=(x,y|z{1,2})", PatternValue("(x,y|z{1,2})")),
        (r"a=x\,y\}", PatternValue(r"x\,y\}")),
        (r"a=x\  ", PatternValue("x\\ ")),
        (r"a=\"x\"", PatternValue(r"\"x\"")),
        ("a=(?i)bob", PatternValue("(?i)bob")),
    ],
)
def test_a_value_is_read(text, expected):
    """Numbers and booleans by their look, texts by their quotes, patterns by their brackets."""
    assert Field("a", expected) == field_of(text)


@pytest.mark.parametrize("name", ["user.id", "http.request.header.x-id", "a:b", "é"])
def test_a_field_may_have_any_name_without_space(name):
    """The names of attributes need no quotes."""
    assert Field(name, NumberValue(1)) == field_of(f"{name} = 1")


def test_a_field_in_quotes_may_have_any_name():
    """Nor is there a name that cannot be written."""
    assert Field('my "key", {x=1}') == field_of(r'"my \"key\", {x=1}"')


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("", 0, "a directive such as"),
        (" , ", 0, "a directive such as"),
        ("6", 0, "a level (off, error"),
        ("info,app=loud", 9, "a level (off, error"),
        ("app=debug[x]", 4, "a level (off, error"),
        ("=info", 0, "the name of a module"),
        ("app..db=info", 4, "the name of a module"),
        ("app.=info", 4, "the name of a module"),
        ("in fo", 2, "the name of a module"),
        ("app/db", 3, "the name of a module"),
        ('""=info', 0, "the name of a module"),
        ("app]=info", 3, "the name of a module"),
        ('"app" x', 6, "'=' and a level, or a comma"),
        ("app[x] debug", 7, "'=' and a level, or a comma"),
        ("[]", 1, "the name of a span, or fields"),
        ("info,[ ]=off", 6, "the name of a span, or fields"),
        ("app[x", 5, "'{' or ']'"),
        ("[a=info,[b]", 8, "'{' or ']'"),
        ("[a}]", 2, "'{' or ']'"),
        ('["a]', 1, "a quote that closes this one"),
        (r'["a\d"]', 3, r"\" or \\"),
        ("[{}]", 2, "the name of a field"),
        ("[{a,}]", 4, "the name of a field"),
        ("[{a b}]", 4, "',' or '}'"),
        ("[{a=1]", 5, "',' or '}'"),
        ('[{a="x"y}]', 7, "',' or '}'"),
        ("[{a=1}b]", 6, "']'"),
        ("[{a=}]", 4, "a value: a number"),
        ("[{a=,b}]", 4, "a value: a number"),
        ('[{a=b"c"}]', 5, r"\" for a quote"),
        ("[{a=[b}]", 8, "',' or '}'"),
        ("[{a=x[b", 5, "a ']' that closes this one"),
        ("[{a=b*c**}]", 8, "a regular expression (multiple repeat)"),
        ("[{a=(b}]", 4, "a regular expression (missing )"),
        ("[{a=b{99999999999}}]", 4, "a regular expression (the repetition number is too large)"),
    ],
)
def test_a_mistake_is_shown_at_its_place(text, place, expected):
    """The caret stands below the first character that is wrong, and the text says what would do."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse(text)
    message, line, caret = str(caught.value).splitlines()
    assert f"filter does not parse, expected {expected}" in message
    assert (f"  {text}", f"  {' ' * place}^") == (line, caret)


def test_a_pattern_is_bounded():
    """A regular expression has at most 1,000 characters."""
    assert PatternValue("." * 1_000) == field_of(f"a={'.' * 1_000}").value
    with pytest.raises(FilterSyntaxError, match="a regular expression of at most 1,000 characters"):
        parse(f"[{{a={'.' * 1_001}}}]")


def test_a_pattern_that_python_cannot_read_is_refused():
    """Groups in groups may go deeper than the compiler of regular expressions does."""
    with pytest.raises(FilterSyntaxError, match="a regular expression"):
        parse(f"[{{a={'(' * 499}{')' * 499}}}]")


def test_of_a_long_text_the_neighbourhood_is_shown():
    """A mistake in a long text is shown with what stands around it."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse("app=info," * 1_000 + "x=loud" + ",app=info" * 1_000)
    _, line, caret = str(caught.value).splitlines()
    assert "loud" == line[caret.index("^") :][:4]
    assert len(line) < 110


def test_of_several_lines_the_one_with_the_mistake_is_shown():
    """Filters may be written over several lines; unprintable characters are replaced."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse("info,\n  a\x1b=info,\n  b=info")
    assert ["    a\N{REPLACEMENT CHARACTER}=info,", "     ^"] == str(caught.value).splitlines()[1:]


@pytest.mark.parametrize(
    ("text", "read", "mistakes"),
    [
        ("app=loud,debug", "debug", 1),
        ("[s{a=[x,y],b=*}]=info,debug", "debug", 1),
        ('[s{a="x,y",b=*}]=info,debug', "debug", 1),
        ("[s{=1,b=2}]=info,debug,x=y", "debug", 2),
        ("app[handle=debug,info", "info", 1),
        ('app["handle]=debug,info,[s]', "info,[s]", 1),
        ("[a=info,[b{x=1,y=2}],warn", "warn", 3),
        (",,info,,", "info", 0),
        ("", "", 0),
        ("]", "", 1),
    ],
)
def test_what_does_not_parse_is_skipped(text, read, mistakes):
    """A bad directive is reported once, and those around it count, also where a bracket is open."""
    reported = []
    found = parse_leniently(text, reported.append)
    assert (read, mistakes) == (",".join(map(str, found)).replace("=trace", ""), len(reported))


@given(filters)
def test_the_full_grammar_parses(text):
    """What the grammar describes is a filter, in both ways of reading."""
    reported = []
    assert parse(text) == parse_leniently(text, reported.append)
    assert [] == reported


@given(st.text() | st.text('[]{}()",=\\ *.ab1'))
def test_any_text_parses_or_is_refused(text):
    """No text makes anything else happen, and what parses in full is never skipped in part."""
    reported = []
    found = parse_leniently(text, reported.append)
    try:
        parsed = parse(text)
    except FilterSyntaxError as error:
        assert "^" in str(error)
        assert reported or not found
    else:
        assert (parsed, []) == (found, reported)


LONG = {
    "directives": "app.db=debug,[s{a=1}]=info,",
    "fields": "[{a=1" + ",b=x.y" * 10 + "}],",
    "nothing": ",",
    "segments": "a.",
    "open brackets": "[,",
    "open braces": "[{a=(,",
    "open quotes": '["a,',
    "quotes": '["a\\"',
    "open patterns": "[{a=(,}],",
    "open classes": "[{a=[[,}],",
    "one class": "[",
    "spaces": "a ",
    "mistakes": "a b,",
}


@pytest.mark.parametrize("unit", LONG.values(), ids=LONG)
def test_reading_takes_time_in_proportion(unit):
    """Ten times the text takes ten times the time, give or take, however it goes wrong."""
    short, long = cost(unit * (10_000 // len(unit))), cost(unit * (100_000 // len(unit)))
    assert long < 40 * max(short, 0.002)


@pytest.mark.parametrize("begin", ["[", "[{a=", '["', "[{a=[", "[{a=(", '[{a="', "a"])
def test_one_long_directive_takes_time_in_proportion(begin):
    """The same for a text that is a single directive."""
    short, long = cost(begin + "x" * 10_000), cost(begin + "x" * 100_000)
    assert long < 40 * max(short, 0.002)


def cost(text: str) -> float:
    """Seconds of processor time to read a text, at best."""
    return min(timed(text) for _ in range(2))


def timed(text: str) -> float:
    start = time.process_time()
    parse_leniently(text, lambda _: None)
    try:
        Filter(text)
    except FilterSyntaxError:
        pass
    return time.process_time() - start
