"""Filters as values: precedence, equality, text, copies and the environment."""

import copy
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.filter_texts import filters, levels
from tracekit import Filter, FilterSyntaxError, Level
from tracekit._filters.filter import directives_of, filter_from_environment
from tracekit._filters.syntax import parse

# Few words, so that directives often match the same target.
near_targets = st.sampled_from(["", "a", "a.b", "a.b.c", "*", "a.*", "*.b", "*.*.c", "z"])
near_fields = st.lists(st.sampled_from(["x", "x=1", "x=.", "y", "y=2"]), unique=True, max_size=3)
near_brackets = st.tuples(st.sampled_from(["", "s", "other"]), near_fields).map(
    lambda parts: f"[{parts[0]}{{{','.join(parts[1])}}}]" if parts[1] else f"[{parts[0]}]"
)
near_directives = (
    st.tuples(near_targets, near_brackets, levels)
    .map(lambda parts: "".join(parts[:2]).removesuffix("[]") + "=" + parts[2])
    .map(lambda text: text.removeprefix("="))
)
near_filters = st.lists(near_directives, min_size=1, max_size=6).map(",".join)


@pytest.mark.parametrize(
    ("text", "target", "level", "enabled"),
    [
        ("info", "app", Level.INFO, True),
        ("info", "app", Level.DEBUG, False),
        ("info,app.db=debug", "app.db", Level.DEBUG, True),
        ("info,app.db=debug", "app.db.pool", Level.DEBUG, True),
        ("info,app.db=debug", "app.dbx", Level.DEBUG, False),
        ("app.db=debug,info", "app.db", Level.DEBUG, True),
        ("info,app=off,app.db=warn", "app.db", Level.ERROR, True),
        ("info,app=off,app.db=warn", "app.web", Level.ERROR, False),
        ("warn,app.*.db=trace", "app.shop.db", Level.TRACE, True),
        ("warn,app.*.db=trace", "app.db", Level.INFO, False),
        ("app.*=off,app.db=debug", "app.db", Level.DEBUG, True),
        ("app", "app", Level.TRACE, True),
        ("app", "other", Level.ERROR, False),
        ("app=", "app", Level.TRACE, True),
        ("5", "app", Level.TRACE, True),
        ("0", "app", Level.ERROR, False),
        ("INFO", "app", Level.INFO, True),
        (" info , app.db = Debug ,", "app.db", Level.DEBUG, True),
        ("trace,info", "app", Level.DEBUG, False),
        ("off", "app", Level.ERROR, False),
        ("trace", "app", Level.OFF, False),
    ],
)
def test_the_most_specific_directive_decides(text, target, level, enabled):
    """The order in the text decides only between directives with an equal subject."""
    assert enabled == Filter(text).enables(target, level)


def test_the_wrong_type_is_refused():
    """A filter is made from text or from a filter."""
    with pytest.raises(FilterSyntaxError, match="filter=7: expected directives"):
        Filter(7)  # type: ignore[arg-type]


@given(filters | near_filters)
def test_text_round_trips(text):
    """`str` of a filter parses back to the same filter, and so do its pickle and its copy."""
    made = Filter(text)
    assert made == Filter(str(made)) == pickle.loads(pickle.dumps(made)) == copy.deepcopy(made)
    assert str(made) == str(Filter(str(made)))
    assert hash(made) == hash(Filter(str(made)))


@given(filters | near_filters, st.randoms())
def test_the_order_does_not_matter(text, random):
    """Directives with different subjects may be in any order."""
    made = Filter(text)
    parts = [str(directive) for directive in parse(str(made))]
    assert made == Filter(",".join(random.sample(parts, len(parts))))


@given(filters, filters)
def test_equal_filters_have_equal_text(one, two):
    """Filters with different texts differ."""
    assert (Filter(one) == Filter(two)) is (str(Filter(one)) == str(Filter(two)))


@given(
    near_filters,
    st.sampled_from(["a", "a.b", "a.b.c", "q.b"]),
    st.sampled_from([{}, {"x": 1}, {"x": 1, "y": 2}]),
)
def test_the_more_specific_directive_wins(text, target, fields):
    """The precedence is: a span or fields, then the longer target, then more fields."""
    made = Filter(text)
    matching = [one for one in parse(text) if applies(one, target, fields)]
    rules = directives_of(made).rules_for(target, "s")
    decided = None if rules is None else rules.decide(fields)
    level = made.level_of(target) if decided is None else decided
    best = max(map(specificity, matching), default=None)
    allowed = [one.level for one in matching if specificity(one) == best] or [Level.OFF]
    assert level in allowed


def applies(directive, target, fields):
    """Whether a directive matches a span `s`, in the simplest way."""
    parts = target.split(".")[: len(directive.segments)]
    return (
        len(parts) == len(directive.segments)
        and all(a in (b, "*") for a, b in zip(directive.segments, parts, strict=True))
        and directive.span in (None, "s")
        and all(
            one.name in fields and (one.value is None or one.value.accepts(fields[one.name]))
            for one in directive.fields
        )
    )


def specificity(directive):
    return directive.is_dynamic, len(directive.segments), len(directive.fields)


def test_filters_with_different_subjects_or_levels_differ():
    """A filter also differs from its text."""
    texts = [
        "info",
        "app",
        "app=info",
        "[app]",
        "[{app}]",
        "[{app=1}]",
        '[{app="1"}]',
        "[{app=true}]",
    ]
    assert len(texts) == len({Filter(text) for text in texts})
    assert Filter("info") != "info"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("INFO , app = 4", "app=debug,info"),
        ("app", "app=trace"),
        ("app[]=warning", "app=warn"),
        ("[ s { b = 5.0 , a = TRUE } ]", "[s{a=true,b=5}]=trace"),
        ('["s"{"a"="b c"}]=5', '[s{a="b c"}]=trace'),
        ('["GET /{id}"]=off', '["GET /{id}"]=off'),
        ('[{a="b.c"}],[{a=b.c}]', '[{a="b.c"}]=trace,[{a=b.c}]=trace'),
        ('"info"', "info=trace"),
    ],
)
def test_text_is_canonical(text, printed):
    """The most specific directive is first; each has its level, and quotes if it needs them."""
    assert printed == str(Filter(text))
    assert f"Filter({printed!r})" == repr(Filter(text))


def test_level_of_ignores_directives_with_a_span_or_fields():
    """They need more than the target to decide."""
    made = Filter("[s]=trace,app[{a}]=off,info")
    assert Level.INFO is made.level_of("app")
    assert made.enables("app", Level.INFO)


def test_a_filter_cannot_be_changed():
    """Setting or deleting an attribute raises."""
    with pytest.raises(AttributeError, match="cannot be changed"):
        Filter("info").level = 3  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="cannot be changed"):
        del Filter("info").is_dynamic


def test_mistakes_in_the_environment_are_skipped(monkeypatch, caplog):
    """A directive that does not parse is logged; the others are used."""
    monkeypatch.setenv("TRACEKIT_FILTER", "app=loud,debug,[s{a=1,b=*}]=info,[t{x,y}]=off")
    with caplog.at_level(logging.WARNING):
        assert Filter("debug,[t{x,y}]=off") == filter_from_environment()
    assert 2 == sum("TRACEKIT_FILTER" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("text", [None, "", "app=loud"])
def test_the_default_is_info(monkeypatch, text):
    """It is used if the variable has no directive that parses."""
    if text is not None:
        monkeypatch.setenv("TRACEKIT_FILTER", text)
    assert Filter("info") == filter_from_environment()
