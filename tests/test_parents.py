"""The options `parent` and `links` of `@instrument`."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, TraceFlags

from tracekit import instrument, span
from tracekit.testing import capture_spans

REMOTE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


CARRIER = {"traceparent": f"00-{0xABC:032x}-{0xDEF:016x}-01"}


def parent_of(options: Mapping[str, Any], *arguments: Any) -> SpanContext | None:
    @instrument("work", skip_all=True, **options)
    def work(message=None):
        pass

    with capture_spans() as spans, span("around"):
        work(*arguments)
    return spans["work"].span.parent


@pytest.mark.parametrize(
    ("parent", "argument"),
    [
        (REMOTE, None),
        (trace.NonRecordingSpan(REMOTE), None),
        (CARRIER, None),
        (trace.set_span_in_context(trace.NonRecordingSpan(REMOTE), Context()), None),
        (lambda message: message, CARRIER),
        (lambda message: message, [("TraceParent", CARRIER["traceparent"].encode())]),
        (lambda message: message, REMOTE),
    ],
)
def test_a_given_parent_replaces_the_current_span(parent, argument):
    """It is a span, a span context, a context, a carrier, or a callable that returns one."""
    assert REMOTE.span_id == parent_of({"parent": parent}, argument).span_id


@pytest.mark.parametrize("parent", [None, {}, lambda message: None, lambda: {}])
def test_without_a_parent_a_new_trace_starts(parent):
    """The parent is None, or a carrier that holds no trace."""
    assert parent_of({"parent": parent}) is None


def test_the_current_span_is_the_parent_if_the_option_fails(caplog):
    """The call continues, and one warning is logged."""
    assert parent_of({"parent": lambda message: message.headers}) is not None
    assert 1 == sum("the parent" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "links", [[REMOTE], [CARRIER], [Link(REMOTE)], lambda message: [REMOTE], CARRIER]
)
def test_links_refer_to_other_spans(links):
    """A link may have every form of a parent, or be a finished `Link`."""

    @instrument("work", links=links)
    def work(message=None):
        pass

    with capture_spans() as spans:
        work()
    assert [REMOTE.span_id] == [link.context.span_id for link in spans["work"].span.links]


def test_a_carrier_without_a_trace_makes_no_link(spans):
    """The link is left out."""

    @instrument("work", links=[{}])
    def work():
        pass

    work()
    assert 0 == len(spans["work"].span.links)


@pytest.mark.parametrize("option", ["parent", "links"])
def test_a_failing_parent_or_link_is_logged_once_and_keeps_nothing_alive(spans, caplog, option):
    """This holds for any number of calls."""

    class Message:
        pass

    @instrument(**{option: lambda message: message.headers})
    def work(message):
        pass

    messages = [Message() for _ in range(3)]
    for message in messages:
        work(message)
    kept = [weakref.ref(one) for one in messages]
    caplog_texts = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    caplog.clear()
    del message, messages
    gc.collect()
    assert [None] * 3 == [one() for one in kept]
    assert [True] == ["work could not be evaluated" in text for text in caplog_texts]
