"""A program that forks while it exports; run by its test, not collected.

Called with the protocol, the receiver's URL and the number of children. Prints the exit codes of
the children, the seconds that the slowest fork took, and the spans that the parent started.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import tracekit
from tracekit import exporters, span

ABREAST = 4


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


def main(protocol, endpoint, children):
    os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "1"
    exporter = exporters.otlp(protocol=protocol, endpoint=endpoint)
    telemetry = tracekit.init_telemetry("parent", exporter=exporter)
    stop = threading.Event()
    loading = threading.Thread(target=load, args=(stop,))
    loading.start()
    while telemetry.stats.exported < 5:
        stop.wait(0.01)
    codes, slowest = [], 0.0
    for _ in range(children // ABREAST):
        forked = [fork(lambda: child(telemetry)) for _ in range(ABREAST)]
        slowest = max(slowest, *(seconds for _, seconds in forked))
        codes += [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _ in forked]
    stop.set()
    loading.join()
    delivered = telemetry.shutdown(20.0)
    answer = {"codes": codes, "slowest": slowest, "delivered": delivered}
    sys.stdout.write(json.dumps({**answer, "started": telemetry.stats.started}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
