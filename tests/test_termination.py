"""`SIGTERM` in worker processes: a flush between tasks, the default action during a task."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from tracekit._setup.process_exit import LiveSetups
from tracekit._setup.termination import TerminationHandler


@pytest.fixture
def termination():
    """Return the handler of `SIGTERM`, as if this process were a worker."""
    handler = TerminationHandler(lambda: None)
    handler.start()
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield handler
    handler._wakeup.stop()
    signal.signal(signal.SIGTERM, before)


needs_signals = pytest.mark.skipif(
    os.name == "nt", reason="Windows ends processes without a signal"
)


def sigterm_handler():
    return signal.getsignal(signal.SIGTERM)


@needs_signals
def test_sigterm_keeps_its_default_action_during_a_task(termination):
    """Between tasks the worker handles the signal; nested tasks count as one."""
    termination.begin_task()
    termination.begin_task()
    termination.end_task()
    assert signal.SIG_DFL == sigterm_handler()
    termination.end_task()
    assert termination.handle == sigterm_handler()
    termination.begin_task()
    assert signal.SIG_DFL == sigterm_handler()
    assert -1 == signal.set_wakeup_fd(-1)


@needs_signals
def test_a_signal_handler_of_a_task_is_not_replaced(termination):
    """The task's own handler stays after the task."""
    termination.begin_task()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    termination.end_task()
    assert signal.SIG_IGN == sigterm_handler()


@needs_signals
def test_a_wakeup_descriptor_of_the_program_is_not_replaced(termination):
    """The signal then keeps its default action."""
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        termination.begin_task()
        termination.end_task()
        assert writer.fileno() == signal.set_wakeup_fd(-1)
    assert signal.SIG_DFL == sigterm_handler()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_of_a_waiting_worker_does_not_wake_it(termination):
    """The child has no wakeup descriptor, whichever thread forks; the worker keeps its own."""
    termination.begin_task()
    termination.end_task()
    codes = []

    def fork():
        child = os.fork()
        if not child:
            os._exit(0 if signal.set_wakeup_fd(-1) == -1 else 1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    forking = threading.Thread(target=fork)
    forking.start()
    forking.join()
    assert [0] == codes
    assert -1 != signal.set_wakeup_fd(-1)


@needs_signals
def test_sigterm_during_the_exit_waits_for_the_flush(termination, monkeypatch):
    """The process ends by the signal's default action afterwards."""
    steps = []
    monkeypatch.setattr(os, "kill", lambda process, number: steps.append(number))
    with termination.deferred():
        termination.handle(signal.SIGTERM, None)
        steps.append("flushed")
    assert ["flushed", signal.SIGTERM] == steps
    assert signal.SIG_DFL == sigterm_handler()


@needs_signals
def test_sigterm_flushes_once_and_ends_the_worker(termination, monkeypatch):
    """A second signal during the flush does nothing."""
    steps = []

    def flush():
        termination.handle(signal.SIGTERM, None)
        steps.append("flush")

    def kill(process, number):
        steps.append((process, number, signal.getsignal(number)))

    monkeypatch.setattr(termination, "_flush", flush)
    monkeypatch.setattr(os, "kill", kill)
    termination.handle(signal.SIGTERM, None)
    assert ["flush", (os.getpid(), signal.SIGTERM, signal.SIG_DFL)] == steps


def test_a_flush_at_sigterm_has_three_seconds(monkeypatch):
    """The sender of the signal waits meanwhile."""
    seconds = []
    setups = LiveSetups()
    monkeypatch.setattr(setups, "flush", lambda: seconds.append(setups._remaining_seconds()))
    setups.termination._flush()
    assert 2.0 < seconds[0] <= 3.0


@needs_signals
def test_a_worker_ends_by_sigterm_although_its_flush_fails(termination, monkeypatch):
    """The signal's default action follows the exception."""
    steps = []
    monkeypatch.setattr(termination, "_flush", lambda: 1 / 0)
    monkeypatch.setattr(os, "kill", lambda process, number: steps.append(number))
    with pytest.raises(ZeroDivisionError):
        termination.handle(signal.SIGTERM, None)
    assert [signal.SIGTERM] == steps
