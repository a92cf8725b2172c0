"""Filters by target and level."""

import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit import Filter, FilterSyntaxError, Level

levels = st.sampled_from([level.name.lower() for level in Level] + list("012345"))
segments = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(
    lambda word: word.upper() not in Level.__members__
)
targets = st.lists(st.one_of(segments, st.just("*")), min_size=1, max_size=4).map(".".join)
directives = st.one_of(levels, targets, st.builds("{}={}".format, targets, levels))


@pytest.mark.parametrize(
    ("text", "target", "level", "wanted"),
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
def test_the_most_specific_directive_decides(text, target, level, wanted):
    """Whatever the order in the text; an equal directive later in it wins."""
    assert wanted == Filter(text).enables(target, level)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a directive"),
        (" , ", "expected a directive"),
        ("info,app=loud", "expected a level (off, error"),
        ("app..db=info", "expected the name of a module"),
        ("in fo", "expected the name of a module"),
        ("app/db", "expected the name of a module"),
    ],
)
def test_what_does_not_parse_is_refused(text, message):
    """The error shows the text and says what was expected."""
    with pytest.raises(FilterSyntaxError) as caught:
        Filter(text)
    assert message in str(caught.value)


def test_the_error_points_at_the_place():
    """A caret stands below the first character that is wrong."""
    with pytest.raises(FilterSyntaxError) as caught:
        Filter("info, app.db=loud")
    _, text, caret = str(caught.value).splitlines()
    assert "loud" == text[caret.index("^") :]


def test_the_wrong_type_is_refused():
    """A filter is made from text or from a filter."""
    with pytest.raises(FilterSyntaxError, match="filter=7: expected directives"):
        Filter(7)  # type: ignore[arg-type]


@given(st.lists(directives, min_size=1).map(",".join))
def test_text_round_trips(text):
    """`str` of a filter parses back to the same filter, and so does its pickle."""
    made = Filter(text)
    assert made == Filter(str(made)) == pickle.loads(pickle.dumps(made))
    assert hash(made) == hash(Filter(str(made)))


@given(st.lists(directives, min_size=1, unique_by=lambda one: one.partition("=")[0]), st.randoms())
def test_the_order_does_not_matter(parts, random):
    """Directives about different targets may stand in any order."""
    named = [part for part in parts if part.partition("=")[0].upper() not in Level.__members__]
    named = [part for part in named if not part[0].isdigit()]
    if named:
        shuffled = random.sample(named, len(named))
        assert Filter(",".join(named)) == Filter(",".join(shuffled))


@given(st.text())
def test_any_text_parses_or_is_refused(text):
    """No text makes anything else happen."""
    try:
        Filter(text)
    except FilterSyntaxError as error:
        assert "^" in str(error)


def test_a_filter_cannot_be_changed():
    """It is a value."""
    with pytest.raises(AttributeError, match="cannot be changed"):
        Filter("info").level = 3  # type: ignore[attr-defined]


def test_the_environment_is_read_with_its_mistakes_skipped(monkeypatch, caplog):
    """A bad directive is reported; the others count."""
    monkeypatch.setenv("TRACEKIT_FILTER", "app=loud,debug")
    with caplog.at_level(logging.WARNING):
        assert Filter("debug") == Filter.from_environment()
    assert 1 == sum("TRACEKIT_FILTER" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("text", [None, "", "app=loud"])
def test_without_a_directive_the_default_is_info(monkeypatch, text):
    """Also where none of them parses."""
    if text is not None:
        monkeypatch.setenv("TRACEKIT_FILTER", text)
    assert Filter("info") == Filter.from_environment()
