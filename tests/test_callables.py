"""Every kind of callable with every outcome: the caller sees no difference, a span records it."""

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
    """Fail if a cell logs anything or raises where it cannot be caught."""
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with caplog.at_level(logging.DEBUG):
        yield
    assert [] == [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    assert [] == unraisable


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_the_caller_sees_no_difference(kind, outcome):
    """A decorated callable returns, raises and ends as the undecorated one."""
    make, drive = KINDS[kind]
    expected = drive(make(same), outcome)
    with capture_spans():
        actual = drive(make(decorate()), outcome)
    assert expected == actual


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_one_span_records_how_the_call_ended(kind, outcome):
    """Status, exit and events are those of the outcome."""
    make, drive = KINDS[kind]
    with capture_spans() as spans:
        drive(make(decorate()), outcome)
    (span,) = [one for one in spans if one.name.rpartition(".")[2] in ("work", "<lambda>")]
    assert STATUS.get(outcome, "UNSET") == span.status
    assert EXIT.get(outcome) == span.attributes.get("tracekit.exit")
    assert EVENTS.get(outcome, []) == span.events


# A coroutine runs in the context of the task that steps it. If another thread takes its last step,
# nothing removes its span from the context of the first thread.
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
    """Without a set-up, the results are the same and no span is made."""
    make, drive = KINDS[kind]
    assert drive(make(same), outcome) == drive(make(decorate()), outcome)
