"""Limits, from arguments or from the environment, beside the SDK's."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import Link

from tests.side_by_side.sides import assert_same
from tests.side_by_side.test_starting import remote

NAMES = (
    "max_attributes max_events max_links max_span_attributes max_event_attributes "
    "max_link_attributes max_attribute_length max_span_attribute_length"
).split()

VARIABLES = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_SPAN_EVENT_COUNT_LIMIT "
    "OTEL_SPAN_LINK_COUNT_LIMIT OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT "
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"
).split()

ATTRIBUTES = {
    "first": "x" * 10,
    "": "dropped",
    "texts": ["y" * 10, "z", None],
    "word": "ä" * 4,
    "number": 12345,
    "bytes": b"b" * 10,
    "mapping": {"key": "v" * 10},
}


def overflow(side, times=12):
    """Go over every limit, in every way there is to it."""
    links = [Link(remote(span_id=number), dict(ATTRIBUTES)) for number in range(1, 6)]
    span = side.span(attributes=dict(ATTRIBUTES), links=links)
    side.note(span)
    for number in range(times):
        span.set_attribute(f"key{number}", "w" * number)
        span.add_event(f"event{number}", {"a": "w" * number} if number else ATTRIBUTES)
        span.add_link(remote(span_id=number + 9), {"a": "w" * number} if number else ATTRIBUTES)
    side.note(span)
    span.set_attributes({f"more{number}": number for number in range(times)})
    span.set_attribute(f"key{times - 1}", "again")
    span.set_attribute("key0", "back again")
    span.record_exception(ValueError("q" * 40))
    span.end()
    side.note(span)


@pytest.mark.parametrize("limit", [SpanLimits.UNSET, 0, 1, 3, 7], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_given_limits(name, limit):
    """Each limit applies alone, also at its bounds."""
    assert_same(overflow, limits=lambda: SpanLimits(**{name: limit}))


def test_default_limits():
    """Without an argument it is the specification's 128."""
    side = assert_same(lambda side: overflow(side, 150))
    assert [(128, 128, 128)] == [
        (len(span.attributes), len(span.events), len(span.links)) for span in side.ended
    ]


def test_no_limits():
    """All limits can be removed."""
    limits = dict.fromkeys(NAMES, SpanLimits.UNSET)
    side = assert_same(lambda side: overflow(side, 150), limits=lambda: SpanLimits(**limits))
    assert [(151, 155)] == [(len(span.events), len(span.links)) for span in side.ended]


@pytest.mark.parametrize("limit", ["", "0", "1", " 3 ", "7"], ids=repr)
@pytest.mark.parametrize("variable", VARIABLES)
def test_limits_of_the_environment(variable, limit, monkeypatch):
    """Each variable applies alone, in every way to set tracing up."""
    monkeypatch.setenv(variable, limit)
    assert_same(overflow)


def test_given_limits_over_those_of_the_environment(monkeypatch):
    """An argument takes precedence over its variable, and a special limit over a general one."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "2")
    assert_same(overflow)
    assert_same(overflow, limits=lambda: SpanLimits(max_events=4, max_attributes=3))
    assert_same(overflow, limits=lambda: SpanLimits(max_span_attributes=5, max_attribute_length=7))


def test_limits_that_are_changed_later():
    """The environment is read when the provider is made."""

    def script(side):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
            overflow(side)
            side.tracer = side.provider.get_tracer("later")
            overflow(side)

    assert_same(script)
