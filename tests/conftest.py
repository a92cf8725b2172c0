"""Fixtures of all tests: a clean environment, and nothing installed before or after."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
from hypothesis import settings
from opentelemetry import trace

pytest_plugins = ["pytester"]

from tests.receivers.fixtures import *  # noqa: F403 - pytest finds fixtures by their names here
from tracekit._base.log import forget_logged_warnings
from tracekit._setup import runtime
from tracekit.logs import SpanEventHandler

# One run of CI tries many examples, the others few: `pytest --hypothesis-profile=few`.
settings.register_profile("many", max_examples=300, deadline=None)
settings.register_profile("few", max_examples=30, deadline=None)
settings.load_profile("many")


# Coverage measures the processes that run tests, and not the programs that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    for _name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        os.environ.pop(_name, None)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Remove the variables that change a set-up."""
    for name in list(os.environ):
        # A program that an earlier test ran may have left the width of a terminal.
        if name.startswith(("OTEL_", "TRACEKIT_FILTER", "TRACEPARENT", "COLUMNS")):
            monkeypatch.delenv(name)
    forget_logged_warnings()


@pytest.fixture
def global_telemetry():
    """Let a test install telemetry, and uninstall it afterwards."""
    yield
    installed = runtime._runtime.installed
    if installed is not None:
        installed.telemetry.shutdown(5.0)
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = type(trace._TRACER_PROVIDER_SET_ONCE)()
    runtime.registry.configure(None, None)


@pytest.fixture
def untraced():
    """Keep coverage out of this thread, because a signal handler may interrupt its lock."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.fixture
def run_python(tmp_path):
    """Run a script in a new Python process and return the completed process."""

    def run(script: str, *, check: bool = True, **environment: str):
        path = tmp_path / "script.py"
        path.write_text(script)
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def loggers():
    """Make loggers that pass their records to the given handlers only."""
    added = []

    def make(name, *handlers):
        # The logger is not in the tree of loggers, where pytest's handlers format every record.
        logger = logging.Logger(name, 1)
        for handler in handlers:
            logger.addHandler(handler)
            added.append(handler)
        return logger

    yield make
    for handler in added:
        handler.close()


@pytest.fixture
def logger(loggers):
    """Return a logger whose records become events."""
    return loggers("shop.db", SpanEventHandler())
