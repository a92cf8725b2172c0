"""The context at every boundary, under every start method."""

from __future__ import annotations

import os

import pytest

from tests.boundaries import TIMEOUT, matrix
from tests.tasks import NOTHING, fail, observe, submitter

pytestmark = pytest.mark.usefixtures("spans")


@pytest.fixture
def fifo(tmp_path):
    """Return the path of a named pipe that keeps a worker busy."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(("boundary", "start"), matrix("returns"))
def test_a_call_has_the_submitters_context(boundary, start):
    """The span and the baggage; the worker's own context is unchanged afterwards."""
    boundary.require()
    with boundary.calls(start) as call:
        for _ in range(2):
            with submitter() as expected:
                assert expected == call(observe)
        assert NOTHING == call(observe)


@pytest.mark.parametrize(("boundary", "start"), matrix("raises"))
def test_a_call_that_raises_has_the_submitters_context(boundary, start):
    """The exception arrives unchanged, and the worker's own context is unchanged."""
    boundary.require()
    with boundary.calls(start) as call:
        with submitter() as expected, pytest.raises(LookupError) as caught:
            call(fail)
        assert expected == caught.value.args
        assert NOTHING == call(observe)


@pytest.mark.parametrize(("boundary", "start"), matrix("cancelled"))
def test_a_call_that_is_cancelled_before_it_starts_is_never_made(boundary, start, fifo):
    """At every boundary that can cancel a call."""
    boundary.require()
    with submitter():
        boundary.cancel(start, fifo)
    assert not fifo.with_name("called").exists()


@pytest.mark.parametrize(("boundary", "start"), matrix("pool broken"))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_broken_pool_fails_like_the_bare_pool(boundary, start, capfd):
    """With the same error."""
    boundary.require()
    errors = []
    for pool in boundary.broken(start):
        with submitter(), pool, pytest.raises(Exception) as caught:
            pool.submit(observe).result(TIMEOUT)
        errors.append(caught.value)
    bare, ours = errors
    assert (type(bare), str(bare)) == (type(ours), str(ours))
