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
    """Beyond OpenTelemetry's API comes nothing of size: not even what other parts of us use."""
    done = run_python(
        "import sys, opentelemetry.trace\n"
        "before = set(sys.modules)\n"
        f"{statement}\n"
        f"print([name for name in {NOT_LOADED!r} if name in set(sys.modules) - before])\n"
    )
    assert "[]" == done.stdout.strip()


def test_functions_are_decorated_and_called_without_loading_more(run_python):
    """Nobody waits in the middle of a call for what could have been there before."""
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


def test_no_part_for_the_code_loads_the_sdk_or_grpc(run_python):
    """A library that decorates its functions and hands work on pays for OpenTelemetry's API alone.

    That holds for callable objects, preserved contexts, carriers and filters too.
    """
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


def test_executors_of_our_own_load_no_proxies(run_python):
    """They come, with wrapt, with the first executor of someone else that is wrapped."""
    done = run_python(
        "import concurrent.futures, sys\n"
        "from tracekit.executors import Thread, ThreadPoolExecutor, wrap\n"
        "with ThreadPoolExecutor() as pool: assert [3] == list(wrap(pool).map(len, ['abc']))\n"
        "print('tracekit._context.wrapped_pools' in sys.modules)\n"
        "wrap(concurrent.futures.ThreadPoolExecutor())\n"
        "print('tracekit._context.wrapped_pools' in sys.modules)\n"
    )
    assert ["False", "True"] == done.stdout.split()


def test_what_is_loaded_late_is_there_when_asked_for(run_python):
    """Each part comes with the first name that needs it."""
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
