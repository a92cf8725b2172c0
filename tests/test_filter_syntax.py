"""The syntax of filters: directives, values, errors and the position of the caret."""

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
from tracekit._filters.syntax import parse

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
def test_directives(text, expected):
    """Every form of the grammar parses, with white space between the parts."""
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
def test_values(text, expected):
    """The form of a value decides whether it is a number, a boolean, a text or a pattern."""
    assert Field("a", expected) == field_of(text)


@pytest.mark.parametrize("name", ["user.id", "http.request.header.x-id", "a:b", "é"])
def test_plain_field_names(name):
    """Names of attributes need no quotes."""
    assert Field(name, NumberValue(1)) == field_of(f"{name} = 1")


def test_quoted_field_names():
    """A quoted name may have any character."""
    assert Field('my "key", {x=1}') == field_of(r'"my \"key\", {x=1}"')


@pytest.mark.parametrize(
    ("text", "position", "expected"),
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
def test_a_mistake_is_marked(text, position, expected):
    """The caret is below the first wrong character, and the message has what was expected."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse(text)
    message, line, caret = str(caught.value).splitlines()
    assert f"filter does not parse, expected {expected}" in message
    assert f"  {text}" == line
    assert f"  {' ' * position}^" == caret


def test_a_pattern_is_bounded():
    """A regular expression has at most 1,000 characters."""
    assert PatternValue("." * 1_000) == field_of(f"a={'.' * 1_000}").value
    with pytest.raises(FilterSyntaxError, match="a regular expression of at most 1,000 characters"):
        parse(f"[{{a={'.' * 1_001}}}]")


def test_a_pattern_that_does_not_compile():
    """The compiler of regular expressions limits the depth of groups."""
    with pytest.raises(FilterSyntaxError, match="a regular expression"):
        parse(f"[{{a={'(' * 499}{')' * 499}}}]")


def test_an_error_shows_part_of_a_long_text():
    """A mistake in a long text is shown with the text around it."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse("app=info," * 1_000 + "x=loud" + ",app=info" * 1_000)
    _, line, caret = str(caught.value).splitlines()
    assert "loud" == line[caret.index("^") :][:4]
    assert len(line) < 110


def test_an_error_shows_the_line_of_the_mistake():
    """Only one of several lines is shown; unprintable characters are replaced."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse("info,\n  a\x1b=info,\n  b=info")
    assert ["    a\N{REPLACEMENT CHARACTER}=info,", "     ^"] == str(caught.value).splitlines()[1:]


@pytest.mark.parametrize(
    ("text", "parsed", "mistakes"),
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
def test_lenient_parsing_skips_mistakes(text, parsed, mistakes):
    """A directive that does not parse is reported once; the directives around it are kept."""
    reported = []
    found = parse(text, reported.append)
    assert parsed == ",".join(map(str, found)).replace("=trace", "")
    assert mistakes == len(reported)


@given(filters)
def test_the_full_grammar_parses(text):
    """Every text of the grammar parses, strictly and leniently, to the same directives."""
    reported = []
    assert parse(text) == parse(text, reported.append)
    assert [] == reported


@given(st.text() | st.text('[]{}()",=\\ *.ab1'))
def test_any_text_parses_or_raises(text):
    """No text raises another error, and lenient parsing skips nothing of a text that parses."""
    reported = []
    found = parse(text, reported.append)
    try:
        parsed = parse(text)
    except FilterSyntaxError as error:
        assert "^" in str(error)
        assert reported or not found
    else:
        assert parsed == found
        assert [] == reported


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
def test_parsing_takes_linear_time(unit):
    """Ten times the text takes about ten times the time, whether it parses or not."""
    short, long = cost(unit * (10_000 // len(unit))), cost(unit * (100_000 // len(unit)))
    assert long < 40 * max(short, 0.002)


@pytest.mark.parametrize("begin", ["[", "[{a=", '["', "[{a=[", "[{a=(", '[{a="', "a"])
def test_parsing_one_long_directive_takes_linear_time(begin):
    """The same holds for a single directive."""
    short, long = cost(begin + "x" * 10_000), cost(begin + "x" * 100_000)
    assert long < 40 * max(short, 0.002)


def cost(text: str) -> float:
    """Return the shortest processor time of two runs, in seconds."""
    return min(timed(text) for _ in range(2))


def timed(text: str) -> float:
    start = time.process_time()
    parse(text, lambda _: None)
    try:
        Filter(text)
    except FilterSyntaxError:
        pass
    return time.process_time() - start
