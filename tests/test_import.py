"""What `import tracekit` costs and shows."""

from __future__ import annotations

import pytest

import tracekit
from tracekit import executors, exporters, logs, propagation, testing

# Each is loaded by a part of tracekit, or comes with something that is.
NOT_LOADED = (
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "email",
    "google.protobuf",
    "grpc",
    "importlib.metadata",
    "multiprocessing",
    "opentelemetry.baggage",
    "opentelemetry.propagate",
    "opentelemetry.propagators",
    "opentelemetry.sdk",
    "pickle",
    "requests",
    "ssl",
    "tracekit._context.snapshots",
    "tracekit._instrument.proxy",
    "tracekit._filters.syntax",
    "wrapt",
)


@pytest.mark.parametrize(
    "statement",
    ["import tracekit", "from tracekit import instrument, span, event, record, Filter, Level"],
)
def test_import_adds_no_more_than_decorating_needs(run_python, statement):
    """Besides OpenTelemetry's API, no large module is loaded, not even other parts of tracekit."""
    done = run_python(
        "import sys, opentelemetry.trace\n"
        "before = set(sys.modules)\n"
        f"{statement}\n"
        f"print([name for name in {NOT_LOADED!r} if name in set(sys.modules) - before])\n"
    )
    assert "[]" == done.stdout.strip()


def test_functions_are_decorated_and_called_without_loading_more(run_python):
    """Decorating and calling load no module."""
    done = run_python(
        "import sys\n"
        "from tracekit import instrument, span, event, record\n"
        "before = set(sys.modules)\n"
        "@instrument\n"
        "def work(a): pass\n"
        "@instrument(level='debug', skip=['a'], fields={'b.length': lambda b: len(b)})\n"
        "async def await_work(a, b): pass\n"
        "work(1)\n"
        "with span('x', {'a.b': 1}): event('y'); record(z=1)\n"
        "print(set(sys.modules) - before)\n"
    )
    assert "set()" == done.stdout.strip()


def test_no_function_for_instrumented_code_loads_the_sdk_or_grpc(run_python):
    """A library pays for OpenTelemetry's API alone."""
    done = run_python(
        "import functools, sys, tracekit\n"
        "from tracekit import instrument, span, event, record, Filter, Level, describe\n"
        "from tracekit import executors, logs, propagation, preserve_context, run_blocking\n"
        "@instrument\n"
        "def work(a): pass\n"
        "work(1)\n"
        "instrument(functools.partial(work))(1)\n"
        "preserve_context(work)(Filter('[handle{user=1}]=trace'))\n"
        "with span('x'): event('y'); record(z=propagation.inject())\n"
        "heavy = ('opentelemetry.sdk', 'grpc', 'google.protobuf', 'requests')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert "[]" == done.stdout.strip()


def test_our_own_executors_load_no_proxies(run_python):
    """Proxies and wrapt are loaded with the first executor of another library that is wrapped."""
    done = run_python(
        "import concurrent.futures, sys\n"
        "from tracekit.executors import Thread, ThreadPoolExecutor, wrap\n"
        "with ThreadPoolExecutor() as pool: assert [3] == list(wrap(pool).map(len, ['abc']))\n"
        "print('tracekit._context.wrapped_pools' in sys.modules)\n"
        "wrap(concurrent.futures.ThreadPoolExecutor())\n"
        "print('tracekit._context.wrapped_pools' in sys.modules)\n"
    )
    assert ["False", "True"] == done.stdout.split()


def test_lazy_names_are_loaded_on_first_access(run_python):
    """Each module is loaded with the first name that needs it."""
    done = run_python(
        "import sys, tracekit\n"
        "missing = [name for name in tracekit.__all__ if not hasattr(tracekit, name)]\n"
        "print(missing, 'opentelemetry.sdk.trace' in sys.modules)\n"
    )
    assert "[] True" == done.stdout.strip()


@pytest.mark.parametrize("module", [tracekit, executors, exporters, logs, propagation, testing])
def test_the_public_names_are_sorted_and_exist(module):
    """`__all__` lists them."""
    assert sorted(module.__all__) == module.__all__
    assert set(module.__all__) <= set(dir(module))


def test_an_unknown_name_raises():
    """The error is that of any module."""
    with pytest.raises(AttributeError, match="no attribute 'instrumnet'"):
        tracekit.instrumnet  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_distribution():
    """The two do not differ."""
    from importlib.metadata import version

    assert version("otel-tracekit") == tracekit.__version__
