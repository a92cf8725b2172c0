"""Every kind of callable, left in every way: the caller sees no difference, and one span tells."""

from __future__ import annotations

import logging
import sys

import pytest
from opentelemetry import trace

from tests.callables import CELLS, KINDS, decorate, drive_coroutine, same
from tracekit.testing import capture_spans

STATUS = {"raises": "ERROR: ValueError: boom"}
EXIT = {"cancelled": "asyncio.exceptions.CancelledError"}
EVENTS = {
    "raises": [("exception", {"exception.type": "ValueError", "exception.message": "boom"})],
    "expected exception": [
        (
            "exception",
            {
                "exception.type": "LookupError",
                "exception.message": "nothing there",
                "exception.expected": True,
            },
        )
    ],
}


@pytest.fixture(autouse=True)
def quiet(caplog, monkeypatch):
    """No cell may log anything, or fail where no one can see it."""
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with caplog.at_level(logging.DEBUG):
        yield
    assert [] == [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    assert [] == unraisable


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_the_caller_sees_no_difference(kind, outcome):
    """A decorated callable gives, raises and ends exactly as the undecorated one."""
    make, drive = KINDS[kind]
    expected = drive(make(same), outcome)
    with capture_spans():
        actual = drive(make(decorate()), outcome)
    assert expected == actual


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_one_span_tells_how_it_ended(kind, outcome):
    """There is one span, with the status, exit and events of the outcome."""
    make, drive = KINDS[kind]
    with capture_spans() as spans:
        drive(make(decorate()), outcome)
    (span,) = [one for one in spans if one.name.rpartition(".")[2] in ("work", "<lambda>")]
    assert (STATUS.get(outcome, "UNSET"), EXIT.get(outcome), EVENTS.get(outcome, [])) == (
        span.status,
        span.attributes.get("tracekit.exit"),
        span.events,
    )


# A coroutine has the context of the task that steps it. Stepped by hand and then left to another
# thread, nobody is there to take its span out of the first one's context.
LEFT_HALF_WAY = ("resumed elsewhere", "garbage-collected")
RESTORED = [
    (kind, outcome)
    for kind, outcome in CELLS
    if KINDS[kind][1] is not drive_coroutine or outcome not in LEFT_HALF_WAY
]


@pytest.mark.parametrize(("kind", "outcome"), RESTORED)
def test_nothing_stays_current(kind, outcome):
    """Afterwards the current span is what it was before."""
    make, drive = KINDS[kind]
    with capture_spans():
        before = trace.get_current_span()
        drive(make(decorate()), outcome)
        assert before is trace.get_current_span()


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_without_any_set_up(kind, outcome):
    """With nothing set up, everything works the same and no span is made."""
    make, drive = KINDS[kind]
    assert drive(make(same), outcome) == drive(make(decorate()), outcome)
