"""A program that forks while it exports; a test runs it.

Its arguments are the way, the protocol, the receiver's URL and the number of children. It prints a
line once it has forked, waits for a line, and prints the exit codes of the children, the seconds of
the slowest fork, and the number of spans that the parent started.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import tracekit
from tracekit import exporters, span
from tracekit._base import forks

FORKS_AT_ONCE = 4
FIRST = 5


def load(stop):
    while not stop.wait(0.0005):
        with span("load"):
            pass


def child(telemetry):
    with span("child"):
        pass
    return telemetry.flush(10.0)


def fork(work):
    begun = time.monotonic()
    pid = os.fork()
    if pid:
        return pid, time.monotonic() - begun
    try:
        os._exit(0 if work() else 1)
    finally:
        os._exit(2)


def under_load(telemetry, children):
    """Fork while another thread records spans, which are exported all the time."""
    stop = threading.Event()
    loading = threading.Thread(target=load, args=(stop,))
    loading.start()
    while telemetry.stats.exported < FIRST:
        stop.wait(0.01)
    codes, slowest = [], 0.0
    for _ in range(children // FORKS_AT_ONCE):
        forked = [fork(lambda: child(telemetry)) for _ in range(FORKS_AT_ONCE)]
        slowest = max(slowest, *(seconds for _, seconds in forked))
        codes += [exit_code(pid) for pid, _ in forked]
    stop.set()
    loading.join()
    return codes, slowest


def beside_an_export_that_hangs(telemetry, children):
    """Fork while a thread is in a call of the exporter that does not return."""
    forks.BEFORE_FORK_TIMEOUT = 0.2
    with span("hangs"):
        pass
    # It fails, but the exporter is called now.
    telemetry.flush(0.3)
    forked = [fork(lambda: child(telemetry)) for _ in range(children)]
    return [exit_code(pid) for pid, _ in forked], max(seconds for _, seconds in forked)


WAYS = {
    "under load": under_load,
    "beside an export that hangs": beside_an_export_that_hangs,
}


def exit_code(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def print_line(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(way, protocol, endpoint, children):
    os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "1"
    exporter = exporters.otlp(protocol=protocol, endpoint=endpoint)
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    codes, slowest = WAYS[way](telemetry, children)
    print_line("forked")
    sys.stdin.readline()
    answer = {"codes": codes, "slowest": slowest, "delivered": telemetry.shutdown(20.0)}
    print_line(json.dumps({**answer, "started": telemetry.stats.started}))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
