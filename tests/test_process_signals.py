"""`SIGTERM` with its default action, and under the handler of a server: spans are delivered."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

import tracekit
from tracekit import ConfigurationError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")

PROGRAM = """\
import os, signal, sys, threading, time
import tracekit
telemetry = tracekit.init_telemetry("signals", exporter=tracekit.exporters.otlp(
    endpoint=os.environ["RECEIVER"], protocol="http"){options})
for number in range(5):
    with tracekit.span("work"): pass
"""
WAITS = {
    "Python": "print('ready', flush=True)\nwhile True: time.sleep(60)\n",
    # Only a call into C that never returns to the interpreter; it is signalled in its own way.
    "a call into C": (
        "import ctypes\n"
        "wait = ctypes.CDLL(None).pthread_join\n"
        "wait.argtypes = [ctypes.c_ulong, ctypes.c_void_p]\n"
        "thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)\n"
        "thread.start()\n"
        "print('ready', flush=True)\n"
        "wait(thread.ident, None)\n"
    ),
}


@pytest.fixture
def start(http_receiver, tmp_path):
    """Start a program or a command whose exporter sends to the receiver."""
    running = []

    def run(*command, code="", endpoint=http_receiver.endpoint):
        path = tmp_path / "program.py"
        path.write_text(code)
        process = subprocess.Popen(
            [sys.executable, *(command or [str(path)])],
            env={**os.environ, "RECEIVER": endpoint},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def end(process, number=signal.SIGTERM):
    """Send the signal, and return the status and the seconds until the process ended."""
    begin = time.monotonic()
    process.send_signal(number)
    status = process.wait(30)
    return status, time.monotonic() - begin


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_sigterm_delivers_and_keeps_its_status(wait, start, http_receiver):
    """Wherever the main thread waits."""
    process = start(code=PROGRAM.format(options="") + wait)
    process.stdout.readline()
    assert -signal.SIGTERM == end(process)[0]
    assert 5 == len(http_receiver.spans)


def test_a_receiver_that_is_down_does_not_hold_up_the_end(start):
    """The process ends within three seconds, and the loss is logged."""
    process = start(
        code=PROGRAM.format(options="") + WAITS["Python"], endpoint="http://127.0.0.1:1"
    )
    process.stdout.readline()
    status, seconds = end(process)
    assert -signal.SIGTERM == status
    assert seconds < 3.5
    assert "at exit 5 spans had not been delivered" in process.stderr.read()


def test_signals_can_be_left_alone(start, http_receiver):
    """Then SIGTERM ends the process at once."""
    process = start(code=PROGRAM.format(options=", signals=False") + WAITS["Python"])
    process.stdout.readline()
    assert -signal.SIGTERM == end(process)[0]
    assert [] == list(http_receiver.spans)


def test_children_inherit_nothing(start, tmp_path):
    """Neither a mask nor an action of the signal, nor a descriptor."""
    inspect = (
        "import os, signal\n"
        "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,"
        " signal.pthread_sigmask(signal.SIG_BLOCK, []),"
        " signal.set_wakeup_fd(-1))\n"
    )
    process = start(
        code=PROGRAM.format(options="")
        + "import subprocess\n"
        + f"subprocess.run([sys.executable, '-c', {inspect!r}], close_fds=False)\n"
        + "child = os.fork()\n"
        + "if not child:\n"
        + "    "
        + inspect.replace("\n", "\n    ").rstrip()
        + "\n"
        + "    sys.stdout.flush(); os._exit(0)\n"
        + "os.waitpid(child, 0)\n"
        + "telemetry.shutdown()\n"
        + "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)\n"
    )
    output = process.communicate(timeout=30)[0]
    assert ["True set() -1", "True set() -1", "True"] == output.splitlines()


def test_a_handler_of_the_program_stays(start, http_receiver):
    """The signal is noted, and what ends afterwards is delivered at once."""
    process = start(
        code="import signal\nsignal.signal(signal.SIGTERM, lambda *_: None)\n"
        + PROGRAM.format(options="")
        + WAITS["Python"]
    )
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    http_receiver.wait_for_spans(5)
    assert process.poll() is None


def test_signals_must_be_a_boolean(global_telemetry):
    """The message shows the value."""
    with pytest.raises(ConfigurationError, match="signals='yes'"):
        tracekit.init_telemetry("x", exporter="none", signals="yes")


SERVED = """\
import os
import tracekit
telemetry = tracekit.init_telemetry("served", exporter=tracekit.exporters.otlp(
    endpoint=os.environ["RECEIVER"], protocol="http"))
@tracekit.instrument
def work(): pass
async def app(scope, receive, send):
    if scope["type"] == "http":
        work()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})
if __name__ == "__main__":
    import sys, uvicorn
    uvicorn.run(app, port=int(sys.argv[1]), lifespan="off")
"""
SERVERS = {
    "uvicorn.run": (["program.py"], signal.SIGTERM),
    "uvicorn": (["-m", "uvicorn", "program:app", "--port"], signal.SIGTERM),
    "uvicorn, SIGINT": (["-m", "uvicorn", "program:app", "--port"], signal.SIGINT),
    "--workers": (["-m", "uvicorn", "program:app", "--workers", "2", "--port"], signal.SIGTERM),
    "--workers, SIGINT": (["-m", "uvicorn", "program:app", "--workers", "2", "--port"], 2),
    "--reload": (["-m", "uvicorn", "program:app", "--reload", "--port"], signal.SIGTERM),
    "--reload, SIGINT": (["-m", "uvicorn", "program:app", "--reload", "--port"], 2),
}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get(port):
    """Return the answer of the server, once it answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return answer.read()
        except urllib.error.URLError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_flask_run_loses_no_span(start, http_receiver):
    """Its signal has the default action."""
    pytest.importorskip("flask")
    port = free_port()
    program = SERVED.partition("async def")[0] + (
        "from flask import Flask\n"
        "app = Flask(__name__)\n"
        "@app.route('/')\n"
        "def page():\n"
        "    work()\n"
        "    return 'done'\n"
    )
    process = start("-m", "flask", "--app", "program", "run", "--port", str(port), code=program)
    for _ in range(5):
        assert b"done" == get(port)
    assert -signal.SIGTERM == end(process)[0]
    assert 5 == len(http_receiver.spans)


@pytest.mark.parametrize(("command", "number"), SERVERS.values(), ids=SERVERS)
def test_uvicorn_loses_no_span(command, number, start, http_receiver):
    """Spans of requests that were answered are delivered."""
    pytest.importorskip("uvicorn")
    port = free_port()
    process = start(*command, str(port), code=SERVED)
    for _ in range(5):
        assert b"done" == get(port)
    _, seconds = end(process, number)
    assert seconds < 5
    assert 5 == len(http_receiver.spans)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("pause", [0.0, 0.03], ids=["together", "apart"])
def test_a_forked_child_that_leaves_by_os_exit_loses_no_span(pause, start, http_receiver):
    """It goes on for 50 ms after its last span."""
    process = start(
        code=PROGRAM.format(options="").replace("range(5)", "range(0)") + "child = os.fork()\n"
        "if not child:\n"
        "    for number in range(10):\n"
        "        with tracekit.span('job'): pass\n"
        f"        time.sleep({pause})\n"
        "    time.sleep(0.05)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    assert 0 == process.wait(30)
    assert 10 == len(http_receiver.spans)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_with_many_traces_sends_batches(start, http_receiver):
    """There are at most about ten requests in a second."""
    process = start(
        code=PROGRAM.format(options="").replace("range(5)", "range(0)") + "if not os.fork():\n"
        "    end = time.monotonic() + 1.0\n"
        "    while time.monotonic() < end:\n"
        "        with tracekit.span('job'): pass\n"
        "        time.sleep(0.002)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert 0 == process.wait(30)
    assert len(http_receiver.spans) / http_receiver.attempts > 5


LIFESPAN = """\
import os
import tracekit
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from tracekit import exporters
from fastapi import FastAPI
inner = exporters.otlp(endpoint=os.environ["RECEIVER"], protocol="http")
class Slow(SpanExporter):
    def export(self, spans):
        import time
        time.sleep(1.0)
        return inner.export(spans)
telemetry = tracekit.init_telemetry("served", exporter=Slow(), signals=False)
app = FastAPI(lifespan=telemetry.lifespan)
@app.get("/")
async def page():
    with tracekit.span("work"): pass
    return 1
"""


def test_a_lifespan_delivers_before_the_server_ends_the_process(start, http_receiver):
    """Also to a receiver that takes a second, where the server would be faster."""
    pytest.importorskip("fastapi")
    port = free_port()
    process = start("-m", "uvicorn", "program:app", "--port", str(port), code=LIFESPAN)
    for _ in range(5):
        assert b"1" == get(port)
    end(process)
    assert 5 == sum(one.name == "work" for one in http_receiver.spans)
