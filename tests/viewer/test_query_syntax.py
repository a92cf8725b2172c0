"""The language of searches."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit._viewer.query.nodes import (
    EVERYTHING,
    And,
    Attribute,
    Choice,
    Flag,
    Not,
    NumberField,
    Or,
    Text,
    TextField,
    TextTest,
)
from tracekit._viewer.query.syntax import QueryError, parse_query, quote_value

A, B, C = (Text(TextTest(name, (name.encode(),)), None) for name in "abc")
NOW = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("query", "node"),
    [
        ("", EVERYTHING),
        ("a", A),
        ("a b", And((A, B))),
        ("a and b AND c", And((A, B, C))),
        ("a b or c", Or((And((A, B)), C))),
        ("a (b or c)", And((A, Or((B, C))))),
        ("not a b", And((Not(A), B))),
        ("-a -(b or c)", And((Not(A), Not(Or((B, C)))))),
        ("service:shop", TextField("service", TextTest("shop", (b"shop",)))),
        ('name:"GET /users*"', TextField("name", TextTest("GET /users*", (b"get /users", b"")))),
        (r'name:"a\*b\""', TextField("name", TextTest('a*b"', (b'a*b"',)))),
        ("name=a*b", TextField("name", TextTest("a*b", None))),
        ("duration>50ms", NumberField("duration", ">", 50_000_000)),
        ("duration >= 1.5s", NumberField("duration", ">=", 1_500_000_000)),
        ("duration<1m30s", NumberField("duration", "<", 90_000_000_000)),
        ("trace.spans>100", NumberField("trace.spans", ">", 100)),
        ("error", Choice("status", 2)),
        ('"error"', Text(TextTest("error", (b"error",)), None)),
        ("is:error", Choice("status", 2)),
        ("is:open", Flag("open")),
        ("status!=ok", Not(Choice("status", 1))),
        ("kind:server", Choice("kind", 2)),
        ("level>=warn", NumberField("level", ">=", 4)),
        ("since:10m", NumberField("trace.start", ">=", NOW - 600 * 10**9)),
        ("until:2023-11-14T22:13:20Z", NumberField("trace.start", "<", NOW)),
        ('http.route="/x"', Attribute("http.route", False, "=", TextTest("/x", None), None)),
        ("u:x://y?a=b", Attribute("u", False, None, TextTest("x://y?a=b", (b"x://y?a=b",)), None)),
        ("n>=7", Attribute("n", False, ">=", None, 7)),
        ("idle_ns>5ms", Attribute("idle_ns", False, ">", None, 5_000_000)),
        ("n=7", Attribute("n", False, "=", TextTest("7", None), 7)),
        ("resource.host:*", Attribute("host", True, None, TextTest("*", (b"", b"")), None)),
        ('"name"=x', Attribute("name", False, "=", TextTest("x", None), None)),
        ("4711", Text(TextTest("4711", (b"4711",)), 4711)),
    ],
)  # fmt: skip
def test_what_a_query_means(query, node):
    assert parse_query(query, NOW) == node


@pytest.mark.parametrize(
    ("query", "place", "reason"),
    [
        ("a or", "", "a condition is missing after `or`"),
        ("or a", "or", "a condition is expected before `or`"),
        ("a (b", "(", "this `(` has no `)` after it"),
        ("a) b", ")", "this `)` has no `(` before it"),
        ("()", ")", "a condition is expected before `)`"),
        ('a "b c', '"b c', 'this quotation lacks its second `"`'),
        ("service:", ":", "a value is missing after `service:`"),
        ("service: shop", ":", "a value is missing after `service:`"),
        ("=7", "=", "the name of a field is missing before `=`"),
        ("service>shop", ">", "`service` is a text; compare it with `:`, `=` or `!=`"),
        ("duration>50", "50", "`duration` needs a number and a unit, such as 50ms or 1.5s"),
        ("trace.spans>many", "many", "`trace.spans` needs a whole number"),
        ("level>=loud", "loud", "no level: write trace, debug, info, warn or error"),
        ("status:bad", "bad", "`status` is unset, ok or error"),
        ("kind>server", ">", "`kind` is compared with `:`, `=` or `!=`"),
        ("is:slow", "slow", "`is` is error, open or root"),
        ("since:soon", "soon", "no time: write 10m, 12:03 or 2026-11-28T12:03:07"),
        ("http.route>x", "x", "`>` compares numbers, such as 500, 1.5 or 20ms"),
    ],
)
def test_errors_point_at_the_place(query, place, reason):
    with pytest.raises(QueryError) as caught:
        parse_query(query)
    error = caught.value
    assert error.reason == reason
    assert query[error.start : error.end] == place
    assert str(error).splitlines()[-1] == "  " + " " * error.start + "^" * max(len(place), 1)


def test_a_time_of_today_is_in_the_zone_of_the_machine():
    noon = datetime.now().astimezone().replace(hour=12, minute=0, second=0, microsecond=0)
    assert parse_query("since:12:00", time.time_ns()) == NumberField(
        "trace.start", ">=", int(noon.timestamp()) * 10**9
    )


@pytest.mark.parametrize("query", ["(" * 1000, "not " * 1000, "-" * 3000 + "a", "a " * 1500])
def test_size_is_bounded(query):
    """A query that is too deep or too long is refused, and does not exhaust the stack."""
    with pytest.raises(QueryError):
        parse_query(query)


@given(st.text(max_size=60) | st.text(alphabet=' ()"\\*:=<>!-aor7', max_size=30))
def test_any_text_parses_or_is_refused_with_a_place(query):
    try:
        parse_query(query)
    except QueryError as error:
        assert 0 <= error.start <= error.end <= len(query)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_quoted_value_is_that_value(value, other):
    """A pattern made of a quoted text accepts that text, and no other but in another case."""
    node = parse_query(f"name:{quote_value(value)}")
    assert isinstance(node, TextField)
    test = node.test
    assert test.accepts(value)
    assert test.accepts(other) == (other.encode().lower() == value.encode().lower())


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a*", "abc", True),
        ("*c", "ABC", True),
        ("a*c", "ac", True),
        ("ab*bc", "abc", False),
        ("*b*", "abc", True),
        ("a*b*c", "a-b-c", True),
        ("a*c*b", "a-b-c", False),
        ("é*", "Éa", False),
        ("*", "", True),
    ],
)
def test_patterns(pattern, text, expected):
    node = parse_query(f"name:{pattern}")
    assert isinstance(node, TextField)
    assert node.test.accepts(text) == expected
