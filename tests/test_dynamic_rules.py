"""Directives with a span or fields: their decisions, and the scopes that they open."""

from __future__ import annotations

import enum
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit import Filter, Level
from tracekit._filters.filter import directives_of
from tracekit._filters.filter_set import is_enabled, level_inside, opens_scope

DEBUG, ERROR, INFO, OFF, TRACE, WARN = (
    Level.DEBUG,
    Level.ERROR,
    Level.INFO,
    Level.OFF,
    Level.TRACE,
    Level.WARN,
)
LEVELS = [level for level in Level if level is not OFF]


class Unprintable:
    """A proxy without an object, as in web frameworks."""

    @property
    def __class__(self):
        raise RuntimeError("no class")

    def __str__(self):
        raise RuntimeError("no text")


class Status(enum.IntEnum):
    LOST = 404


def decide(text, target="app", span="s", **fields):
    rules = directives_of(Filter(text)).rules_for(target, span)
    return None if rules is None else rules.decide(fields)


@pytest.mark.parametrize(
    ("text", "target", "span", "has_rules"),
    [
        ("info,app=debug", "app", "s", False),
        ("[s]", "app", "s", True),
        ("[s]", "app", "S", False),
        ("[s]", "app", "s2", False),
        ("[s]", "app", None, False),
        ("app[s]", "app.db", "s", True),
        ("app[s]", "apple", "s", False),
        ("app.*.db[s]", "app.web.db", "s", True),
        ("app[{a}]", "app", "s", True),
        ("app[{a}]", "app", None, True),
        ("[s{a}]", "app", None, False),
        ('[""]', "app", None, False),
        ('[""]', "app", "", True),
    ],
)
def test_rules_match_target_and_span_name(text, target, span, has_rules):
    """A directive matches the target and the whole name; with a span name it matches no event."""
    made = Filter(text)
    rules = directives_of(made).rules_for(target, span)
    assert has_rules == (rules is not None)
    assert ("[" in text) == made.is_dynamic


@pytest.mark.parametrize(
    ("value", "recorded", "matches"),
    [
        ("42", 42, True),
        ("42", 42.0, True),
        ("42", "42", False),
        ("1", True, False),
        ("0", False, False),
        ("42.0", 42, True),
        ("-1.5", -1.5, True),
        ("nan", float("nan"), True),
        ("404", Status.LOST, True),
        ("404", complex(404), False),
        ("true", True, True),
        ("true", 1, False),
        ("true", "true", False),
        ("FALSE", False, True),
        ("bob", "bob", True),
        ("bob", "Bob", False),
        ("bob", "my bob", False),
        ("bob", "bob1", False),
        ("bo.*", "bobby", True),
        ("b.b", "b\nb", True),
        ("5..", 503, True),
        ("5..", "503", True),
        ('"42"', 42, True),
        ('"42"', "42", True),
        ('"b.b"', "bob", False),
        ('"b.b"', "b.b", True),
        ('""', "", True),
        (r"\('a'\, .*", ("a", "b"), True),
        ("x*", "x" * 5_000, True),
        ("x{1000}", "x" * 5_000, True),
        ("x{1001}", "x" * 5_000, False),
        (r"\[0\, 0.*", [0] * 100_000, True),
        ('"' + "x" * 5_000 + '"', "x" * 5_000, True),
    ],
)
def test_field_values(value, recorded, matches):
    """Numbers and booleans match equal values, quoted text and patterns the text of any value."""
    expected = DEBUG if matches else None
    assert expected is decide(f"[{{a={value}}}]=debug", a=recorded)


@pytest.mark.parametrize("value", ["1", "true", "bob", "bo.*", '"x"'])
def test_a_value_whose_str_raises_matches_nothing(value):
    """A filter does not raise for any recorded value."""
    assert decide(f"[{{a={value}}}]", a=Unprintable()) is None


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("[{a}]=debug", {"a": False}, DEBUG),
        ("[{a}]=debug", {"a": None}, None),
        ("[{a}]=debug", {"b": 1}, None),
        ("[{a=1,b=2}]=debug", {"a": 1, "b": 2}, DEBUG),
        ("[{a=1,b=2}]=debug", {"a": 1, "b": 3}, None),
        ("[{a=1,b=2}]=debug", {"a": 1}, None),
        ("[s]=debug", {}, DEBUG),
        ("[s]=off", {"a": 1}, OFF),
        ("[s]=debug,[s{a=1}]=off", {"a": 1}, OFF),
        ("[s]=debug,[s{a=1}]=off", {"a": 2}, DEBUG),
        ("app[s]=debug,[s{a=1}]=off", {"a": 1}, DEBUG),
        ("[{a=1}]=debug,[s]=off", {"a": 1}, DEBUG),
        ("[{a=1,b}]=debug,[s{a=1}]=off", {"a": 1, "b": 1}, DEBUG),
        ("[s{a}]=debug,[{a}]=off", {"a": 1}, DEBUG),
        ("[s{a=1}]=debug,[s{a}]=off", {"a": 1}, DEBUG),
        ("[s{a=bob}]=debug,[s{a=b.*}]=off", {"a": "bob"}, DEBUG),
        ("app[s]=debug,*[s]=off", {}, DEBUG),
        ("app=off,[s]=debug", {}, DEBUG),
        ("[s]=debug,[s]=off", {}, OFF),
        ("[s{a,b}]=debug,[s{ b , a }]=off", {"a": 1, "b": 1}, OFF),
    ],
)
def test_the_most_specific_directive_decides(text, fields, expected):
    """Precedence: a longer target, more fields, a name, a value, a literal, the later of equals."""
    assert expected is decide(text, **fields)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("[s]", set()),
        ("[s{a}]", {"a"}),
        ("[s{a,b=1}],[{c}]", {"a", "b", "c"}),
        ("app[s],[s{a}]", set()),
        ("[s],[s{a}]", {"a"}),
        ("[other{a}],[s{b}]", {"b"}),
    ],
)
def test_only_named_fields_are_needed(text, needed):
    """Fields of directives that cannot match the call site are not needed."""
    rules = directives_of(Filter(text)).rules_for("app", "s")
    assert needed == rules.needed_fields
    if not needed:
        assert rules.decide({}) is not None


def test_other_fields_are_not_read():
    """`decide` reads only the needed fields of the mapping."""

    class Checked(dict):
        def __missing__(self, key):
            raise AssertionError(key)

        def get(self, key, default=None):
            assert key in {"a", "b"}
            return super().get(key, default)

    rules = directives_of(Filter("[s{a=1,b=2}]")).rules_for("app", "s")
    assert rules.decide(Checked(a=1, b=2, c=3)) is TRACE


@pytest.mark.parametrize("decided", Level)
@pytest.mark.parametrize("static", Level)
def test_opens_scope(decided, static):
    """A level opens a scope if it is not `off` and at least as verbose as the static one."""
    assert (decided is not OFF and decided <= static) == opens_scope(decided, static)


@pytest.mark.parametrize(
    ("level", "static", "decided", "scope", "enabled"),
    [
        (INFO, INFO, None, None, True),
        (DEBUG, INFO, None, None, False),
        (ERROR, OFF, None, None, False),
        (OFF, OFF, None, None, False),
        (DEBUG, INFO, None, DEBUG, True),
        (TRACE, INFO, None, DEBUG, False),
        (INFO, INFO, None, WARN, True),
        (DEBUG, INFO, DEBUG, None, True),
        (TRACE, INFO, DEBUG, None, False),
        (TRACE, INFO, DEBUG, TRACE, True),
        (INFO, INFO, WARN, None, False),
        (INFO, INFO, WARN, TRACE, False),
        (WARN, INFO, WARN, TRACE, True),
        (ERROR, INFO, OFF, TRACE, False),
        (ERROR, OFF, OFF, TRACE, False),
        (INFO, OFF, WARN, INFO, True),
    ],
)
def test_is_enabled(level, static, decided, scope, enabled):
    """A level that opens a scope adds to the scope around it; a level that lowers holds inside."""
    assert enabled == is_enabled(level, static, decided, scope)


@pytest.mark.parametrize(
    ("outer", "decided", "static", "inside"),
    [
        (None, None, INFO, None),
        (DEBUG, None, INFO, DEBUG),
        (None, DEBUG, INFO, DEBUG),
        (None, INFO, INFO, INFO),
        (None, WARN, INFO, None),
        (None, OFF, INFO, None),
        (None, OFF, OFF, None),
        (TRACE, DEBUG, INFO, TRACE),
        (DEBUG, TRACE, INFO, TRACE),
        (DEBUG, OFF, INFO, DEBUG),
        (DEBUG, WARN, INFO, DEBUG),
        (None, WARN, OFF, WARN),
    ],
)
def test_level_inside(outer, decided, static, inside):
    """The most verbose level counts; a directive that lowers neither opens nor closes a scope."""
    assert inside is level_inside(outer, decided, static)


@given(st.sampled_from(LEVELS), st.sampled_from(Level), st.none() | st.sampled_from(Level))
def test_a_scope_never_disables(level, static, decided):
    """Everything that is enabled outside a span is enabled inside it."""
    for outer, scope in itertools.product([None, *LEVELS], LEVELS):
        inner = level_inside(outer, scope, static)
        if is_enabled(level, static, decided, outer):
            assert is_enabled(level, static, decided, inner)
