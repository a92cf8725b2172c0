"""The context at every place where Python leaves it, under every start method."""

from __future__ import annotations

import os

import pytest

from tests.boundaries import TIMEOUT, matrix
from tests.tasks import NOTHING, fail, observe, submitter

pytestmark = pytest.mark.usefixtures("spans")


@pytest.fixture
def fifo(tmp_path):
    """A named pipe that a worker can be kept busy with."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(("boundary", "start"), matrix("returns"))
def test_a_call_has_the_submitters_context_and_leaves_nothing(boundary, start):
    """Each call sees the span and the baggage of whoever hands it over, and then no one does."""
    boundary.require()
    with boundary.calls(start) as call:
        for _ in range(2):
            with submitter() as expected:
                assert expected == call(observe)
        assert NOTHING == call(observe)


@pytest.mark.parametrize(("boundary", "start"), matrix("raises"))
def test_a_call_that_raises(boundary, start):
    """The exception comes back as it was raised, in the right context, and nothing is left."""
    boundary.require()
    with boundary.calls(start) as call:
        with submitter() as expected, pytest.raises(LookupError) as caught:
            call(fail)
        assert expected == caught.value.args
        assert NOTHING == call(observe)


@pytest.mark.parametrize(("boundary", "start"), matrix("cancelled"))
def test_a_call_that_is_cancelled_before_it_starts(boundary, start, fifo):
    """It is never made."""
    boundary.require()
    with submitter():
        boundary.cancel(start, fifo)
    assert not fifo.with_name("called").exists()


@pytest.mark.parametrize(("boundary", "start"), matrix("pool broken"))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_pool_that_is_broken(boundary, start, capfd):
    """Its calls fail with the very error of the bare pool."""
    boundary.require()
    errors = []
    for pool in boundary.broken(start):
        with submitter(), pool, pytest.raises(Exception) as caught:
            pool.submit(observe).result(TIMEOUT)
        errors.append(caught.value)
    bare, ours = errors
    assert (type(bare), str(bare)) == (type(ours), str(ours))
