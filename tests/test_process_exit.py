"""The exit of the interpreter: all spans are delivered, within a deadline."""

from __future__ import annotations

import gc
import json
import weakref

import pytest

from tracekit import TelemetryBuilder

EXITS = {
    "the end of the script": "",
    "sys.exit": "sys.exit(3)",
    "an unhandled exception": "raise ValueError('boom')",
    "SIGTERM turned into sys.exit": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
        "os.kill(os.getpid(), signal.SIGTERM)"
    ),
}


@pytest.mark.parametrize("code", EXITS.values(), ids=EXITS)
def test_no_span_is_lost_at_exit(code, run_python, tmp_path):
    """However the interpreter exits, unless it is killed."""
    path = tmp_path / "spans.jsonl"
    run_python(
        "import os, signal, sys, tracekit\n"
        f"tracekit.init_telemetry('exit', exporter='file:{path}')\n"
        "@tracekit.instrument\n"
        "def work(n): pass\n"
        "for n in range(1500): work(n)\n" + code,
        check=False,
    )
    spans = [
        one
        for line in path.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for one in scope["spans"]
    ]
    assert 1500 == len(spans)


def test_a_span_of_an_exit_handler_is_not_lost(run_python, tmp_path):
    """No thread can be started then."""
    path = tmp_path / "spans.jsonl"
    run_python(
        "import atexit, tracekit\n"
        f"tracekit.init_telemetry('exit', exporter='file:{path}')\n"
        "@tracekit.instrument\n"
        "def work(): pass\n"
        "atexit.register(work)\n"
    )
    assert 1 == path.read_text().count('"name":"work"')


def test_the_interpreter_exits_although_no_collector_answers(run_python):
    """The exit has its own deadline, and one message says how many spans were lost."""
    done = run_python(
        "import logging, time, tracekit; logging.basicConfig()\n"
        "from tracekit._setup import process_exit\n"
        "process_exit.EXIT_TIMEOUT = 0.5\n"
        "tracekit.init_telemetry('exit', exporter=tracekit.exporters.otlp("
        "endpoint='http://127.0.0.1:1'))\n"
        "with tracekit.span('work'): pass\n"
    )
    assert "at exit 1 spans had not been delivered" in done.stderr


SLOW = (
    "import atexit, os, signal, sys, time, tracekit\n"
    "from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult\n"
    "class Slow(SpanExporter):\n"
    "    def export(self, spans):\n"
    "        time.sleep(0.5)\n"
    "        for one in spans: print(one.name, flush=True)\n"
    "        return SpanExportResult.SUCCESS\n"
)


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit"])
def test_a_shutdown_that_is_interrupted_is_finished_at_exit(error, run_python):
    """Waiting spans are delivered before the interpreter ends."""
    done = run_python(
        SLOW + "import signal, threading\n"
        "telemetry = tracekit.init_telemetry('test', exporter=Slow())\n"
        "with tracekit.span('work'): pass\n"
        f"def interrupt(*_): raise {error}\n"
        "signal.signal(signal.SIGINT, interrupt)\n"
        "timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))\n"
        "timer.start()\n"
        "telemetry.shutdown(30.0)\n",
        check=False,
    )
    assert "work" == done.stdout.strip()


def test_a_private_set_up_is_shut_down_at_exit(run_python):
    """Like an installed one."""
    done = run_python(
        SLOW + "telemetry = tracekit.TelemetryBuilder('test').with_exporter(Slow()).build()\n"
        "telemetry.tracer_provider.get_tracer('t').start_span('work').end()\n"
    )
    assert "work" == done.stdout.strip()


def test_a_private_set_up_is_not_kept_alive_for_the_exit():
    """It is collected when the program drops it."""
    gone = weakref.ref(TelemetryBuilder("test").with_exporter("memory").build())
    gc.collect()
    assert gone() is None


def test_spans_that_end_after_the_shutdown_at_exit_are_counted_and_logged(run_python):
    """Such as those of an exit handler that was registered before the set-up."""
    done = run_python(
        SLOW + "def late():\n"
        "    with tracekit.span('late'): pass\n"
        "    print(telemetry.stats.dropped)\n"
        "atexit.register(late)\n"
        "telemetry = tracekit.init_telemetry('test', exporter=Slow())\n"
        "with tracekit.span('work'): pass\n"
    )
    assert ["work", "1"] == done.stdout.split()
    assert "are dropped and counted: it was shut down" in done.stderr
