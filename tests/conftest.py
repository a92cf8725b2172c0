"""What every test starts from: a clean environment, and nothing installed before or after."""

from __future__ import annotations

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


# One run of CI tries many examples, the others few: `pytest --hypothesis-profile=few`.
settings.register_profile("many", max_examples=300, deadline=None)
settings.register_profile("few", max_examples=30, deadline=None)
settings.load_profile("many")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Take out the variables that change what a set-up does."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "TRACEKIT_FILTER", "TRACEPARENT")):
            monkeypatch.delenv(name)
    forget_logged_warnings()


@pytest.fixture
def global_telemetry():
    """Let a test install telemetry, and take it out of the process again."""
    yield
    installed = runtime._installed
    if installed.telemetry is not None:
        installed.telemetry.shutdown(5.0)
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = type(trace._TRACER_PROVIDER_SET_ONCE)()
    runtime.registry.configure(None, None)


@pytest.fixture
def untraced():
    """Keep coverage out of the thread: its lock is not for a handler that strikes within it."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.fixture
def run_python(tmp_path):
    """Run a script in a Python process of its own, and give what it printed."""

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
