"""What `import tracekit` costs and shows."""

from __future__ import annotations

import pytest

import tracekit
from tracekit import executors, exporters, logs, propagation, testing


def test_import_loads_no_sdk_and_no_grpc(run_python):
    """A library that decorates its functions pays for OpenTelemetry's API alone."""
    done = run_python(
        "import sys, tracekit\n"
        "from tracekit import instrument, span, event, record, Filter, Level, describe\n"
        "from tracekit import executors, propagation, preserve_context, run_blocking\n"
        "@instrument\n"
        "def work(a): pass\n"
        "work(1)\n"
        "with span('x'): event('y'); record(z=1)\n"
        "heavy = ('opentelemetry.sdk', 'grpc', 'google.protobuf', 'requests')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert "[]" == done.stdout.strip()


def test_what_is_loaded_late_is_there_when_asked_for(run_python):
    """The set-up floor comes with the first name that needs it."""
    done = run_python(
        "import sys, tracekit\n"
        "missing = [name for name in tracekit.__all__ if not hasattr(tracekit, name)]\n"
        "print(missing, 'opentelemetry.sdk.trace' in sys.modules)\n"
    )
    assert "[] True" == done.stdout.strip()


@pytest.mark.parametrize("module", [tracekit, executors, exporters, logs, propagation, testing])
def test_the_public_names_are_sorted_and_there(module):
    """`__all__` is what there is."""
    assert sorted(module.__all__) == module.__all__
    assert set(module.__all__) <= set(dir(module))


def test_an_unknown_name_is_refused():
    """As by any module."""
    with pytest.raises(AttributeError, match="no attribute 'instrumnet'"):
        tracekit.instrumnet  # type: ignore[attr-defined]


def test_the_version_is_the_distributions():
    """The two do not drift apart."""
    from importlib.metadata import version

    assert version("otel-tracekit") == tracekit.__version__
